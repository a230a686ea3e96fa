"""Trend: where the price stands against its own past, and how straight the way there was."""

import numpy as np
import polars as pl

from assay.market.features.expressions import CLOSE, HIGH, LOW, mean
from assay.market.features.family import Family
from assay.market.features.feature import Array
from assay.market.features.warm_up import changes, exponential, settled
from assay.market.features.windows import line_fit

trend = Family("trend")


@trend.expression(windows=(10, 20, 60), unit="ratio", reference="TA-Lib SMA")
def sma_distance(n: int) -> pl.Expr:
    """Close over its mean of {n} bars, minus 1."""
    return CLOSE / mean(CLOSE, n) - 1


@trend.arrays(windows=(20,), unit="ratio", warm_up=exponential, reference="TA-Lib EMA")
def ema_distance(n: int, close: Array) -> Array:
    """Close over its exponential mean of {n} bars, minus 1."""
    import talib

    return close / talib.EMA(close, n) - 1


@trend.arrays(window=26, unit="share of price", warm_up=exponential(26) + exponential(9), reference="TA-Lib MACD")
def macd_histogram(close: Array) -> Array:
    """MACD (12, 26) minus its signal line (9), over close."""
    import talib

    return talib.MACD(close, 12, 26, 9)[2] / close


@trend.arrays(
    windows=(14,),
    unit="0 to 1",
    warm_up=lambda n: 2 * n + settled(1 - 1 / n, stages=2),
    reference="TA-Lib ADX; Wilder 1978",
)
def adx(n: int, high: Array, low: Array, close: Array) -> Array:
    """Average directional index of {n} bars, over 100."""
    import talib

    return talib.ADX(high, low, close, n) / 100


@trend.arrays(
    windows=(14,),
    unit="-1 to 1",
    warm_up=lambda n: n + settled(1 - 1 / n),
    reference="TA-Lib PLUS_DI, MINUS_DI; Wilder 1978",
)
def directional_movement(n: int, high: Array, low: Array, close: Array) -> Array:
    """Plus minus minus directional indicator of {n} bars, over 100."""
    import talib

    return (talib.PLUS_DI(high, low, close, n) - talib.MINUS_DI(high, low, close, n)) / 100


@trend.arrays(windows=(25,), unit="-1 to 1", warm_up=changes, reference="TA-Lib AROONOSC; Chande 1995")
def aroon(n: int, high: Array, low: Array) -> Array:
    """Bars since the lowest low minus bars since the highest high, both of the last {n} bars and now, over {n}."""
    import talib

    return talib.AROONOSC(high, low, n) / 100


@trend.arrays(windows=(20, 60), unit="log price per bar", reference="ordinary least squares; Alpha158 BETA")
def trend_slope(n: int, close: Array) -> Array:
    """Slope of the least-squares line through the log closes of {n} bars."""
    return line_fit(np.log(close), n)[0]


@trend.arrays(windows=(20, 60), unit="0 to 1", reference="ordinary least squares; Alpha158 RSQR")
def trend_r2(n: int, close: Array) -> Array:
    """Share of the variance of the log closes of {n} bars that a straight line explains."""
    return line_fit(np.log(close), n)[1]


@trend.expression(windows=(60,), unit="ratio")
def drawdown(n: int) -> pl.Expr:
    """Close over the highest high of {n} bars, minus 1."""
    return CLOSE / HIGH.rolling_max(n) - 1


@trend.expression(windows=(60,), unit="ratio")
def run_up(n: int) -> pl.Expr:
    """Close over the lowest low of {n} bars, minus 1."""
    return CLOSE / LOW.rolling_min(n) - 1
