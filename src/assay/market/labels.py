"""Labels with a fixed horizon: what a decision would have earned, and when that became known."""

from datetime import timedelta
from typing import Any

import polars as pl
from pydantic import Field

from assay.market.errors import ConfigurationError, DataError
from assay.market.execution import Execution
from assay.market.parameters import Parameters
from assay.market.tables import CLASS_NAMES, CLASSES

CAUSES = ("tail", "gap", "jump", "price", "volatility")


class LabelRule(Parameters):
    """How a decision becomes SHORT, NEUTRAL or LONG.

    Attributes:
        horizon: Bars between entry and exit.
        threshold: A move counts when ``|r| > threshold * sigma_t * sqrt(horizon)``. A fixed number, never a quantile
            of the data.
        volatility_span: Span of the exponentially weighted standard deviation of one-bar log returns. It ends at t
            and is defined from a quarter of the span on (at least 2 returns).
        max_gap: A label never spans two consecutive bars that are further apart than this.
    """

    horizon: int = Field(default=5, ge=1)
    threshold: float = Field(default=0.5, ge=0, allow_inf_nan=False)
    volatility_span: int = Field(default=100, ge=2)
    max_gap: timedelta = Field(gt=timedelta(0))


def make_labels(bars: pl.DataFrame, rule: LabelRule, *, execution: Execution) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Label every bar with the simple return of entering after ``delay`` bars and leaving ``horizon`` bars later.

    A row has no label (``label_end``, ``forward_return`` and ``label`` null) for the first of these causes that holds:
    ``tail`` (the exit lies beyond the data), ``gap`` (two consecutive bars further apart than ``max_gap`` inside
    (t, exit]), ``jump`` (a flagged bar inside (t, exit]), ``price`` (no entry or exit price), ``volatility`` (sigma_t
    undefined or zero). The volatility-scaled three-class label follows Lopez de Prado, *Advances in Financial Machine
    Learning* (2018), chapter 3.

    Args:
        bars: Bars, sorted by entity and time, all entities.
        rule: Horizon, threshold, volatility and gap.
        execution: Delay and price field of both fills; the ledger uses the same object.

    Returns:
        The labels table, one row per bar in the order of ``bars`` (``start`` and ``label_end`` are the closing times of
        the filling bars, ``scale`` is ``sigma_t * sqrt(horizon)``, known at t), and its manifest: rows, labelled, nulls
        by cause, the returns of the ``jump`` rows, class shares, and the rule.

    Raises:
        ConfigurationError: No entity has enough bars for one label.
        DataError: There are enough bars, but no row got a label.
    """
    _check_length(bars, rule, execution)
    spans = _spans(bars, rule, execution)
    kept = pl.col("cause").is_null()
    r = pl.col("forward_return")
    labels = spans.select(
        "entity",
        "time",
        "start",
        *(pl.when(kept).then(name).alias(name) for name in ("label_end", "forward_return")),
        "scale",
        pl.when(kept)
        .then(pl.when(r.abs() > rule.threshold * pl.col("scale")).then(r.sign()).otherwise(0).cast(pl.Int8))
        .alias("label"),
    )
    return labels, _manifest(spans, labels, rule, execution)


def _check_length(bars: pl.DataFrame, rule: LabelRule, execution: Execution) -> None:
    needed = rule.horizon + execution.delay + 1
    counts = bars.group_by("entity").len().sort("len", "entity", descending=[True, False])
    entity, longest = counts.row(0) if counts.height else ("no entity", 0)
    if longest < needed:
        raise ConfigurationError(
            "label horizon",
            "longer than the data of every entity",
            expected=f"one entity with at least {needed} bars (horizon {rule.horizon} + delay {execution.delay} + 1)",
            found=f"{counts.height} entities; the longest is {entity} with {longest} bars",
            do="lower the horizon of the labels or load more bars",
        )


def _spans(bars: pl.DataFrame, rule: LabelRule, execution: Execution) -> pl.DataFrame:
    """Add entry, exit, return, scale and the first cause that forbids a label."""
    entry, leave = execution.delay, execution.delay + rule.horizon
    price, gap = pl.col(execution.price), (pl.col("time").diff() > rule.max_gap).fill_null(value=False)
    # Returns that are no market move of one bar would blow sigma up for a whole span: they are left out.
    move = pl.when(~gap & ~pl.col("jump")).then(pl.col("close").log().diff())
    sigma = move.ewm_std(
        span=rule.volatility_span, min_samples=max(2, rule.volatility_span // 4), ignore_nulls=True
    ).forward_fill()
    ahead = [
        flag.cum_sum().shift(-leave) - flag.cum_sum() for flag in (gap.cast(pl.Int32), pl.col("jump").cast(pl.Int32))
    ]
    columns = {
        "start": pl.col("time").shift(-entry),
        "label_end": pl.col("time").shift(-leave),
        "forward_return": price.shift(-leave) / price.shift(-entry) - 1,
        "scale": sigma * rule.horizon**0.5,
        "gaps": ahead[0],
        "jumps": ahead[1],
    }
    spans = bars.with_columns(expression.over("entity").alias(name) for name, expression in columns.items())
    holds = (
        pl.col("label_end").is_null(),
        pl.col("gaps") > 0,
        pl.col("jumps") > 0,
        pl.col("forward_return").is_null(),
        pl.col("scale").is_null() | (pl.col("scale") <= 0),
    )
    return spans.with_columns(
        pl.coalesce(pl.when(cond).then(pl.lit(cause)) for cause, cond in zip(CAUSES, holds, strict=True)).alias("cause")
    )


def _manifest(spans: pl.DataFrame, labels: pl.DataFrame, rule: LabelRule, execution: Execution) -> dict[str, Any]:
    nulls = {cause: int((spans["cause"] == cause).sum()) for cause in CAUSES}
    label = labels["label"].drop_nulls()
    if label.is_empty():
        raise DataError(
            "labels",
            "no row got a label",
            expected="at least one row without a cause against it",
            found=f"{labels.height} rows, not labelled because of {nulls}",
            do="look at the largest cause: gap -> raise max_gap, volatility -> lower volatility_span or load more bars",
        )
    jumped = spans.filter(cause="jump")["forward_return"].drop_nulls()
    return {
        "rows": labels.height,
        "labelled": label.len(),
        "nulls": nulls,
        "jump_returns": {"mean": jumped.mean(), "min": jumped.min(), "max": jumped.max()},
        "class_shares": {
            name: (label == code).sum() / label.len() for code, name in zip(CLASSES, CLASS_NAMES, strict=True)
        },
        "horizon": rule.horizon,
        "threshold": rule.threshold,
        "volatility_span": rule.volatility_span,
        "max_gap_hours": rule.max_gap / timedelta(hours=1),
        "execution": execution.model_dump(),
    }
