"""Volatility: how wide the price swings, from closes, from ranges and from bands."""

import math

import polars as pl

from assay.market.features.expressions import CLOSE, HIGH, LOG_RETURN, LOW, OPEN, deviation, mean
from assay.market.features.family import Family
from assay.market.features.feature import Array
from assay.market.features.warm_up import changes, wilder

volatility = Family("volatility")

SQUARED_RANGE = (HIGH / LOW).log() ** 2


@volatility.arrays(windows=(14,), unit="share of price", warm_up=wilder, reference="TA-Lib NATR; Wilder 1978")
def atr(n: int, high: Array, low: Array, close: Array) -> Array:
    """Average true range of {n} bars, over close."""
    import talib

    return talib.ATR(high, low, close, n) / close


@volatility.expression(windows=(10, 20, 60), unit="log return per bar", warm_up=changes)
def realised_volatility(n: int) -> pl.Expr:
    """Standard deviation of the log returns of {n} bars."""
    return LOG_RETURN.rolling_std(n)


@volatility.expression(windows=(20,), unit="log return per bar", reference="Parkinson 1980")
def parkinson(n: int) -> pl.Expr:
    """Root of the mean over {n} bars of the squared log of high over low, divided by 4 ln 2."""
    return (mean(SQUARED_RANGE, n) / (4 * math.log(2))).sqrt()


@volatility.expression(windows=(20,), unit="log return per bar", reference="Garman and Klass 1980")
def garman_klass(n: int) -> pl.Expr:
    """Root of the mean over {n} bars of ln(high / low)^2 / 2 - (2 ln 2 - 1) ln(close / open)^2."""
    variance = SQUARED_RANGE / 2 - (2 * math.log(2) - 1) * (CLOSE / OPEN).log() ** 2
    return mean(variance, n).sqrt()


@volatility.expression(window=60, unit="ratio", warm_up=60)
def volatility_ratio_10_60() -> pl.Expr:
    """Standard deviation of the log returns of 10 bars over that of 60 bars."""
    return LOG_RETURN.rolling_std(10) / deviation(LOG_RETURN, 60)


@volatility.expression(windows=(20,), unit="0 at the lower, 1 at the upper band", reference="TA-Lib BBANDS; Bollinger")
def bollinger_position(n: int) -> pl.Expr:
    """Place of the close between the bands at 2 population standard deviations around its mean of {n} bars (%b)."""
    return (CLOSE - mean(CLOSE, n)) / (4 * deviation(CLOSE, n, ddof=0)) + 0.5


@volatility.expression(windows=(20,), unit="share of price", reference="TA-Lib BBANDS; Bollinger")
def bollinger_width(n: int) -> pl.Expr:
    """Upper less lower band at 2 population standard deviations, over the mean close of {n} bars."""
    return 4 * CLOSE.rolling_std(n, ddof=0) / mean(CLOSE, n)
