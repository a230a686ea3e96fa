"""Statistical: the shape and the memory of recent returns."""

import itertools
import math
import operator
from collections.abc import Sequence
from functools import reduce

import numpy as np
import polars as pl

from assay.market.features.expressions import (
    CLOSE,
    LOG_RETURN,
    correlation,
    deviation,
    log_change,
    mean,
    total,
    variance,
    zscore,
)
from assay.market.features.expressions import kurtosis as excess_kurtosis
from assay.market.features.expressions import skewness as skew
from assay.market.features.family import Family
from assay.market.features.warm_up import changes

statistical = Family("statistical")

NORMAL = 1.349  # interquartile range of a normal distribution, in standard deviations
SCALES = (1, 2, 4, 8)


def _entropy(shares: list[pl.Expr]) -> pl.Expr:
    """Entropy of shares that sum to 1, over its highest value."""
    parts = [pl.when(share > 0).then(share * share.log()).otherwise(0.0 * share) for share in shares]
    return -_sum(parts) / math.log(len(parts))


def _number(condition: pl.Expr) -> pl.Expr:
    return condition.cast(pl.Float64)


def _sum(parts: Sequence[pl.Expr]) -> pl.Expr:
    return reduce(operator.add, parts)


def _code(bits: Sequence[pl.Expr]) -> pl.Expr:
    """A number that tells all combinations of zeros and ones apart."""
    return _sum([2.0**place * bit for place, bit in enumerate(bits)])


@statistical.expression(windows=(60, 120), unit="dimensionless", warm_up=changes)
def skewness(n: int) -> pl.Expr:
    """Third standardised moment of the log returns of {n} bars (population moments)."""
    return skew(LOG_RETURN, n)


@statistical.expression(windows=(60, 120), unit="dimensionless", warm_up=changes)
def kurtosis(n: int) -> pl.Expr:
    """Fourth standardised moment of the log returns of {n} bars, minus 3 (population moments)."""
    return excess_kurtosis(LOG_RETURN, n)


@statistical.expression(windows=(60, 120), unit="-1 to 1", warm_up=lambda n: n + 1)
def autocorrelation(n: int) -> pl.Expr:
    """Correlation of the log returns of {n} bars with those one bar earlier."""
    return correlation(LOG_RETURN, LOG_RETURN.shift(1), n)


@statistical.expression(windows=(60,), unit="-1 to 1", warm_up=lambda n: n + 2)
def autocorrelation_lag_2(n: int) -> pl.Expr:
    """Correlation of the log returns of {n} bars with those two bars earlier."""
    return correlation(LOG_RETURN, LOG_RETURN.shift(2), n)


@statistical.expression(windows=(60,), unit="-1 to 1", warm_up=lambda n: n + 5)
def autocorrelation_lag_5(n: int) -> pl.Expr:
    """Correlation of the log returns of {n} bars with those five bars earlier."""
    return correlation(LOG_RETURN, LOG_RETURN.shift(5), n)


@statistical.expression(
    windows=(60,), unit="-1 to 1", warm_up=lambda n: n + 1, reference="Ding, Granger and Engle 1993"
)
def volatility_clustering(n: int) -> pl.Expr:
    """Correlation of the absolute log returns of {n} bars with those one bar earlier."""
    return correlation(LOG_RETURN.abs(), LOG_RETURN.abs().shift(1), n)


@statistical.expression(windows=(60,), unit="-1 to 1", warm_up=lambda n: n + 1, reference="Black 1976; Bouchaud 2001")
def leverage_effect(n: int) -> pl.Expr:
    """Correlation of the squared log returns of {n} bars with the log returns one bar earlier."""
    return correlation(LOG_RETURN**2, LOG_RETURN.shift(1), n)


@statistical.expression(window=60, unit="1 for a random walk", warm_up=61, reference="Lo and MacKinlay 1988")
def variance_ratio_2_60() -> pl.Expr:
    """Variance of the last 60 log returns over 2 bars (overlapping), over 2 times that of the last 60 over 1 bar."""
    return variance(log_change(CLOSE, 2), 60) / (2 * deviation(LOG_RETURN, 60) ** 2)


@statistical.expression(window=60, unit="1 for a random walk", warm_up=64, reference="Lo and MacKinlay 1988")
def variance_ratio_5_60() -> pl.Expr:
    """Variance of the last 60 log returns over 5 bars (overlapping), over 5 times that of the last 60 over 1 bar."""
    return variance(log_change(CLOSE, 5), 60) / (5 * deviation(LOG_RETURN, 60) ** 2)


@statistical.expression(window=120, unit="1 for a random walk", warm_up=129, reference="Lo and MacKinlay 1988")
def variance_ratio_10_120() -> pl.Expr:
    """Variance of the last 120 log returns over 10 bars (overlapping), over 10 times that of 120 over 1 bar."""
    return variance(log_change(CLOSE, 10), 120) / (10 * deviation(LOG_RETURN, 120) ** 2)


@statistical.expression(
    windows=(120,), unit="0.5 for a random walk", warm_up=lambda n: n + SCALES[-1] - 1, reference="Hurst 1951"
)
def hurst(n: int) -> pl.Expr:
    """Slope of the log deviation of the last {n} log returns over 1, 2, 4 and 8 bars on the log of these bars."""
    logs = np.log(SCALES) - np.log(SCALES).mean()
    weights = logs / (logs @ logs)
    parts = [w * deviation(log_change(CLOSE, k), n).log() for w, k in zip(weights.tolist(), SCALES, strict=True)]
    return _sum(parts)


@statistical.expression(windows=(5, 20, 60), unit="0 to 1", warm_up=changes, reference="Alpha158 CNTP")
def up_share(n: int) -> pl.Expr:
    """Share of {n} bars that closed above the bar before."""
    return mean(_number(CLOSE.diff() > 0), n)


@statistical.expression(windows=(60, 120), unit="0 to 1", warm_up=lambda n: n + 2, reference="Shannon 1948")
def sign_entropy(n: int) -> pl.Expr:
    """Entropy of the eight patterns that three successive bars, higher or not, make within {n} bars, over log 8."""
    code = _code([_number(CLOSE.diff() > 0).shift(k) for k in range(3)])
    return _entropy([mean(_number(code == pattern), n) for pattern in range(8)])


@statistical.expression(windows=(60, 120), unit="0 to 1", warm_up=lambda n: n + 1, reference="Bandt and Pompe 2002")
def permutation_entropy(n: int) -> pl.Expr:
    """Entropy of the six orders that three successive closes can have, within {n} bars, over log 6."""
    closes = [CLOSE.shift(k) for k in range(3)]
    comparisons = [closes[i] > closes[j] for i, j in itertools.combinations(range(3), 2)]
    code = _code([_number(comparison) for comparison in comparisons])
    return _entropy([mean(_number(code == order), n) for order in (0, 1, 3, 4, 6, 7)])


@statistical.expression(windows=(60, 120), unit="log ratio", warm_up=changes)
def tail_ratio(n: int) -> pl.Expr:
    """Log of the 95 % quantile of the log returns of {n} bars over the size of their 5 % quantile."""
    upper, lower = (LOG_RETURN.rolling_quantile(q, "linear", window_size=n) for q in (0.95, 0.05))
    return (upper / -lower).log()


@statistical.expression(
    windows=(20,), unit="standard deviations", warm_up=changes, reference="Bali, Cakici and Whitelaw 2011"
)
def highest_return(n: int) -> pl.Expr:
    """Highest log return of {n} bars, over their standard deviation."""
    return LOG_RETURN.rolling_max(n) / deviation(LOG_RETURN, n)


@statistical.expression(windows=(20,), unit="standard deviations", warm_up=changes)
def lowest_return(n: int) -> pl.Expr:
    """Lowest log return of {n} bars, over their standard deviation."""
    return LOG_RETURN.rolling_min(n) / deviation(LOG_RETURN, n)


@statistical.expression(windows=(20, 60), unit="standard deviations", warm_up=changes)
def return_zscore(n: int) -> pl.Expr:
    """Log return less its mean of {n} bars, in their standard deviations."""
    return zscore(LOG_RETURN, n)


@statistical.expression(windows=(20, 60), unit="standard deviations of a normal distribution")
def median_zscore(n: int) -> pl.Expr:
    """Log close less its median of {n} bars, over their interquartile range divided by 1.349."""
    close = CLOSE.log()
    upper, lower = (close.rolling_quantile(q, "linear", window_size=n) for q in (0.75, 0.25))
    return NORMAL * (close - close.rolling_median(n)) / (upper - lower)


@statistical.expression(windows=(20, 60, 120), unit="0 to 1", reference="Alpha158 RANK")
def price_rank(n: int) -> pl.Expr:
    """Rank of the close among {n} closes less one half, over {n}; equal ones share their mean rank."""
    return (CLOSE.rolling_rank(n, "average") - 0.5) / n


@statistical.expression(
    windows=(20, 60), unit="share of variance", warm_up=lambda n: n + 1, reference="Barndorff-Nielsen and Shephard 2004"
)
def jump_share(n: int) -> pl.Expr:
    """One less the bipower variation over the realised variance of {n} log returns; 0 where that is negative.

    Bipower variation: pi / 2 times the sum of products of successive absolute log returns.
    """
    bipower = math.pi / 2 * total(LOG_RETURN.abs() * LOG_RETURN.abs().shift(1), n)
    return (1 - bipower / total(LOG_RETURN**2, n)).clip(lower_bound=0)
