"""The Sharpe ratio of one track record and how far it can be trusted.

Ratios are per observation (per bar) unless a name says annual. Two conventions for their standard error are offered,
because the same data say .913 under one and .987 under the other:

- ``2012``: at the ratio that was found, divided by T - 1, observations taken as independent: Bailey and Lopez de Prado,
  *The Sharpe Ratio Efficient Frontier* (Journal of Risk 15, 2012).
- ``2025``: at the ratio of the hypothesis, divided by T, for returns that follow an AR(1): Lopez de Prado, Lipton and
  Zoonekynd, *How to Use the Sharpe Ratio* (2025).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np

from assay.market.significance.bootstrap import Array

Convention = Literal["2012", "2025"]
NORMAL = NormalDist()
_LOST: dict[Convention, int] = {"2012": 1, "2025": 0}  # of the T observations


@dataclass(frozen=True)
class Track:
    """A track record in five figures.

    Attributes:
        sharpe: Sharpe ratio per observation, risk-free rate 0.
        observations: Number of returns, zeros included.
        skew: Skewness of the returns.
        kurtosis: Their raw kurtosis: 3 for a normal distribution, not 0.
        autocorrelation: Their first autocorrelation; only the convention of 2025 reads it.
    """

    sharpe: float
    observations: int
    skew: float = 0.0
    kurtosis: float = 3.0
    autocorrelation: float = 0.0


def track_record(returns: Array) -> Track | None:
    """Measure a track record.

    Args:
        returns: (T,) returns per observation, zeros included, no NaN.

    Returns:
        The ratio with the sample standard deviation (T - 1), the other figures with population moments (T), as the
        papers have them. None for fewer than three returns and for returns that never vary.
    """
    if len(returns) < 3 or np.ptp(returns) == 0.0:
        return None
    z = (returns - returns.mean()) / returns.std()
    return Track(
        sharpe=float(returns.mean() / returns.std(ddof=1)),
        observations=len(returns),
        skew=float(np.mean(z**3)),
        kurtosis=float(np.mean(z**4)),
        autocorrelation=float(z[1:] @ z[:-1] / len(z)),
    )


def sharpe_variance(track: Track, benchmark: float = 0.0, *, convention: Convention = "2012") -> float:
    """Variance of the estimated Sharpe ratio.

    2012, after Mertens (2002): ``(1 - skew SR + (kurtosis - 1) / 4 SR^2) / (T - 1)`` with the ratio that was found.
    2025: ``(a - b skew SR* + c (kurtosis - 1) / 4 SR*^2) / T`` with the ratio of the hypothesis, where
    ``a = (1 + rho) / (1 - rho)``, ``b = 1 + rho / (1 - rho) + rho^2 / (1 - rho^2)`` and
    ``c = (1 + rho^2) / (1 - rho^2)``.

    Args:
        track: The track record.
        benchmark: Ratio of the hypothesis, SR*; only the convention of 2025 reads it.
        convention: Whose formula.
    """
    return _of_one(track, benchmark, convention) / (track.observations - _LOST[convention])


def probabilistic_sharpe_ratio(
    track: Track, benchmark: float = 0.0, *, convention: Convention = "2012"
) -> float | None:
    """Confidence that the true Sharpe ratio is above a benchmark: ``Phi((SR - SR*) / standard error)``.

    Bailey and Lopez de Prado (2012), equation 9; one minus the p-value of the one-sided test.

    Args:
        track: The track record.
        benchmark: SR*, per observation.
        convention: Whose standard error, see `sharpe_variance`.

    Returns:
        Between 0 and 1; None where moments that no sample has give no positive variance.
    """
    variance = sharpe_variance(track, benchmark, convention=convention)
    return NORMAL.cdf((track.sharpe - benchmark) / math.sqrt(variance)) if variance > 0.0 else None


def minimum_track_record_length(
    track: Track, benchmark: float = 0.0, *, confidence: float = 0.95, convention: Convention = "2012"
) -> float | None:
    """Observations after which a ratio like this one would be told from the benchmark.

    ``1 + (1 - skew SR + (kurtosis - 1) / 4 SR^2) (z / (SR - SR*))^2``, Bailey and Lopez de Prado (2012), equation 11;
    in the convention of 2025 without the one, and with its variance.

    Args:
        track: The track record; its length plays no part.
        benchmark: SR*, per observation.
        confidence: Wanted probabilistic Sharpe ratio.
        convention: Whose standard error, see `sharpe_variance`.

    Returns:
        Observations, not rounded; None where the ratio is not above the benchmark.
    """
    if track.sharpe <= benchmark:
        return None
    needed = _of_one(track, benchmark, convention) * (NORMAL.inv_cdf(confidence) / (track.sharpe - benchmark)) ** 2
    return _LOST[convention] + needed


def annualisation_factor(periods: float, autocorrelations: Sequence[float] = ()) -> float | None:
    """What turns a Sharpe ratio per period into one over ``periods`` of them: ``q / sqrt(q + 2 sum_k (q - k) rho_k)``.

    Lo, *The Statistics of Sharpe Ratios* (Financial Analysts Journal 58, 2002), equation 20; the root of q for
    returns without autocorrelation.

    Args:
        periods: q, e.g. bars in a year.
        autocorrelations: rho_1, rho_2, ...; those that are not given, and from lag q on, count as 0.

    Returns:
        None where the autocorrelations give no positive variance.
    """
    reached = [(lag, rho) for lag, rho in enumerate(autocorrelations, start=1) if lag < periods]
    variance = periods + 2.0 * sum((periods - lag) * rho for lag, rho in reached)
    return periods / math.sqrt(variance) if variance > 0.0 else None


def annualised_sharpe(returns: Array, *, bars_per_year: float, lags: int | None = None) -> float | None:
    """Annual Sharpe ratio that allows for autocorrelation, see `annualisation_factor`.

    Args:
        returns: (T,) returns per bar, zeros included.
        bars_per_year: Bars in a year.
        lags: Sample autocorrelations that are counted, the later ones are taken as 0; None = ``4 (T / 100)^(2/9)``, the
            rule of thumb of Newey and West (1994). All lags of a year would be mostly noise.

    Returns:
        None for returns that never vary, and where the autocorrelations give no positive variance.
    """
    if (track := track_record(returns)) is None:
        return None
    n = len(returns)
    reach = min(int(4.0 * math.pow(n / 100.0, 2.0 / 9.0)) if lags is None else lags, n - 1)
    centred = returns - returns.mean()
    moments = [float(centred[lag:] @ centred[: n - lag]) for lag in range(reach + 1)]
    factor = annualisation_factor(bars_per_year, [moment / moments[0] for moment in moments[1:]])
    return None if factor is None else track.sharpe * factor


def _of_one(track: Track, benchmark: float, convention: Convention) -> float:
    """Variance of the estimate times the observations it is divided by."""
    ratio, a, b, c = track.sharpe, 1.0, 1.0, 1.0
    if convention == "2025":
        rho, ratio = track.autocorrelation, benchmark
        once, twice = rho / (1.0 - rho), rho**2 / (1.0 - rho**2)
        a, b, c = 1.0 + 2.0 * once, 1.0 + once + twice, 1.0 + 2.0 * twice
    return a - b * track.skew * ratio + c * (track.kurtosis - 1.0) / 4.0 * ratio**2
