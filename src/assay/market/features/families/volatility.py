"""Volatility: how wide the price swings, from closes, from ranges and from bands."""

import math

import numpy as np
import polars as pl

from assay.market.features.expressions import (
    CLOSE,
    HIGH,
    LOG_RETURN,
    LOW,
    OPEN,
    TRUE_RANGE,
    deviation,
    mean,
    total,
    variance,
    zscore,
)
from assay.market.features.family import Family
from assay.market.features.feature import Array
from assay.market.features.warm_up import changes, exponential, wilder

volatility = Family("volatility")

SQUARED_RANGE = (HIGH / LOW).log() ** 2
SQUARED_BODY = (CLOSE / OPEN).log() ** 2
DRIFTLESS = (HIGH / CLOSE).log() * (HIGH / OPEN).log() + (LOW / CLOSE).log() * (LOW / OPEN).log()
LOSS, GAIN = LOG_RETURN.clip(upper_bound=0), LOG_RETURN.clip(lower_bound=0)


def _realised(n: int) -> pl.Expr:
    return variance(LOG_RETURN, n).sqrt()


def _parkinson(n: int) -> pl.Expr:
    return (mean(SQUARED_RANGE, n) / (4 * math.log(2))).sqrt()


@volatility.arrays(
    windows=(7, 14), unit="share of price", warm_up=wilder, recursive=True, reference="TA-Lib NATR; Wilder 1978"
)
def atr(n: int, high: Array, low: Array, close: Array) -> Array:
    """Average true range of {n} bars, over close."""
    import talib

    return talib.ATR(high, low, close, n) / close


@volatility.expression(windows=(5, 10, 20, 60, 120), unit="log return per bar", warm_up=changes)
def realised_volatility(n: int) -> pl.Expr:
    """Standard deviation of the log returns of {n} bars."""
    return _realised(n)


@volatility.arrays(
    windows=(10, 32),
    unit="log return per bar",
    warm_up=lambda n: 1 + exponential(n),
    recursive=True,
    reference="RiskMetrics 1996",
)
def ewma_volatility(n: int, close: Array) -> Array:
    """Root of the exponential mean of the squared log returns of {n} bars (32: RiskMetrics' decay of 0.94)."""
    import talib

    squares = np.diff(np.log(close), prepend=np.nan) ** 2
    average: Array = talib.EMA(squares, n)
    return np.sqrt(average)


@volatility.expression(windows=(10, 20, 60), unit="log return per bar", reference="Parkinson 1980")
def parkinson(n: int) -> pl.Expr:
    """Root of the mean over {n} bars of the squared log of high over low, divided by 4 ln 2."""
    return _parkinson(n)


@volatility.expression(windows=(20, 60), unit="log return per bar", reference="Garman and Klass 1980")
def garman_klass(n: int) -> pl.Expr:
    """Root of the mean over {n} bars of ln(high / low)^2 / 2 - (2 ln 2 - 1) ln(close / open)^2."""
    return mean(SQUARED_RANGE / 2 - (2 * math.log(2) - 1) * SQUARED_BODY, n).sqrt()


@volatility.expression(windows=(20, 60), unit="log return per bar", reference="Rogers and Satchell 1991")
def rogers_satchell(n: int) -> pl.Expr:
    """Root of the mean over {n} bars of ln(high / close) ln(high / open) + ln(low / close) ln(low / open)."""
    return mean(DRIFTLESS, n).clip(lower_bound=0).sqrt()


@volatility.expression(windows=(20, 60), unit="log return per bar", warm_up=changes, reference="Yang and Zhang 2000")
def yang_zhang(n: int) -> pl.Expr:
    """Root of overnight variance + k open-to-close variance + (1 - k) Rogers-Satchell variance of {n} bars.

    k = 0.34 / (1.34 + ({n} + 1) / ({n} - 1)).
    """
    k = 0.34 / (1.34 + (n + 1) / (n - 1))
    overnight, day = variance((OPEN / CLOSE.shift(1)).log(), n), variance((CLOSE / OPEN).log(), n)
    return (overnight + k * day + (1 - k) * mean(DRIFTLESS, n).clip(lower_bound=0)).sqrt()


@volatility.expression(window=20, unit="ratio", warm_up=20)
def volatility_ratio_5_20() -> pl.Expr:
    """Standard deviation of the log returns of 5 bars over that of 20 bars."""
    return _realised(5) / deviation(LOG_RETURN, 20)


@volatility.expression(window=60, unit="ratio", warm_up=60)
def volatility_ratio_10_60() -> pl.Expr:
    """Standard deviation of the log returns of 10 bars over that of 60 bars."""
    return _realised(10) / deviation(LOG_RETURN, 60)


@volatility.expression(windows=(20, 60), unit="ratio", warm_up=lambda n: 10 + n - 1)
def volatility_of_volatility(n: int) -> pl.Expr:
    """Standard deviation over {n} bars of the volatility of 10 bars, over its mean of {n} bars."""
    return variance(_realised(10), n).sqrt() / mean(_realised(10), n)


@volatility.expression(windows=(60,), unit="standard deviations", warm_up=lambda n: 10 + n - 1)
def volatility_zscore(n: int) -> pl.Expr:
    """Volatility of 10 bars less its mean of {n} bars, in their standard deviations."""
    return zscore(_realised(10), n)


@volatility.expression(windows=(20,), unit="ratio", warm_up=changes)
def range_to_close_volatility(n: int) -> pl.Expr:
    """Parkinson volatility over the standard deviation of the log returns, both of {n} bars."""
    return _parkinson(n) / deviation(LOG_RETURN, n)


@volatility.expression(windows=(20, 60), unit="log return per bar", warm_up=changes, reference="Sortino 1994")
def downside_deviation(n: int) -> pl.Expr:
    """Root of the mean over {n} bars of the squared log returns, counting those above zero as zero."""
    return mean(LOSS**2, n).sqrt()


@volatility.expression(windows=(20, 60), unit="log return per bar", warm_up=changes)
def upside_deviation(n: int) -> pl.Expr:
    """Root of the mean over {n} bars of the squared log returns, counting those below zero as zero."""
    return mean(GAIN**2, n).sqrt()


@volatility.expression(windows=(20, 60), unit="-1 to 1", warm_up=changes, reference="Barndorff-Nielsen et al. 2010")
def semivariance_balance(n: int) -> pl.Expr:
    """Squared gains less squared losses over all squared log returns, sums of {n} bars."""
    return total(GAIN**2 - LOSS**2, n) / total(LOG_RETURN**2, n)


@volatility.expression(windows=(14, 60), unit="0 to 1", warm_up=changes, reference="Dreiss")
def choppiness(n: int) -> pl.Expr:
    """Log of the sum of true ranges over the range of the true highs and lows of {n} bars, over log {n}.

    The range takes in the close before the first of these bars.
    """
    span = pl.max_horizontal(HIGH.rolling_max(n), CLOSE.shift(n)) - pl.min_horizontal(
        LOW.rolling_min(n), CLOSE.shift(n)
    )
    return (total(TRUE_RANGE, n) / span).log() / math.log(n)


@volatility.expression(windows=(20, 60), unit="share of price", warm_up=lambda n: 2 * n - 2, reference="Martin 1987")
def ulcer(n: int) -> pl.Expr:
    """Root of the mean over {n} bars of the squared distance of the close from its highest of {n} bars."""
    return mean((CLOSE / CLOSE.rolling_max(n) - 1) ** 2, n).sqrt()


@volatility.expression(
    windows=(20, 60), unit="0 at the lower, 1 at the upper band", reference="TA-Lib BBANDS; Bollinger"
)
def bollinger_position(n: int) -> pl.Expr:
    """Place of the close between the bands at 2 population standard deviations around its mean of {n} bars (%b)."""
    return (CLOSE - mean(CLOSE, n)) / (4 * deviation(CLOSE, n, ddof=0)) + 0.5


@volatility.expression(windows=(20, 60), unit="share of price", reference="TA-Lib BBANDS; Bollinger")
def bollinger_width(n: int) -> pl.Expr:
    """Upper less lower band at 2 population standard deviations, over the mean close of {n} bars."""
    return 4 * variance(CLOSE, n, ddof=0).sqrt() / mean(CLOSE, n)
