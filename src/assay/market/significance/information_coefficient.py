"""t-statistics of the information coefficient that know about overlap and co-movement."""

import math

import numpy as np

from assay.market.significance.bootstrap import Array
from assay.market.significance.dependence import Index


def hac_lag(n_timestamps: int, horizon: int) -> int:
    """Lags for Newey-West: twice the overlap, or the rule of thumb ``4 (n / 100)^(2/9)`` when that is longer.

    Bartlett weights shrink with the lag, so stopping at the overlap ``h - 1`` would count only part of it.
    """
    return max(2 * (horizon - 1), int(4.0 * math.pow(n_timestamps / 100.0, 2.0 / 9.0)))


def hac_t(score: Array, returns: Array, starts: Index, *, lag: int) -> float | None:
    """t-statistic of the slope of standardised returns on the standardised score (the slope is the pooled IC).

    Scores are summed per timestamp, which allows any correlation between entities at one time, and weighted by
    Bartlett over ``lag`` timestamps (Newey & West 1987; for panels Driscoll & Kraay 1998). No small-sample factor.

    Args:
        score: (n,) direction score, rows in time order.
        returns: (n,) realised forward return.
        starts: (timestamps,) first row of each timestamp.
        lag: Timestamps over which rows are allowed to be correlated; 0 clusters by timestamp only.

    Returns:
        None when the score, the returns or the residuals do not vary.
    """
    if len(score) < 3 or np.ptp(score) == 0.0 or np.ptp(returns) == 0.0:
        return None
    x = (score - score.mean()) / score.std()
    y = (returns - returns.mean()) / returns.std()
    slope = float(np.mean(x * y))
    moments = np.add.reduceat(x * (y - slope * x), starts)
    variance = _long_run_sum(moments, lag)
    return slope * len(x) / math.sqrt(variance) if variance > 0.0 else None


def _long_run_sum(moments: Array, lag: int) -> float:
    total = float(moments @ moments)
    for k in range(1, min(lag, len(moments) - 1) + 1):
        total += 2.0 * (1.0 - k / (lag + 1.0)) * float(moments[k:] @ moments[:-k])
    return total


def ic_t(score: Array, returns: Array, starts: Index, *, horizon: int) -> float | None:
    """The IC's t-statistic, overlap-aware, or the one clustered by timestamp only when that is smaller.

    Newey-West raises t when the series is negatively autocorrelated; the smaller of the two is quoted.
    Arguments and None as in ``hac_t``; the lag follows ``hac_lag``.
    """
    both = [hac_t(score, returns, starts, lag=lag) for lag in (0, hac_lag(len(starts), horizon))]
    return min((t for t in both if t is not None), key=abs, default=None)
