"""t-statistics of the information coefficient that know about overlap and co-movement."""

import math

import numpy as np

from assay.market.significance.bootstrap import Array
from assay.market.significance.dependence import Index

FIXED_B = (1.96, 2.9694, 0.4160, -0.5324)  # Kiefer & Vogelsang 2005, table 1: Bartlett, two-sided 5 %


def hac_lag(n_timestamps: int, horizon: int) -> int:
    """Lags for Newey-West: ``1.3 sqrt(n)`` (Lazarus, Lewis, Stock & Watson 2018), at least twice the overlap.

    Bartlett weights shrink with the lag, so stopping at the overlap ``h - 1`` would count only part of it. The lag is
    longer than the one that estimates the variance best, since t is off by more when the variance is biased down.
    """
    return max(2 * (horizon - 1), math.ceil(1.3 * math.sqrt(n_timestamps)))


def ic_t(score: Array, returns: Array, starts: Index, *, horizon: int) -> float | None:
    """The IC's t-statistic, overlap-aware, or the one clustered by timestamp only when that is smaller.

    Products of score and return are summed per timestamp, which allows any correlation between entities at one time
    (Driscoll & Kraay 1998), and weighted by Bartlett over the lags (Newey & West 1987). Their variance is that under no
    skill, not that of regression residuals, which shrink where the score is large. With many lags the variance itself
    is uncertain, and t has fatter tails than a normal: the overlap-aware t is shrunk so that 1.96 is its 5 % line
    again, by the fixed-b critical value of Kiefer & Vogelsang (2005). Newey-West raises t when the series is negatively
    autocorrelated; the smaller of the two is quoted.

    Args:
        score: (n,) direction score, rows in time order, centred without looking ahead.
        returns: (n,) realised forward return.
        starts: (timestamps,) first row of each timestamp.
        horizon: Bars that a label spans; the lag follows ``hac_lag``.

    Returns:
        None when the score, the returns or their products do not vary.
    """
    if len(score) < 3 or np.ptp(score) == 0.0 or np.ptp(returns) == 0.0:
        return None
    products = (score - score.mean()) / score.std() * (returns - returns.mean()) / returns.std()
    ic, lag = float(np.mean(products)), hac_lag(len(starts), horizon)
    moments = np.add.reduceat(products - ic, starts)
    spreads = {lags: _long_run_sum(moments, lags) for lags in (0, lag)}
    if min(spreads.values()) <= 0.0:
        return None
    clustered, overlapping = (ic * len(score) / math.sqrt(spread) for spread in spreads.values())
    return min(clustered, overlapping / _fatter_tails((lag + 1.0) / len(starts)), key=abs)


def _long_run_sum(moments: Array, lag: int) -> float:
    total = float(moments @ moments)
    for k in range(1, min(lag, len(moments) - 1) + 1):
        total += 2.0 * (1.0 - k / (lag + 1.0)) * float(moments[k:] @ moments[:-k])
    return total


def _fatter_tails(b: float) -> float:
    """Critical value with bandwidth ``b`` as a share of the sample, over that of the normal."""
    normal = FIXED_B[0]
    return sum(part * min(b, 1.0) ** power for power, part in enumerate(FIXED_B)) / normal
