"""From a panel to the labels of a head, and an account of every row."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from assay.market.errors import ConfigurationError, DataError
from assay.market.execution import Execution
from assay.market.labels.kinds import LabelRule
from assay.market.labels.rule import BEYOND, Floats, KindRule, Market, Mask, Outcomes, Sides
from assay.market.labels.threshold import Threshold, sides, threshold_of
from assay.market.tables import CLASS_NAMES, CLASSES, KEY, LABELS, PRICES

CAUSES = ("tail", "gap", "jump", "price", "volatility")


def make_labels(
    panel: pl.DataFrame, rule: LabelRule, *, execution: Execution, before: datetime | None = None
) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Label every row of a panel.

    A row has no label (``label_end``, ``forward_return`` and ``label`` null) for the first of these causes that holds:
    ``tail`` (the end lies beyond the data), ``gap`` (two consecutive bars further apart than ``max_gap`` inside
    (t, end]), ``jump`` (a flagged bar inside (t, end]), ``price`` (a value that the outcome needs is missing),
    ``volatility`` (sigma_t undefined or zero). A label reads no row after its ``label_end``.

    Args:
        panel: Bars and feeds, sorted by entity and time, all entities.
        rule: Kind of label and its parameters.
        execution: Delay and price field of both fills; the ledger uses the same object.
        before: First time of the oldest test fold; read only by a rule with ``neutral_share``.

    Returns:
        The labels table, one row per panel row in its order (``start`` and ``label_end`` are the closing times of the
        filling bars, ``scale`` is ``sigma_t * sqrt(longest)``, known at t), and its manifest: kind, target, whether it
        can be traded, threshold and what that has seen, rows, labelled, nulls by cause, the returns of the ``jump``
        rows, class shares, what the kind has to say, and the parameters. ``horizon`` is the longest span in bars.
        Where a rule allows its target to be missing, no row has a label, and ``absent`` says why.

    Raises:
        ConfigurationError: No entity has enough bars for one label, the panel lacks a column, or ``before`` is needed.
        DataError: There are enough bars, but no row got a label, or none to estimate the threshold on.
    """
    own = rule.root
    if reason := own.absent(panel):
        return _unlabelled(panel), _blank(panel, own, execution) | {"absent": reason}
    _check_columns(panel, own, execution)
    _check_length(panel, own, execution)
    market = Market.of(panel, own, measured=own.reads(execution)[0])
    outcomes = own.outcomes(market, execution)
    cause = _causes(market, outcomes)
    kept = cause == len(CAUSES)
    known = market.times(outcomes.end)
    threshold = threshold_of(own, outcomes, known, kept, before=before)
    labels = _table(market, outcomes, kept, sides(outcomes, threshold))
    return labels, _manifest(labels, cause, outcomes, (own, execution, threshold))


def check_tradable(manifest: Mapping[str, Any]) -> None:
    """Make sure that the outcome of a label is the return of something that can be bought and sold.

    Args:
        manifest: What ``make_labels`` said.

    Raises:
        ConfigurationError: It is not.
    """
    if not manifest["tradable"]:
        raise ConfigurationError(
            f"labels of {manifest['target']}",
            "nothing is earned by its change, so no ledger can be kept",
            expected=f"a forecast of a price ({', '.join(PRICES)}), or labels of another kind",
            found=f"kind {manifest['kind']}, target {manifest['target']}",
            do="give this head a price to forecast; make_labels gives such labels for use outside the pipelines",
        )


def _check_columns(panel: pl.DataFrame, rule: KindRule, execution: Execution) -> None:
    numeric = [name for name, kind in panel.schema.items() if kind.is_numeric()]
    missing = sorted(set(rule.reads(execution)).difference(numeric))
    if missing:
        raise ConfigurationError(
            f"labels of kind {rule.kind}",
            f"the panel has no column of numbers {', '.join(missing)}",
            expected=f"one of {', '.join(numeric)}",
            found=", ".join(missing),
            do="correct the name, or load the feed that brings it",
        )


def _check_length(panel: pl.DataFrame, rule: KindRule, execution: Execution) -> None:
    needed = rule.reach(execution) + 1
    counts = panel.group_by("entity").len().sort("len", "entity", descending=[True, False])
    entity, longest = counts.row(0) if counts.height else ("no entity", 0)
    if longest < needed:
        raise ConfigurationError(
            "label horizon",
            "longer than the data of every entity",
            expected=f"one entity with at least {needed} bars, so far does a label reach ({rule.longest} bars and any "
            "delay of the execution)",
            found=f"{counts.height} entities; the longest is {entity} with {longest} bars",
            do="lower the horizon of the labels or load more bars",
        )


def _causes(market: Market, outcomes: Outcomes) -> Sides:
    """Number of the first cause against each row in ``CAUSES``; their count where there is none."""
    end, scale = outcomes.end, market.scale.to_numpy()
    inside = np.maximum(end, np.arange(len(end)))
    rows = np.arange(len(end))
    holds = (
        end == BEYOND,
        market.gaps[inside] > market.gaps[rows],
        market.jumps[inside] > market.jumps[rows],
        np.isnan(outcomes.forward_return),
        ~(scale > 0),
    )
    return np.select(holds, range(len(CAUSES)), default=len(CAUSES)).astype(np.int8)


def _table(market: Market, outcomes: Outcomes, kept: Mask, classes: Sides) -> pl.DataFrame:
    table = market.panel.select("entity", "time").with_columns(
        outcomes.start.alias("start"),
        market.times(outcomes.end).alias("label_end"),
        pl.Series("forward_return", outcomes.forward_return),
        market.scale.alias("scale"),
        pl.Series("label", classes),
    )
    labelled = pl.Series(kept)
    return table.with_columns(
        pl.when(labelled).then(name).alias(name) for name in ("label_end", "forward_return", "label")
    )


def _manifest(
    labels: pl.DataFrame,
    cause: Sides,
    outcomes: Outcomes,
    made_by: tuple[KindRule, Execution, Threshold],
) -> dict[str, Any]:
    rule, execution, threshold = made_by
    nulls = {name: int((cause == number).sum()) for number, name in enumerate(CAUSES)}
    label, kept = labels["label"].drop_nulls(), cause == len(CAUSES)
    if label.is_empty():
        raise DataError(
            "labels",
            "no row got a label",
            expected="at least one row without a cause against it",
            found=f"{labels.height} rows, not labelled because of {nulls}",
            do="look at the largest cause: gap -> raise max_gap, volatility -> lower volatility_span or load more bars",
        )
    return _blank(labels, rule, execution) | {
        "threshold": threshold.value,
        "threshold_seen": threshold.seen.isoformat() if threshold.seen else None,
        "labelled": label.len(),
        "nulls": nulls,
        "jump_returns": _jump_returns(outcomes.forward_return[cause == CAUSES.index("jump")]),
        "class_shares": {
            name: (label == code).sum() / label.len() for code, name in zip(CLASSES, CLASS_NAMES, strict=True)
        },
        **rule.told(outcomes, kept),
    }


def _unlabelled(panel: pl.DataFrame) -> pl.DataFrame:
    unknown = [pl.lit(None, dtype).alias(name) for name, dtype in LABELS.items() if name not in KEY]
    return panel.select(*KEY, *unknown)


def _blank(rows: pl.DataFrame, rule: KindRule, execution: Execution) -> dict[str, Any]:
    """What is known of labels before the first is made."""
    return {
        "kind": rule.kind,
        "target": rule.target_of(execution),
        "tradable": rule.target_of(execution) in PRICES,
        "threshold": None,
        "threshold_seen": None,
        "rows": rows.height,
        "labelled": 0,
        "nulls": {},
        "class_shares": {},
        "absent": None,
        **rule.model_dump(exclude={"kind", "target", "threshold", "max_gap", "optional"}, exclude_none=True),
        "horizon": rule.longest,
        "max_gap_hours": rule.max_gap / timedelta(hours=1),
        "execution": execution.model_dump(),
    }


def _jump_returns(returns: Floats) -> dict[str, float | None]:
    known = returns[~np.isnan(returns)]
    found = (known.mean(), known.min(), known.max()) if len(known) else (None, None, None)
    return dict(zip(("mean", "min", "max"), found, strict=True))
