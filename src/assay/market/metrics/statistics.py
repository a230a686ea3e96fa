"""Sufficient statistics: every metric is a function of sums over rows, so resampling is one matrix product.

Ranks (rank IC, ROC AUC) are taken once over the rows given. The value is then exact; on a resample the ranks
are those of the original sample, to first order what ranking each resample anew would give (for the AUC the
placements of both classes carry their share of the variance: DeLong et al. 1988). Scores and their ranks enter
correlations less their mean so far in the fold (see ``centring.py``), which is also settled once, before resampling.
"""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.market.metrics.centring import less_mean_so_far
from assay.market.metrics.forecasts import Array, ClassForecasts, Forecasts, ReturnForecasts
from assay.market.tables import CLASSES

Sums = Mapping[str, Array]


def statistics(forecasts: Forecasts) -> Iterator[tuple[str, Array]]:
    """Name and per-row value (n,) of every statistic the metrics of this kind need, one at a time."""
    yield "n", np.ones(len(forecasts.truth))
    yield from _moments("", forecasts.centred, forecasts.returns)
    ranks = less_mean_so_far(_ranks(forecasts.score), forecasts.timing)
    yield from _moments("rank_", ranks, _ranks(forecasts.returns))
    called = forecasts.side != 0
    yield "calls", called.astype(np.float64)
    yield "hits", (called & (forecasts.side == np.sign(forecasts.returns))).astype(np.float64)
    yield "loss", forecasts.loss
    if isinstance(forecasts, ClassForecasts):
        yield from _class_statistics(forecasts)
    else:
        yield from _return_statistics(forecasts)


def sum_over(forecasts: Forecasts) -> Sums:
    """Sums over all rows; each value has shape ()."""
    return {name: column.sum() for name, column in statistics(forecasts)}


def sum_per_group(columns: Iterable[tuple[str, Array]], starts: npt.NDArray[np.int64]) -> tuple[list[str], Array]:
    """Sums over consecutive groups of rows, e.g. all entities of one timestamp.

    Args:
        columns: Name and per-row value (n,) of each statistic.
        starts: (groups,) index of the first row of each group; rows of a group are neighbours.

    Returns:
        The K names and the sums, (groups, K).
    """
    named = [(name, np.add.reduceat(column, starts)) for name, column in columns]
    return [name for name, _ in named], np.column_stack([column for _, column in named])


def placements(score: Array, positive: npt.NDArray[np.bool_]) -> tuple[Array, Array]:
    """Share of the other class that each row beats (positives) or is beaten by (negatives), ties half.

    Args:
        score: (n,) higher means more likely positive.
        positive: (n,) rows of the class in question.

    Returns:
        Placements of the positives, zero elsewhere, and of the negatives, zero elsewhere, both (n,). The mean
        of either over its own class is the area under the ROC curve. All zero when one class is absent.
    """
    of_positives, of_negatives = np.zeros(len(score)), np.zeros(len(score))
    count = int(positive.sum())
    if 0 < count < len(score):
        ranks = _average_ranks(score)
        of_positives[positive] = (ranks[positive] - _average_ranks(score[positive])) / (len(score) - count)
        of_negatives[~positive] = 1.0 - (ranks[~positive] - _average_ranks(score[~positive])) / count
    return of_positives, of_negatives


def _moments(prefix: str, score: Array, returns: Array) -> Iterator[tuple[str, Array]]:
    s, r = _centred(score), _centred(returns)
    for name, column in (("s", s), ("r", r), ("ss", s * s), ("rr", r * r), ("sr", s * r)):
        yield prefix + name, column


def _class_statistics(forecasts: ClassForecasts) -> Iterator[tuple[str, Array]]:
    for i, true in enumerate(CLASSES):
        for j in range(len(CLASSES)):
            yield f"confusion_{i}{j}", (forecasts.truth == true) * forecasts.calls[:, j]
    side = forecasts.side
    moves = (side != 0) & (forecasts.truth != 0)
    yield "moves", moves.astype(np.float64)
    yield "move_hits", (moves & (side == forecasts.truth)).astype(np.float64)
    for i, true in enumerate(CLASSES):
        positive = forecasts.truth == true
        above, below = placements(forecasts.probabilities[:, i], positive)
        area = above.sum() / max(int(positive.sum()), 1)
        yield f"above_{i}", above
        # Recentred, so that the two halves add up to the area itself on the original rows.
        yield f"below_{i}", np.where(positive, 0.0, below - area)


def _return_statistics(forecasts: ReturnForecasts) -> Iterator[tuple[str, Array]]:
    yield "absolute", np.abs(forecasts.truth - forecasts.predicted)
    yield "square", forecasts.truth**2


def _centred(values: Array) -> Array:
    return np.asarray(values - values.mean())


def _ranks(values: Array) -> Array:
    return _average_ranks(values) / len(values)


def _average_ranks(values: Array) -> Array:
    ranks: Array = pl.Series(values).rank("average").to_numpy()
    return ranks
