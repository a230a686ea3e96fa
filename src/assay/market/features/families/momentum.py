"""Momentum: how far and how steadily the price has moved."""

import math

import polars as pl

from assay.market.features.expressions import (
    CLOSE,
    HIGH,
    LOG_RETURN,
    LOW,
    TRUE_LOW,
    TRUE_RANGE,
    TYPICAL,
    absolute_deviation,
    change,
    deviation,
    mean,
    total,
)
from assay.market.features.family import Family
from assay.market.features.feature import Array
from assay.market.features.warm_up import changes, exponential, wilder

momentum = Family("momentum")


def _place_in_range(n: int) -> pl.Expr:
    lowest = LOW.rolling_min(n)
    return (CLOSE - lowest) / (HIGH.rolling_max(n) - lowest)


@momentum.expression(
    windows=(1, 2, 3, 5, 10, 20, 40, 60, 120), unit="simple return", warm_up=changes, reference="TA-Lib ROCP"
)
def return_(n: int) -> pl.Expr:
    """Close over the close at lag {n}, minus 1 (rate of change)."""
    return change(CLOSE, n)


@momentum.expression(window=60, unit="simple return", warm_up=60, reference="Jegadeesh and Titman 1993")
def return_60_skip_5() -> pl.Expr:
    """Close at lag 5 over the close at lag 60, minus 1."""
    return CLOSE.shift(5) / CLOSE.shift(60) - 1


@momentum.expression(window=120, unit="simple return", warm_up=120, reference="Jegadeesh and Titman 1993")
def return_120_skip_20() -> pl.Expr:
    """Close at lag 20 over the close at lag 120, minus 1."""
    return CLOSE.shift(20) / CLOSE.shift(120) - 1


@momentum.expression(windows=(5, 20), unit="simple return", warm_up=lambda n: 2 * n)
def acceleration(n: int) -> pl.Expr:
    """Relative change over {n} bars less that over the {n} bars before them."""
    return change(CLOSE, n) - change(CLOSE, n).shift(n)


@momentum.expression(windows=(20, 60, 120), unit="standard deviations", warm_up=changes)
def return_per_risk(n: int) -> pl.Expr:
    """Sum of the log returns of {n} bars over their standard deviation times the root of {n}."""
    return total(LOG_RETURN, n) / (deviation(LOG_RETURN, n) * math.sqrt(n))


@momentum.expression(windows=(10,), unit="true ranges", warm_up=changes, reference="TA-Lib MOM, scaled")
def move_in_ranges(n: int) -> pl.Expr:
    """Close less the close at lag {n}, over the mean true range of {n} bars."""
    return (CLOSE - CLOSE.shift(n)) / mean(TRUE_RANGE, n)


@momentum.arrays(
    windows=(7, 14, 21), unit="0 to 1", warm_up=wilder, recursive=True, reference="TA-Lib RSI; Wilder 1978"
)
def rsi(n: int, close: Array) -> Array:
    """Relative strength index of {n} bars, over 100."""
    import talib

    return talib.RSI(close, n) / 100


@momentum.arrays(
    windows=(14,),
    unit="0 to 1",
    warm_up=lambda n: wilder(n) + n - 1,
    recursive=True,
    reference="TA-Lib STOCHRSI; Chande and Kroll 1994",
)
def stochastic_rsi(n: int, close: Array) -> Array:
    """Place of the relative strength index of {n} bars between its lowest (0) and highest (1) of {n} bars."""
    import talib

    index = talib.RSI(close, n)
    lowest = talib.MIN(index, n)
    return (index - lowest) / (talib.MAX(index, n) - lowest)


@momentum.expression(windows=(14, 40), unit="0 to 1", warm_up=lambda n: n + 1, reference="TA-Lib STOCH slow %K; Lane")
def stochastic(n: int) -> pl.Expr:
    """Mean over 3 bars of the place of the close between the lowest low (0) and the highest high (1) of {n} bars."""
    return mean(_place_in_range(n), 3)


@momentum.expression(windows=(14,), unit="0 to 1", warm_up=lambda n: n + 3, reference="TA-Lib STOCH slow %D; Lane")
def stochastic_signal(n: int) -> pl.Expr:
    """Mean over 3 bars of the slow stochastic of {n} bars."""
    return mean(mean(_place_in_range(n), 3), 3)


@momentum.expression(windows=(14,), unit="-1 to 0", reference="TA-Lib WILLR")
def williams_r(n: int) -> pl.Expr:
    """Place of the close between the lowest low (-1) and the highest high (0) of {n} bars."""
    return _place_in_range(n) - 1


@momentum.expression(windows=(20, 40), unit="1.5 mean absolute deviations", reference="TA-Lib CCI; Lambert 1980")
def cci(n: int) -> pl.Expr:
    """Typical price less its mean of {n} bars, over 1.5 mean absolute deviations (commodity channel index over 100)."""
    return (TYPICAL - mean(TYPICAL, n)) / (1.5 * absolute_deviation(TYPICAL, n))


@momentum.expression(window=28, unit="0 to 1", warm_up=28, reference="TA-Lib ULTOSC; Williams 1985")
def ultimate_oscillator() -> pl.Expr:
    """Buying pressure (close less true low) over true range, of 7, 14 and 28 bars, weighted 4, 2 and 1."""
    shares = [total(CLOSE - TRUE_LOW, n) / total(TRUE_RANGE, n) for n in (7, 14, 28)]
    return (4 * shares[0] + 2 * shares[1] + shares[2]) / 7


@momentum.arrays(
    window=25,
    unit="-1 to 1",
    warm_up=exponential(25) + exponential(13),
    recursive=True,
    reference="TA-Lib TSI; Blau 1991",
)
def true_strength(close: Array) -> Array:
    """Change of the close smoothed by exponential means of 25 and 13 bars, over its size smoothed alike."""
    import talib

    return talib.TSI(close, 25, 13) / 100


@momentum.expression(windows=(10, 20, 60), unit="-1 to 1", warm_up=changes, reference="Chande 1994; Kaufman 1995")
def efficiency(n: int) -> pl.Expr:
    """Close less the close at lag {n}, over the way between: the sum of absolute changes (Chande's oscillator)."""
    return total(CLOSE.diff(), n) / total(CLOSE.diff().abs(), n)


@momentum.expression(window=34, unit="share of price", warm_up=33, reference="TA-Lib AO, over close; Williams 1998")
def awesome_oscillator() -> pl.Expr:
    """Mean middle of the bar over 5 bars less that over 34 bars, over close."""
    middle = (HIGH + LOW) / 2
    return (mean(middle, 5) - mean(middle, 34)) / CLOSE


@momentum.expression(window=45, unit="simple return", warm_up=44, reference="Pring 1992")
def know_sure_thing() -> pl.Expr:
    """Mean of 10, 10, 10 and 15 bars of the returns over 10, 15, 20 and 30 bars, weighted 1, 2, 3 and 4 of 10."""
    parts = [mean(change(CLOSE, n), smoothing) for n, smoothing in ((10, 10), (15, 10), (20, 10), (30, 15))]
    return (parts[0] + 2 * parts[1] + 3 * parts[2] + 4 * parts[3]) / 10


@momentum.arrays(windows=(13,), unit="share of price", warm_up=exponential, recursive=True, reference="Elder 1993")
def bull_power(n: int, high: Array, close: Array) -> Array:
    """High less the exponential mean of the close of {n} bars, over close."""
    import talib

    return (high - talib.EMA(close, n)) / close


@momentum.arrays(windows=(13,), unit="share of price", warm_up=exponential, recursive=True, reference="Elder 1993")
def bear_power(n: int, low: Array, close: Array) -> Array:
    """Low less the exponential mean of the close of {n} bars, over close."""
    import talib

    return (low - talib.EMA(close, n)) / close
