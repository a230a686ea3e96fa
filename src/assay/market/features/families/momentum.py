"""Momentum: how far and how steadily the price has moved."""

import math

import polars as pl

from assay.market.features.expressions import CLOSE, HIGH, LOG_RETURN, LOW, change, deviation, mean, total
from assay.market.features.family import Family
from assay.market.features.feature import Array
from assay.market.features.warm_up import changes, wilder

momentum = Family("momentum")


def _place_in_range(n: int) -> pl.Expr:
    lowest = LOW.rolling_min(n)
    return (CLOSE - lowest) / (HIGH.rolling_max(n) - lowest)


@momentum.expression(windows=(1, 5, 10, 20, 60), unit="simple return", warm_up=changes, reference="TA-Lib ROCP")
def return_(n: int) -> pl.Expr:
    """Close over the close at lag {n}, minus 1 (rate of change)."""
    return change(CLOSE, n)


@momentum.expression(window=60, unit="simple return", warm_up=60, reference="Jegadeesh and Titman 1993")
def return_60_skip_5() -> pl.Expr:
    """Close at lag 5 over the close at lag 60, minus 1."""
    return CLOSE.shift(5) / CLOSE.shift(60) - 1


@momentum.expression(windows=(20, 60), unit="standard deviations", warm_up=changes)
def return_per_risk(n: int) -> pl.Expr:
    """Sum of the log returns of {n} bars over their standard deviation times the root of {n}."""
    return total(LOG_RETURN, n) / (deviation(LOG_RETURN, n) * math.sqrt(n))


@momentum.arrays(windows=(14,), unit="0 to 1", warm_up=wilder, reference="TA-Lib RSI; Wilder 1978")
def rsi(n: int, close: Array) -> Array:
    """Relative strength index of {n} bars, over 100."""
    import talib

    return talib.RSI(close, n) / 100


@momentum.expression(windows=(14,), unit="0 to 1", warm_up=lambda n: n + 1, reference="TA-Lib STOCH slow %K; Lane")
def stochastic(n: int) -> pl.Expr:
    """Mean over 3 bars of the place of the close between the lowest low (0) and the highest high (1) of {n} bars."""
    return mean(_place_in_range(n), 3)


@momentum.expression(windows=(14,), unit="-1 to 0", reference="TA-Lib WILLR")
def williams_r(n: int) -> pl.Expr:
    """Place of the close between the lowest low (-1) and the highest high (0) of {n} bars."""
    return _place_in_range(n) - 1


@momentum.arrays(windows=(20,), unit="1.5 mean absolute deviations", reference="TA-Lib CCI; Lambert 1980")
def cci(n: int, high: Array, low: Array, close: Array) -> Array:
    """Typical price less its mean of {n} bars, over 1.5 mean absolute deviations (commodity channel index over 100)."""
    import talib

    return talib.CCI(high, low, close, n) / 100
