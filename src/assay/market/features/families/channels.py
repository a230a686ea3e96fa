"""Channels: where the price stands between the edges of its recent ground, and how wide that ground is."""

import polars as pl

from assay.market.features.expressions import CLOSE, HIGH, LOW, TRUE_RANGE, TYPICAL, deviation, mean
from assay.market.features.family import Family
from assay.market.features.feature import Array
from assay.market.features.warm_up import changes

channels = Family("channels")

AHEAD = 26  # bars by which Ichimoku's cloud is drawn ahead: the cloud at a bar was known that many bars earlier


def _highest(n: int) -> pl.Expr:
    return HIGH.rolling_max(n)


def _lowest(n: int) -> pl.Expr:
    return LOW.rolling_min(n)


def _middle(n: int) -> pl.Expr:
    return (_highest(n) + _lowest(n)) / 2


def _cloud() -> tuple[pl.Expr, pl.Expr]:
    """Ichimoku's leading spans A and B as they stand at a bar."""
    return ((_middle(9) + _middle(26)) / 2).shift(AHEAD), _middle(52).shift(AHEAD)


@channels.expression(window=9, unit="ratio", warm_up=8, reference="Ichimoku tenkan-sen; Hosoda 1969")
def ichimoku_conversion_distance() -> pl.Expr:
    """Close over the middle between highest high and lowest low of 9 bars, minus 1."""
    return CLOSE / _middle(9) - 1


@channels.expression(window=26, unit="ratio", warm_up=25, reference="Ichimoku kijun-sen; Hosoda 1969")
def ichimoku_base_distance() -> pl.Expr:
    """Close over the middle between highest high and lowest low of 26 bars, minus 1."""
    return CLOSE / _middle(26) - 1


@channels.expression(window=26, unit="ratio", warm_up=25, reference="Ichimoku; Hosoda 1969")
def ichimoku_cross() -> pl.Expr:
    """Middle of the range of 9 bars over that of 26 bars, minus 1."""
    return _middle(9) / _middle(26) - 1


@channels.expression(window=78, unit="ratio", warm_up=77, reference="Ichimoku kumo; Hosoda 1969")
def ichimoku_cloud_distance() -> pl.Expr:
    """Close over the middle of the cloud that was known 26 bars earlier (spans of 9, 26 and 52 bars), minus 1."""
    one, other = _cloud()
    return 2 * CLOSE / (one + other) - 1


@channels.expression(window=78, unit="share of price", warm_up=77, reference="Ichimoku kumo; Hosoda 1969")
def ichimoku_cloud_width() -> pl.Expr:
    """First less second span of the cloud that was known 26 bars earlier, over close: positive in a rising market."""
    one, other = _cloud()
    return (one - other) / CLOSE


@channels.expression(
    windows=(20,), unit="0 at the lower, 1 at the upper edge", warm_up=changes, reference="Keltner 1960"
)
def keltner_position(n: int) -> pl.Expr:
    """Place of the close between the edges at 2 mean true ranges around the mean typical price, both of {n} bars."""
    return (CLOSE - mean(TYPICAL, n)) / (4 * mean(TRUE_RANGE, n)) + 0.5


@channels.expression(windows=(20,), unit="share of price", warm_up=changes, reference="Keltner 1960")
def keltner_width(n: int) -> pl.Expr:
    """Four mean true ranges over the mean typical price, both of {n} bars."""
    return 4 * mean(TRUE_RANGE, n) / mean(TYPICAL, n)


@channels.expression(windows=(20,), unit="ratio, in a squeeze below 1", warm_up=changes, reference="Carter 2005")
def squeeze(n: int) -> pl.Expr:
    """Two population standard deviations of the close over one and a half mean true ranges, both of {n} bars."""
    return 2 * deviation(CLOSE, n, ddof=0) / (1.5 * mean(TRUE_RANGE, n))


@channels.expression(windows=(20, 60), unit="0 at the lowest low, 1 at the highest high", reference="Donchian")
def donchian_position(n: int) -> pl.Expr:
    """Place of the close between the lowest low and the highest high of {n} bars."""
    return (CLOSE - _lowest(n)) / (_highest(n) - _lowest(n))


@channels.expression(windows=(20, 60), unit="share of price", reference="Donchian")
def donchian_width(n: int) -> pl.Expr:
    """Highest high less lowest low of {n} bars, over close."""
    return (_highest(n) - _lowest(n)) / CLOSE


@channels.expression(windows=(20, 60), unit="ratio", warm_up=changes, reference="turtle rules; Faith 2007")
def breakout_up(n: int) -> pl.Expr:
    """Close over the highest high of the {n} bars before it, minus 1."""
    return CLOSE / _highest(n).shift(1) - 1


@channels.expression(windows=(20, 60), unit="ratio", warm_up=changes, reference="turtle rules; Faith 2007")
def breakout_down(n: int) -> pl.Expr:
    """Close over the lowest low of the {n} bars before it, minus 1."""
    return CLOSE / _lowest(n).shift(1) - 1


@channels.expression(windows=(22,), unit="ratio", warm_up=changes, reference="Le Beau; Elder 2002")
def chandelier_long(n: int) -> pl.Expr:
    """Close over the stop of a long position (highest high less 3 mean true ranges, both of {n} bars), minus 1."""
    return CLOSE / (_highest(n) - 3 * mean(TRUE_RANGE, n)) - 1


@channels.expression(windows=(22,), unit="ratio", warm_up=changes, reference="Le Beau; Elder 2002")
def chandelier_short(n: int) -> pl.Expr:
    """Close over the stop of a short position (lowest low plus 3 mean true ranges, both of {n} bars), minus 1."""
    return CLOSE / (_lowest(n) + 3 * mean(TRUE_RANGE, n)) - 1


@channels.arrays(windows=(10,), unit="ratio", warm_up=300, recursive=True, reference="TA-Lib SUPERTREND; Seban")
def supertrend_distance(n: int, high: Array, low: Array, close: Array) -> Array:
    """Close over the trailing stop at 3 average true ranges of {n} bars from the middle of the bar, minus 1."""
    import talib

    return close / talib.SUPERTREND(high, low, close, n, 3)[0] - 1


@channels.expression(window=2, unit="ratio", warm_up=1)
def pivot_distance() -> pl.Expr:
    """Close over the typical price of the previous bar, minus 1."""
    return CLOSE / TYPICAL.shift(1) - 1
