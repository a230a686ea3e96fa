"""Skill by regime, entity and hour, each with its own interval.

Groups are many, so their intervals are not drawn: the variance of the stationary bootstrap is known in closed form
for what each timestamp adds to a figure, to first order.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.market.evaluation.contenders import Index, Lineup
from assay.market.evaluation.regimes import Groups
from assay.market.evaluation.resampling import Estimate
from assay.market.metrics.forecasts import Array, Mask
from assay.market.significance import block_variance, effective_blocks, small_sample_stretch

FEWEST = 2.0  # effective blocks from which on an interval is given


@dataclass(frozen=True)
class _Scored:
    """The common rows of a model: centred score, return, and which were called and hit."""

    score: Array
    returns: Array
    called: Mask
    hit: Mask


@dataclass(frozen=True)
class _Figure:
    """A figure on some rows, what each row adds to its error, and how much of it each row carries, (rows,)."""

    value: float
    influence: Array
    carried: Array
    limits: tuple[float, float]


def breakdown(lineup: Lineup, name: str, groups: Groups, *, block: float) -> dict[str, list[dict[str, Any]]]:
    """Direction IC and directional accuracy of one model in each group of rows.

    Args:
        lineup: The contenders.
        name: The model.
        groups: By kind of regime, the common rows of each group.
        block: Mean block length in timestamps.

    Returns:
        By kind of regime ``name, rows, timestamps, ic, accuracy`` of each group; an estimate has no interval where
        fewer than two blocks carry it, and no value where it is undefined.
    """
    rows = lineup.common(name)
    called = rows.side != 0
    scored = _Scored(rows.centred, rows.returns, called, called & (rows.side == np.sign(rows.returns)))
    time = np.repeat(np.arange(lineup.timestamps), lineup.per_timestamp)
    return {
        kind: [_group(label, _rows(scored, mask), time[mask], (lineup, block)) for label, mask in parts]
        for kind, parts in groups.items()
    }


def _rows(scored: _Scored, mask: Mask) -> _Scored:
    return _Scored(scored.score[mask], scored.returns[mask], scored.called[mask], scored.hit[mask])


def _group(label: str, rows: _Scored, time: Index, measured: tuple[Lineup, float]) -> dict[str, Any]:
    return {
        "name": label,
        "rows": len(time),
        "timestamps": len(np.unique(time)),
        "ic": _estimate(_ic(rows), time, measured),
        "accuracy": _estimate(_accuracy(rows), time, measured),
    }


def _ic(rows: _Scored) -> _Figure | None:
    """Pearson's correlation and its influence function (Devlin, Gnanadesikan & Kettenring 1975)."""
    if np.ptp(rows.score) == 0.0 or np.ptp(rows.returns) == 0.0:
        return None
    x, y = ((side - side.mean()) / side.std() for side in (rows.score, rows.returns))
    ic = float(np.mean(x * y))
    return _Figure(ic, (x * y - ic * (x**2 + y**2) / 2) / len(x), x**2, (-1.0, 1.0))


def _accuracy(rows: _Scored) -> _Figure | None:
    calls = int(rows.called.sum())
    if calls == 0:
        return None
    share = float(rows.hit.sum()) / calls
    return _Figure(share, (rows.hit - share * rows.called) / calls, rows.called.astype(np.float64), (0.0, 1.0))


def _estimate(figure: _Figure | None, time: Index, measured: tuple[Lineup, float]) -> Estimate:
    if figure is None:
        return {"value": None, "low": None, "high": None}
    lineup, block = measured
    n, confidence = lineup.timestamps, lineup.rule.confidence
    carried, influence = (_per_timestamp(values, time, n) for values in (figure.carried, figure.influence))
    blocks = effective_blocks(carried, block=block)
    if blocks < FEWEST:
        return {"value": figure.value, "low": None, "high": None}
    error = float(np.sqrt(block_variance(influence, block=block)))
    stretch = small_sample_stretch(n, block=block, degrees=blocks - 1.0, confidence=confidence)
    half = stretch * _normal_quantile(confidence) * error
    lowest, highest = figure.limits
    return {
        "value": figure.value,
        "low": max(figure.value - half, lowest),
        "high": min(figure.value + half, highest),
    }


def _per_timestamp(values: Array, time: Index, n: int) -> Array:
    return np.bincount(time, values, minlength=n).astype(np.float64)


def _normal_quantile(confidence: float) -> float:
    from scipy.special import ndtri

    return float(ndtri((1.0 + confidence) / 2.0))
