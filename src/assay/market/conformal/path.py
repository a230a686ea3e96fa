"""Adaptive conformal intervals of one model, made in order of time from what was known at each decision."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.market.calibration.dependence import ranks
from assay.market.conformal.rule import IntervalRule
from assay.market.conformal.threshold import Array, usable
from assay.market.features.announce import announced

Mask = npt.NDArray[np.bool_]
AFTER_ALL = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Path:
    """The intervals of one model, rows in the order of its table.

    Attributes:
        level: Share of misses aimed at when the row was decided, shape (n,).
        threshold: Score up to which an outcome lies inside, in units of ``scale``; NaN = no interval yet, infinite =
            everything lies inside, minus infinite = nothing; (n,).
        scale: What the score was divided by, NaN where none was known; (n,).
        scored: Rows with an outcome and a scale, (n,).
        covered: Whether the outcome lies inside, (n,); meaningless where there is none.
        replaced: Rows whose own scale was missing or 0.
        final: State after the last label, ready for JSON; see `interval`.
    """

    level: Array
    threshold: Array
    scale: Array
    scored: Mask
    covered: Mask
    replaced: int
    final: dict[str, Any]

    @property
    def half(self) -> Array:
        """Half the width of each interval; NaN = none yet, infinite = infinite, 0 where nothing lies inside."""
        return np.asarray(np.where(np.isnan(self.threshold), np.nan, np.maximum(self.threshold, 0.0)) * self.scale)


def follow(table: pl.DataFrame, rule: IntervalRule, *, horizon: int) -> Path:
    """Walk through time.

    Score = |outcome - forecast| / scale. At each timestamp all rows share one level and one threshold, the k-th
    smallest known score of the ``rule.window`` timestamps that end with the newest one of which a label is known
    (split conformal prediction: Vovk, Gammerman & Shafer 2005). When the label of a row is known, the level moves by
    ``rate / horizon * (1 - coverage - missed)``, divided among the rows of its timestamp: the update of Gibbs & Candes
    (2021), later by the span of a label. A row without a label moves nothing, and nothing waits for it: that it will
    have none is not known before. Nor does a row without an interval.

    Args:
        table: ``time, label_end, scale, y_true, y_pred`` of one model, rows in any order.
        rule: Level, rate, window.
        horizon: Bars that a label spans.
    """
    with announced("the walk of the intervals"):
        from assay.market.conformal.kernels import walk

    time = ranks(table["time"])
    order = np.argsort(time, kind="stable")
    own = table["scale"].cast(pl.Float64).fill_null(np.nan).to_numpy()
    scale = _usual(own, time, order, rule.window)
    truth = table["y_true"].cast(pl.Float64).fill_null(np.nan).to_numpy()
    scores = np.abs(truth - table["y_pred"].to_numpy()) / scale
    scored = np.isfinite(scores) & table["label_end"].is_not_null().to_numpy()
    picked = order[scored[order]]
    by_size = np.argsort(scores[picked], kind="stable")
    place = np.empty(len(picked), dtype=np.int64)
    place[by_size] = np.arange(len(picked))
    moments, arrivals = _calendar(table, time, picked)
    numbers = np.array([1.0 - rule.coverage, rule.rate / horizon, rule.window, rule.min_rows])
    level, threshold = walk(moments, arrivals, scores[picked][by_size], place, numbers)
    newest = scale[order][-rule.window :]
    return Path(
        level=level[time],
        threshold=threshold[time],
        scale=scale,
        scored=scored,
        covered=scores <= threshold[time],
        replaced=int((~usable(own) & usable(scale)).sum()),
        final=_final(float(level[-1]), float(threshold[-1]), newest[usable(newest)]),
    )


def _usual(own: Array, time: npt.NDArray[np.int64], order: npt.NDArray[np.int64], window: int) -> Array:
    """The scale of each row; where it is missing or 0 the median of the newest ``window`` of earlier timestamps."""
    if (good := usable(own)).all():
        return own
    ordered = pl.Series(np.where(good, own, np.nan)[order]).fill_nan(None)
    seen = ordered.drop_nulls().rolling_median(window, min_samples=1).to_numpy()
    before = np.searchsorted(time[order], np.arange(time.max() + 1))  # first row of each timestamp
    count = np.concatenate([[0], good[order].cumsum()])[before]  # good rows before it
    medians = np.append(np.nan, seen)[count]
    return np.asarray(np.where(good, own, medians[time]))


def _calendar(
    table: pl.DataFrame, time: npt.NDArray[np.int64], picked: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """What the kernel calls ``moments`` and ``arrivals``; ``picked`` are the scored rows in order of time."""
    times = table["time"].unique().sort().to_physical().to_numpy()
    first = np.concatenate([[0], np.bincount(time[picked], minlength=len(times)).cumsum()])
    size = np.bincount(time, minlength=len(times) + 1)
    moments = np.vstack([np.append(times, AFTER_ALL), first, size])
    when = table["label_end"].to_physical().fill_null(0).to_numpy()[picked]
    order = np.argsort(when, kind="stable")
    return moments.astype(np.int64), np.vstack([order, time[picked][order], when[order]]).astype(np.int64)


def _final(level: float, threshold: float, scales: Array) -> dict[str, Any]:
    finite = float(threshold) if np.isfinite(threshold) else (0.0 if threshold < 0 else None)
    return {
        "level": level,
        "threshold": finite,
        "infinite": bool(threshold == np.inf),
        "median_scale": float(np.median(scales)) if len(scales) else None,
    }
