"""The Sharpe ratio and how far it can be trusted."""

import math

import numpy as np

from assay.market.significance.bootstrap import Array, BootstrapRule, interval, resample_sums


def sharpe_interval(
    returns: Array, *, bars_per_year: float, block: float, rule: BootstrapRule, risk: Array | None = None
) -> dict[str, float | None]:
    """Annualised Sharpe ratio with a stationary-bootstrap interval.

    Args:
        returns: (timestamps,) net return per bar of the whole book, zeros included.
        bars_per_year: Bars in a year; the ratio is scaled by its root (no correction for autocorrelation).
        block: Mean block length in bars.
        rule: How to resample.
        risk: (timestamps,) returns whose deviation is the risk; ``returns`` are then a part of them, and the ratio is
            what that part adds to the Sharpe ratio of the whole. None: the same returns.

    Returns:
        ``value, low, high``; all None where the risk never varies.
    """
    risk = returns if risk is None else risk
    if len(returns) < 3 or np.ptp(risk) == 0.0:
        return {"value": None, "low": None, "high": None}
    n = len(returns)
    centre, level = returns.mean(), risk.mean()
    sums = np.column_stack([returns - centre, risk - level, (risk - level) ** 2])
    resampled = resample_sums(sums, block=max(block, 1.0), rule=rule)
    year = math.sqrt(bars_per_year)

    def sharpe(totals: Array) -> Array:
        total, shift, squares = totals.T
        variance = (squares - shift**2 / n) / (n - 1)
        deviation = np.sqrt(np.where(variance > 0.0, variance, np.nan))
        return np.asarray((total / n + centre) / deviation * year)

    low, high = interval(sharpe(resampled), confidence=rule.confidence)
    return {"value": float(sharpe(sums.sum(axis=0)[None, :])[0]), "low": low, "high": high}
