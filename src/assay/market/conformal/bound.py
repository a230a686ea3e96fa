"""Intervals of all models of a head, and how often they held."""

from typing import Any

import numpy as np
import polars as pl

from assay.market.calibration.dependence import Index, Shares, block_length, ranks, shares
from assay.market.conformal.path import Mask, Path, follow
from assay.market.conformal.rule import IntervalRule
from assay.market.conformal.threshold import Array
from assay.market.errors import DataError

TERCILES = ("low", "middle", "high")
ADAPTIVE = "adaptive conformal, scores divided by volatility"
SPLIT = "split conformal over a rolling window, scores divided by volatility"


def bound(combined: pl.DataFrame, rule: IntervalRule, *, horizon: int) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Put an interval around every forecast of every model, from what was known when it was made.

    Adaptive conformal inference (Gibbs & Candes 2021): whatever the series does, the share of misses over T timestamps
    comes within (max(alpha, 1 - alpha) + g) / (g T) of alpha, with the step g = rate / horizon, if errors are known at
    once; here they arrive when labels end, so the level can go on by as many steps as a label spans. That is a promise
    for the long run, not for any one row: what holds in calm and in wild times is measured. The walk goes on from fold
    to fold; it never reads a row that is not yet known.

    Args:
        combined: Out-of-sample predictions of a regression head: all models, all folds.
        rule: Coverage, rate, window.
        horizon: Bars that a label spans: see ``rule.rate``; blocks of the resampling are never shorter.

    Returns:
        The same rows in the same order with ``lower, upper``: null before there is something to judge by, and where
        the interval is infinite (the level fell to 0, or the window is too short for it). Level 1: both ends are the
        forecast. The document, ready for JSON: per model ``rows`` judged (an outcome and an interval), ``coverage``
        with its interval (infinite ones cover; see `shares`), ``mean_width`` of the finite ones, ``infinite`` and
        ``waiting`` rows, ``scale_replaced`` rows, ``level`` smallest, largest and last, and the coverage
        ``by_volatility`` (terciles of ``scale``), ``by_entity`` and ``by_month``; by model the ``final`` state.

    Raises:
        DataError: A forecast is missing.
    """
    if combined["y_pred"].is_null().any() or combined["y_pred"].is_nan().any():
        raise DataError(
            "predictions.y_pred",
            "has rows without a value",
            expected="a finite number in every row",
            found=f"{combined['y_pred'].fill_nan(None).null_count()} of {combined.height} rows without",
            do="check the model's predict; a model must answer for every row of a test fold",
        )
    names = combined["model"].unique(maintain_order=True).to_list()
    half, document = np.full(combined.height, np.nan), _document(rule)
    for name in names:
        mine = (combined["model"] == name).to_numpy()
        table = combined.filter(pl.Series(mine))
        path = follow(table, rule, horizon=horizon)
        half[mine] = path.half
        document["models"][name] = _account(table, path, horizon, rule)
        document["final"][name] = path.final | {"coverage": rule.coverage}
    width = pl.Series(half).replace(np.inf, None).fill_nan(None)
    ends = ((pl.col("y_pred") - width).alias("lower"), (pl.col("y_pred") + width).alias("upper"))
    return combined.with_columns(ends), document


def _document(rule: IntervalRule) -> dict[str, Any]:
    method = ADAPTIVE if rule.rate else SPLIT
    told = {"kind": "regression", "coverage": rule.coverage, "method": method}
    return told | {"models": {}, "final": {}, "fits": []}


def _account(table: pl.DataFrame, path: Path, horizon: int, rule: IntervalRule) -> dict[str, Any]:
    begun = ~np.isnan(path.half)
    judged = begun & path.scored
    finite = path.half[begun & np.isfinite(path.half)]
    told = {
        "rows": int(judged.sum()),
        "waiting": int((~begun).sum()),
        "infinite": int(np.isinf(path.half).sum()),
        "mean_width": float(2.0 * finite.mean()) if len(finite) else None,
        "scale_replaced": path.replaced,
        "level": {"min": float(path.level.min()), "max": float(path.level.max()), "last": path.final["level"]},
    }
    if not judged.any():
        empty = {"coverage": None, "low": None, "high": None}
        return told | empty | {"by_volatility": [], "by_entity": [], "by_month": []}
    return told | _coverage(table.filter(pl.Series(judged)), path, judged, horizon=horizon, rule=rule)


def _coverage(table: pl.DataFrame, path: Path, judged: Mask, *, horizon: int, rule: IntervalRule) -> dict[str, Any]:
    """Coverage of the judged rows, overall and by group."""
    covered, time = path.covered[judged].astype(np.float64), ranks(table["time"])
    block = block_length(covered, time, horizon=horizon)

    def within(groups: Index, names: list[str]) -> list[dict[str, Any]]:
        return _records(names, shares(covered, groups, time, block=block, rule=rule))

    whole = within(np.zeros(len(time), dtype=np.int64), ["all"])[0]
    month = table["time"].dt.strftime("%Y-%m")
    return {
        **{name: whole[name] for name in ("coverage", "low", "high")},
        "by_volatility": within(_terciles(path.scale[judged]), list(TERCILES)),
        "by_entity": within(ranks(table["entity"]), table["entity"].unique().sort().to_list()),
        "by_month": within(ranks(month), month.unique().sort().to_list()),
    }


def _terciles(scale: Array) -> Index:
    """0, 1 or 2 by the terciles of these rows; equal scales together."""
    return np.searchsorted(np.quantile(scale, [1 / 3, 2 / 3]), scale, side="left").astype(np.int64)


def _records(names: list[str], found: Shares) -> list[dict[str, Any]]:
    columns = zip(names, found.rows, found.share, found.low, found.high, strict=False)
    return [
        {"name": name, "rows": int(rows), "coverage": float(share), "low": float(low), "high": float(high)}
        for name, rows, share, low, high in columns
        if rows
    ]
