"""Is one forecast better than another, and do calls of a direction tell anything at all?

Losses and calls of several entities at one time are not independent: hand over losses averaged per timestamp, and
say where each timestamp begins.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assay.market.errors import DataError
from assay.market.significance.bootstrap import Array
from assay.market.significance.dependence import Index
from assay.market.significance.information_coefficient import ic_t

FEWEST = 3


@dataclass(frozen=True)
class DieboldMariano:
    """Outcome of a test of equal accuracy.

    Attributes:
        difference: Mean loss of a minus mean loss of b; negative: a is better.
        statistic: t-statistic of the difference with the small-sample factor; None where the difference is constant
            or there are fewer than 3 timestamps, or no more than the horizon.
        p: Two-sided, from Student's t with n - 1 degrees of freedom.
        bartlett: Whether the variance fell back on Bartlett weights.
    """

    difference: float
    statistic: float | None
    p: float | None
    bartlett: bool = False


@dataclass(frozen=True)
class DirectionTest:
    """Outcome of a test of calls of a direction.

    Attributes:
        hits: Share of the rows whose call came true; None without rows.
        expected: The share that calls independent of the outcome would have hit, given how often each side was called
            and came; None without rows.
        statistic: Standard normal without skill; None where calls or outcomes are all on one side: no information.
        p: One-sided, for more hits than expected.
        rows: Rows with a call and an outcome; a call or an outcome of zero has no direction and is left out.
    """

    hits: float | None
    expected: float | None
    statistic: float | None
    p: float | None
    rows: int


@dataclass(frozen=True)
class OverlappingDirectionTest:
    """Outcome of the regression of realised signs on called signs.

    Attributes:
        t: Overlap-aware t-statistic of the slope; None where calls or outcomes are all on one side.
        p: One-sided, for a positive slope, from the normal distribution.
    """

    t: float | None
    p: float | None


def diebold_mariano(loss_a: Array, loss_b: Array, *, horizon: int) -> DieboldMariano:
    """Test that two forecasts are equally accurate (Diebold & Mariano 1995).

    With d the loss differences, ``mean(d) / sqrt(V / n)`` and ``V = g_0 + 2 (g_1 + ... + g_(h-1))``, times the factor
    ``sqrt((n + 1 - 2h + h(h - 1)/n) / n)`` and held against Student's t with n - 1 degrees of freedom (Harvey,
    Leybourne & Newbold 1997). With h = 1 this is the paired t-test. V may come out at 0 or below; it is then summed
    with Bartlett weights over twice the overlap (Newey & West 1987), which keeps it positive.

    Not valid for nested models (a model and itself with one more input: Clark & West 2007), and it takes the forecasts
    as given: that models were refitted on overlapping training parts is not in V.

    Args:
        loss_a: (n,) loss of a per timestamp in time order, lower is better, no NaN.
        loss_b: (n,) loss of b at the same timestamps.
        horizon: Timestamps that a label spans.

    Raises:
        DataError: The lengths differ, or a loss is not finite.
    """
    _check_pairs(loss_a, loss_b, "losses")
    difference = np.asarray(loss_a - loss_b)
    n, mean = len(difference), float(difference.mean()) if len(difference) else 0.0
    if n < FEWEST or horizon >= n or _differ_by_a_constant(loss_a, loss_b):
        return DieboldMariano(mean, None, None)
    centred = difference - mean
    variance = _long_run_variance(centred, np.ones(horizon - 1))
    bartlett = variance <= 0.0
    if bartlett:
        lags = min(max(2 * (horizon - 1), 1), n - 1)
        variance = _long_run_variance(centred, 1.0 - np.arange(1, lags + 1) / (lags + 1.0))
    from scipy.stats import t as student

    factor = (n + 1 - 2 * horizon + horizon * (horizon - 1) / n) / n
    statistic = mean / math.sqrt(variance / n) * math.sqrt(factor)
    return DieboldMariano(mean, statistic, float(2.0 * student.sf(abs(statistic), n - 1)), bartlett)


def pesaran_timmermann(called: Array, realised: Array) -> DirectionTest:
    """Test that calls of a direction are independent of what came (Pesaran & Timmermann 1992).

    ``S = (P - P*) / sqrt(V(P) - V(P*))`` with P the share of hits and P* what independence would give; the term of
    order 1/n^2 in V(P*) is kept. S squared is then the uncorrected chi-square of the 2 x 2 table times n / (n - 1).
    Rows count as independent: with labels that overlap, or entities that move together, see
    ``pesaran_timmermann_overlapping``.

    Args:
        called: (n,) any number whose sign is the call.
        realised: (n,) any number whose sign is the outcome.

    Raises:
        DataError: The lengths differ, or a value is not finite.
    """
    up, came = _sides(called, realised)
    n = len(up)
    if not n:
        return DirectionTest(None, None, None, None, 0)
    hits, p, q = float((up == came).mean()), float(up.mean()), float(came.mean())
    expected = p * q + (1.0 - p) * (1.0 - q)
    own = expected * (1.0 - expected) / n
    margins = ((2 * q - 1) ** 2 * p * (1 - p) + (2 * p - 1) ** 2 * q * (1 - q)) / n
    margins += 4 * p * q * (1 - p) * (1 - q) / n**2
    if n < FEWEST or p in (0.0, 1.0) or q in (0.0, 1.0):
        return DirectionTest(hits, expected, None, None, n)
    statistic = (hits - expected) / math.sqrt(own - margins)
    return DirectionTest(hits, expected, statistic, _above(statistic), n)


def pesaran_timmermann_overlapping(
    called: Array, realised: Array, starts: Index, *, horizon: int
) -> OverlappingDirectionTest:
    """The same question where labels overlap and entities move together: regress realised signs on called signs.

    The slope's t-statistic allows any correlation at one timestamp and over the overlap (``ic_t`` on signs; Pesaran &
    Timmermann 2009 build their test for serially dependent outcomes from such a regression).

    Args:
        called: (n,) any number whose sign is the call, rows in time order.
        realised: (n,) any number whose sign is the outcome.
        starts: (timestamps,) first row of each timestamp.
        horizon: Timestamps that a label spans.

    Raises:
        DataError: The lengths differ, or a value is not finite.
    """
    _check_pairs(called, realised, "calls and outcomes")
    kept = (called != 0) & (realised != 0)
    group = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(called))))[kept]
    first = np.flatnonzero(np.diff(group, prepend=-1))
    if not kept.any():
        return OverlappingDirectionTest(None, None)
    t = ic_t(np.sign(called[kept]), np.sign(realised[kept]), first, horizon=horizon)
    return OverlappingDirectionTest(t, None if t is None else _above(t))


def _sides(called: Array, realised: Array) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Whether up was called, and came, on the rows with both."""
    _check_pairs(called, realised, "calls and outcomes")
    kept = (called != 0) & (realised != 0)
    return called[kept] > 0, realised[kept] > 0


def _long_run_variance(centred: Array, weights: Array) -> float:
    """Autocovariances (divisor n) with these weights at lags 1, 2, ..."""
    total = float(np.sum(centred**2))
    for lag, weight in enumerate(weights[: len(centred) - 1], start=1):
        total += 2.0 * float(weight) * float(np.sum(centred[lag:] * centred[:-lag]))
    return total / len(centred)


def _differ_by_a_constant(a: Array, b: Array) -> bool:
    """Whether the difference varies by rounding alone."""
    return bool(np.ptp(a - b) <= 1e-12 * max(np.abs(a).max(), np.abs(b).max()))


def _above(z: float) -> float:
    """Chance of a standard normal above z."""
    return 0.5 * math.erfc(z / math.sqrt(2.0))


def _check_pairs(a: Array, b: Array, what: str) -> None:
    if len(a) != len(b) or not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise DataError(
            what,
            "do not pair up",
            expected="two arrays of one length, all values finite",
            found=f"{len(a)} and {len(b)} values, {int((~np.isfinite(a)).sum() + (~np.isfinite(b)).sum())} not finite",
            do="compare on the rows that both answered",
        )
