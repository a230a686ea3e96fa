"""Trend: where the price stands against its own past, and how straight the way there was."""

import polars as pl

from assay.market.features.expressions import CLOSE, HIGH, LOW, TRUE_RANGE, linear_mean, mean, r_squared, slope, total
from assay.market.features.family import Family
from assay.market.features.feature import Array
from assay.market.features.warm_up import changes, exponential, settled

trend = Family("trend")

LOG_CLOSE = CLOSE.log()


@trend.expression(windows=(5, 10, 20, 60, 120), unit="ratio", reference="TA-Lib SMA")
def sma_distance(n: int) -> pl.Expr:
    """Close over its mean of {n} bars, minus 1."""
    return CLOSE / mean(CLOSE, n) - 1


@trend.expression(window=60, unit="ratio", warm_up=59, reference="Brock, Lakonishok and LeBaron 1992")
def sma_cross_10_60() -> pl.Expr:
    """Mean close of 10 bars over that of 60 bars, minus 1."""
    return mean(CLOSE, 10) / mean(CLOSE, 60) - 1


@trend.arrays(windows=(10, 20, 40), unit="ratio", warm_up=exponential, recursive=True, reference="TA-Lib EMA")
def ema_distance(n: int, close: Array) -> Array:
    """Close over its exponential mean of {n} bars, minus 1."""
    import talib

    return close / talib.EMA(close, n) - 1


@trend.arrays(
    window=26,
    unit="share of price",
    warm_up=exponential(26) + exponential(9),
    recursive=True,
    reference="TA-Lib MACD",
)
def macd_histogram(close: Array) -> Array:
    """MACD (12, 26) minus its signal line (9), over close."""
    import talib

    return talib.MACD(close, 12, 26, 9)[2] / close


@trend.arrays(window=26, unit="ratio", warm_up=exponential(26), recursive=True, reference="TA-Lib PPO; Appel")
def ppo(close: Array) -> Array:
    """Exponential mean of the close of 12 bars over that of 26 bars, minus 1 (percentage price oscillator)."""
    import talib

    return talib.EMA(close, 12) / talib.EMA(close, 26) - 1


@trend.arrays(
    windows=(15,),
    unit="simple return per bar",
    warm_up=lambda n: 3 * n + settled(1 - 2 / (n + 1), stages=3),
    recursive=True,
    reference="TA-Lib TRIX; Hutson 1983",
)
def trix(n: int, close: Array) -> Array:
    """Relative change per bar of the close smoothed three times by exponential means of {n} bars."""
    import talib

    return talib.TRIX(close, n) / 100


@trend.arrays(
    windows=(14,),
    unit="0 to 1",
    warm_up=lambda n: 2 * n + settled(1 - 1 / n, stages=2),
    recursive=True,
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
    recursive=True,
    reference="TA-Lib PLUS_DI, MINUS_DI; Wilder 1978",
)
def directional_movement(n: int, high: Array, low: Array, close: Array) -> Array:
    """Plus minus minus directional indicator of {n} bars, over 100."""
    import talib

    return (talib.PLUS_DI(high, low, close, n) - talib.MINUS_DI(high, low, close, n)) / 100


@trend.arrays(
    windows=(14,),
    unit="0 to 1",
    warm_up=lambda n: n + settled(1 - 1 / n),
    recursive=True,
    reference="TA-Lib PLUS_DI; Wilder 1978",
)
def plus_di(n: int, high: Array, low: Array, close: Array) -> Array:
    """Plus directional indicator of {n} bars, over 100: rises of the high in average true ranges."""
    import talib

    return talib.PLUS_DI(high, low, close, n) / 100


@trend.expression(windows=(14,), unit="-1 to 1", warm_up=changes, reference="Botes and Siepman 2010")
def vortex(n: int) -> pl.Expr:
    """Sum over {n} bars of |high - previous low| less |low - previous high|, over the sum of their true ranges."""
    rising, falling = (HIGH - LOW.shift(1)).abs(), (LOW - HIGH.shift(1)).abs()
    return total(rising - falling, n) / total(TRUE_RANGE, n)


@trend.arrays(windows=(14, 25), unit="-1 to 1", warm_up=changes, reference="TA-Lib AROONOSC; Chande 1995")
def aroon(n: int, high: Array, low: Array) -> Array:
    """Bars since the lowest low minus bars since the highest high, both of the last {n} bars and now, over {n}."""
    import talib

    return talib.AROONOSC(high, low, n) / 100


@trend.arrays(window=2, unit="ratio", warm_up=250, recursive=True, reference="TA-Lib SAR; Wilder 1978")
def sar_distance(high: Array, low: Array, close: Array) -> Array:
    """Close over the parabolic stop and reverse (acceleration 0.02, at most 0.2), minus 1."""
    import talib

    return close / talib.SAR(high, low, 0.02, 0.2) - 1


@trend.arrays(windows=(10,), unit="ratio", warm_up=360, recursive=True, reference="TA-Lib KAMA; Kaufman 1995")
def kama_distance(n: int, close: Array) -> Array:
    """Close over its adaptive mean (efficiency of {n} bars, fastest 2 and slowest 30 bars), minus 1."""
    import talib

    return close / talib.KAMA(close, n) - 1


@trend.expression(windows=(20,), unit="ratio", warm_up=lambda n: n - 1 + round(n**0.5) - 1, reference="Hull 2005")
def hull_distance(n: int) -> pl.Expr:
    """Close over its Hull mean, minus 1: linearly weighted mean over round(sqrt({n})) of 2 WMA({n} / 2) - WMA({n})."""
    ahead = 2 * linear_mean(CLOSE, n // 2) - linear_mean(CLOSE, n)
    return CLOSE / linear_mean(ahead, round(n**0.5)) - 1


@trend.expression(windows=(10, 20, 60, 120), unit="log price per bar", reference="least squares; Alpha158 BETA")
def trend_slope(n: int) -> pl.Expr:
    """Slope of the least-squares line through the log closes of {n} bars."""
    return slope(LOG_CLOSE, n)


@trend.expression(windows=(20, 60, 120), unit="0 to 1", reference="least squares; Alpha158 RSQR")
def trend_r2(n: int) -> pl.Expr:
    """Share of the variance of the log closes of {n} bars that a straight line explains."""
    return r_squared(LOG_CLOSE, n)


@trend.expression(windows=(20, 60), unit="log price", reference="least squares; Alpha158 RESI")
def trend_residual(n: int) -> pl.Expr:
    """Log close less the end of the least-squares line through the log closes of {n} bars."""
    return LOG_CLOSE - mean(LOG_CLOSE, n) - slope(LOG_CLOSE, n) * ((n - 1) / 2)


@trend.expression(windows=(20, 60, 120), unit="ratio")
def drawdown(n: int) -> pl.Expr:
    """Close over the highest high of {n} bars, minus 1."""
    return CLOSE / HIGH.rolling_max(n) - 1


@trend.expression(windows=(20, 60, 120), unit="ratio")
def run_up(n: int) -> pl.Expr:
    """Close over the lowest low of {n} bars, minus 1."""
    return CLOSE / LOW.rolling_min(n) - 1
