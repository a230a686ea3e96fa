"""How often the best strategy of one half of the history is a poor one in the other half."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from assay.market.errors import DataError
from assay.market.significance.bootstrap import Array

FLAT = 1e-12  # share of the mean square below which a variance is rounding


@dataclass(frozen=True)
class Overfitting:
    """What combinatorially symmetric cross-validation found.

    Attributes:
        value: Probability of backtest overfitting: share of the splits with a logit of at most 0.
        logits: (splits,) ``ln(w / (1 - w))`` of the relative rank w, out of sample, of the strategy that was best in
            sample; below 0 it did worse than the median.
        blocks: Blocks that the history was cut into.
        strategies: Number of strategies.
    """

    value: float
    logits: Array
    blocks: int
    strategies: int


def probability_of_backtest_overfitting(returns: Array, *, blocks: int = 16) -> Overfitting:
    """Probability of backtest overfitting by combinatorially symmetric cross-validation.

    Bailey, Borwein, Lopez de Prado and Zhu, *The Probability of Backtest Overfitting* (Journal of Computational Finance
    20, 2017): the history is cut into S blocks, and for each of the C(S, S/2) halves the strategy with the best Sharpe
    ratio inside is ranked by its ratio in the other half; ``w = rank / (N + 1)``, ties share their mean rank.

    It ranks and does not value: equally good strategies score about one half, like noise. On independent noise it
    averages .54 with a standard deviation of .18, so one figure alone says little. Columns are never re-centred, which
    would force the value to 1.

    Args:
        returns: (T, N) net returns of each strategy on the same bars, oldest first. Rows that do not fill a block are
            left off at the old end. A strategy that does not vary within a half has a ratio of 0 there.
        blocks: S, even. 16 make 12,870 splits.

    Raises:
        DataError: Fewer than two strategies, an odd number of blocks, or fewer than two bars in a half.
    """
    _check(returns, blocks)
    size = len(returns) // blocks
    parts = returns[-size * blocks :].reshape(blocks, size, -1)
    halves = list(combinations(range(blocks), blocks // 2))
    taken = np.zeros((len(halves), blocks))
    np.put_along_axis(taken, np.array(halves), 1.0, axis=1)
    inside = _sharpe(taken @ parts.sum(axis=1), taken @ (parts**2).sum(axis=1), rows=size * blocks // 2)
    outside = inside[::-1]  # in this order of the halves, the last is the complement of the first, and so on
    picked = np.take_along_axis(outside, inside.argmax(axis=1)[:, None], axis=1)
    rank = (outside < picked).sum(axis=1) + ((outside == picked).sum(axis=1) + 1) / 2
    relative = rank / (returns.shape[1] + 1)
    logits = np.log(relative / (1.0 - relative))
    return Overfitting(float(np.mean(logits <= 0.0)), logits, blocks, returns.shape[1])


def _sharpe(sums: Array, squares: Array, *, rows: int) -> Array:
    """Ratio of mean and deviation; 0 for what does not vary. Which divisor the deviation has changes no rank."""
    mean = sums / rows
    variance = squares / rows - mean**2
    varies = variance > FLAT * squares / rows
    return np.where(varies, mean / np.sqrt(np.where(varies, variance, 1.0)), 0.0)


def _check(returns: Array, blocks: int) -> None:
    expected: str = ""
    found: object = None
    if returns.ndim != 2 or returns.shape[1] < 2:
        expected, found = "(bars, strategies) with at least two strategies", f"shape {returns.shape}"
    elif blocks < 2 or blocks % 2:
        expected, found = "an even number of blocks", blocks
    elif len(returns) // blocks * blocks < 4:
        expected, found = f"at least {max(blocks, 4)} bars", len(returns)
    if expected:
        raise DataError(
            "probability of backtest overfitting",
            "cannot be computed",
            expected=expected,
            found=found,
            do="compare more strategies, over more bars",
        )
