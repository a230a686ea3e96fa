"""The Sharpe ratio of the best of many trials: how good it looks when none of them has skill.

Bailey and Lopez de Prado, *The Deflated Sharpe Ratio* (Journal of Portfolio Management 40, 2014): the best of N ratios
that are only noise, N(0, V), is expected at ``sqrt(V) E[max of N standard normals]``. N counts every trial there ever
was; V is in the unit of the ratio, per observation. Annual variance with daily returns would deflate to nothing.
"""

import math

import numpy as np
import numpy.typing as npt

from assay.market.significance.bootstrap import Array
from assay.market.significance.sharpe import NORMAL, Convention, Track, probabilistic_sharpe_ratio, sharpe_variance

SAME = 0.5  # correlation from which trials count as variants of one idea
EULER = 0.5772156649015329


def expected_maximum_sharpe(trials: int, variance: float, *, approximate: bool = False) -> float:
    """What the best Sharpe ratio of so many trials without skill is expected to be.

    Args:
        trials: N, at least 1; one trial is no choice, and its expectation is 0.
        variance: V, variance of the ratios over the trials, per observation.
        approximate: Use ``(1 - g) Phi^-1(1 - 1/N) + g Phi^-1(1 - 1/(N e))`` of the paper (its equation 1, g = .5772)
            in place of the integral: 2.3 % more at N = 10, 8 % less at N = 2.
    """
    if trials <= 1:
        return 0.0
    if approximate:
        upper = (NORMAL.inv_cdf(1.0 - 1.0 / trials), NORMAL.inv_cdf(1.0 - 1.0 / (trials * math.e)))
        return math.sqrt(variance) * ((1.0 - EULER) * upper[0] + EULER * upper[1])
    return math.sqrt(variance) * _maximum_moments(trials)[0]


def deflated_sharpe_ratio(
    track: Track, *, trials: int, variance: float, convention: Convention = "2012", approximate: bool = False
) -> float | None:
    """Confidence that the best of many trials has skill: its probabilistic Sharpe ratio against the expected maximum.

    Args:
        track: Track record of the chosen trial.
        trials: Number of trials that it was chosen from.
        variance: Variance of their Sharpe ratios, per observation.
        convention: ``2012``: as in the paper of 2014. ``2025``: with the standard error of 2025, multiplied by that of
            the maximum of N standard normals, which is less than one.
        approximate: See `expected_maximum_sharpe`.

    Returns:
        Between 0 and 1; None as in `probabilistic_sharpe_ratio`.
    """
    hurdle = expected_maximum_sharpe(trials, variance, approximate=approximate)
    if convention == "2012":
        return probabilistic_sharpe_ratio(track, hurdle)
    spread = sharpe_variance(track, hurdle, convention=convention) * _maximum_moments(trials)[1]
    return NORMAL.cdf((track.sharpe - hurdle) / math.sqrt(spread)) if spread > 0.0 else None


def minimum_backtest_length(sharpe: float, *, trials: int, approximate: bool = False) -> float | None:
    """Years of backtest below which a ratio like this is expected of the best of so many trials without skill.

    ``(E[max of N] / SR)^2``: Bailey, Borwein, Lopez de Prado and Zhu, *Pseudo-Mathematics and Financial Charlatanism*
    (Notices of the AMS 61, 2014), theorem 2; over y years the annual ratio of a trial without skill has variance 1/y.

    Args:
        sharpe: Annual Sharpe ratio.
        trials: Number of trials.
        approximate: See `expected_maximum_sharpe`.

    Returns:
        Years; None where the ratio is not above 0.
    """
    if sharpe <= 0.0:
        return None
    return (expected_maximum_sharpe(trials, 1.0, approximate=approximate) / sharpe) ** 2


def cluster_trials(returns: Array) -> npt.NDArray[np.int64]:
    """Which trials are variants of one idea.

    Average linkage over the distance ``sqrt((1 - correlation) / 2)``, cut at the distance of a correlation of one
    half. Lopez de Prado (*Machine Learning for Asset Managers*, 2020, chapter 4) clusters by the same
    distance and takes the number of clusters with the best silhouettes; that rule can answer neither one (all trials
    the same) nor as many as there are trials (all independent), which are the two cases that matter here.

    Args:
        returns: (T, M) returns of each trial on the same bars; every column varies.

    Returns:
        (M,) number of each trial's cluster, from 0.
    """
    if returns.shape[1] < 2:
        return np.zeros(returns.shape[1], dtype=np.int64)
    from scipy.cluster.hierarchy import fcluster, linkage

    distance = np.sqrt(np.clip(1.0 - np.corrcoef(returns, rowvar=False), 0.0, 2.0) / 2.0)
    pairs = distance[np.triu_indices(len(distance), 1)]
    tree = linkage(pairs, method="average")
    return np.asarray(fcluster(tree, math.sqrt((1.0 - SAME) / 2.0), criterion="distance") - 1, dtype=np.int64)


def _maximum_moments(trials: int) -> tuple[float, float]:
    """Mean and variance of the largest of N independent standard normals, by its density ``N phi Phi^(N-1)``."""
    from scipy.special import log_ndtr

    x = np.linspace(-10.0, 10.0, 8001)
    density = np.exp(math.log(trials) - x**2 / 2.0 - math.log(2.0 * math.pi) / 2.0 + (trials - 1) * log_ndtr(x))
    weight = density * (x[1] - x[0])
    mean = float(weight @ x)
    return mean, float(weight @ (x - mean) ** 2)
