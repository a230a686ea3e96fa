"""Candle shape: what happened inside the bar, and how it sits beside the one before. Null where a bar has no range."""

import operator
from functools import reduce

import polars as pl

from assay.market.features.expressions import CLOSE, HIGH, LOW, OPEN, RANGE, mean, total
from assay.market.features.family import Family
from assay.market.features.warm_up import changes

candle = Family("candle")

BODY = (CLOSE - OPEN) / RANGE
UPPER = (HIGH - OPEN.clip(lower_bound=CLOSE)) / RANGE
LOWER = (OPEN.clip(upper_bound=CLOSE) - LOW) / RANGE
LOCATION = (2 * CLOSE - HIGH - LOW) / RANGE
SMALL, LONG = 0.1, 0.6  # parts of a bar's range
LONGEST_RUN = 10


def _number(condition: pl.Expr) -> pl.Expr:
    return condition.cast(pl.Float64)


def _higher(values: pl.Expr) -> pl.Expr:
    return _number(values > values.shift(1))


@candle.expression(unit="-1 to 1", reference="Alpha158 KMID2")
def body() -> pl.Expr:
    """Close less open, over high less low."""
    return BODY


@candle.expression(unit="0 to 1", reference="Alpha158 KUP2")
def upper_wick() -> pl.Expr:
    """High less the higher of open and close, over high less low."""
    return UPPER


@candle.expression(unit="0 to 1", reference="Alpha158 KLOW2")
def lower_wick() -> pl.Expr:
    """The lower of open and close less low, over high less low."""
    return LOWER


@candle.expression(unit="-1 to 1", reference="Alpha158 KSFT2")
def close_location() -> pl.Expr:
    """Place of the close in its bar: -1 at the low, 1 at the high."""
    return LOCATION


@candle.expression(unit="simple return", warm_up=1)
def gap() -> pl.Expr:
    """Open over the previous close, minus 1."""
    return OPEN / CLOSE.shift(1) - 1


@candle.expression(windows=(20, 60), unit="ratio")
def relative_range(n: int) -> pl.Expr:
    """High less low over close, over its mean of {n} bars."""
    return (RANGE / CLOSE) / mean(RANGE / CLOSE, n)


@candle.expression(unit="log ratio", warm_up=1)
def range_change() -> pl.Expr:
    """Log of high less low over that of the previous bar."""
    return (RANGE / RANGE.shift(1)).log()


@candle.expression(windows=(5, 20), unit="-1 to 1")
def mean_close_location(n: int) -> pl.Expr:
    """Mean over {n} bars of the place of the close in its bar: -1 at the low, 1 at the high."""
    return mean(LOCATION, n)


@candle.expression(windows=(5, 20), unit="-1 to 1", reference="Dorsey 1993 (relative vigor)")
def vigor(n: int) -> pl.Expr:
    """Sum of close less open over the sum of high less low, of {n} bars."""
    return total(CLOSE - OPEN, n) / total(RANGE, n)


@candle.expression(windows=(20,), unit="-1 to 1")
def wick_balance(n: int) -> pl.Expr:
    """Mean over {n} bars of lower less upper wick, as parts of high less low."""
    return mean(LOWER - UPPER, n)


@candle.expression(windows=(20,), unit="simple return", warm_up=changes, reference="Lou, Polk and Skouras 2019")
def overnight_return(n: int) -> pl.Expr:
    """Sum over {n} bars of open over the previous close, minus 1."""
    return total(OPEN / CLOSE.shift(1) - 1, n)


@candle.expression(windows=(20,), unit="0 to 1", reference="TA-Lib CDLDOJI, without its running thresholds")
def doji_share(n: int) -> pl.Expr:
    """Share of {n} bars whose body is at most a tenth of high less low."""
    return mean(_number(BODY.abs() <= SMALL), n)


@candle.expression(window=2, unit="-1, 0 or 1", warm_up=1, reference="TA-Lib CDLENGULFING; Nison 1991")
def engulfing() -> pl.Expr:
    """1 where a rising body covers the falling body before it, -1 where a falling one covers a rising one, else 0."""
    up, before = (CLOSE - OPEN).sign(), (CLOSE - OPEN).sign().shift(1)
    first, last = OPEN.shift(1), CLOSE.shift(1)
    covers = (pl.max_horizontal(OPEN, CLOSE) >= pl.max_horizontal(first, last)) & (
        pl.min_horizontal(OPEN, CLOSE) <= pl.min_horizontal(first, last)
    )
    longer = (CLOSE - OPEN).abs() > (last - first).abs()
    return pl.when(first.is_not_null()).then(pl.when((up * before < 0) & covers & longer).then(up).otherwise(0.0))


@candle.expression(unit="-1, 0 or 1", reference="Nison 1991 (hammer, shooting star)")
def pin_bar() -> pl.Expr:
    """1 where the lower wick is over 0.6 and the upper under 0.1 of high less low, -1 the other way round, else 0."""
    return _number((LOWER > LONG) & (UPPER < SMALL)) - _number((UPPER > LONG) & (LOWER < SMALL))


@candle.expression(window=2, unit="0 or 1", warm_up=1, reference="Crabel 1990")
def inside_bar() -> pl.Expr:
    """1 where neither high nor low leaves the range of the previous bar, else 0."""
    return _number((HIGH.shift(1) >= HIGH) & (LOW.shift(1) <= LOW))


@candle.expression(window=2, unit="0 or 1", warm_up=1, reference="Crabel 1990")
def outside_bar() -> pl.Expr:
    """1 where high and low both leave the range of the previous bar, else 0."""
    return _number((HIGH.shift(1) < HIGH) & (LOW.shift(1) > LOW))


@candle.expression(windows=(7,), unit="0 or 1", reference="Crabel 1990")
def narrow_range(n: int) -> pl.Expr:
    """1 where high less low is the smallest of {n} bars, else 0."""
    return _number(RANGE.rolling_min(n) >= RANGE)


@candle.expression(window=2, unit="0 to 1", warm_up=1)
def overlap() -> pl.Expr:
    """Common part of the ranges of this and the previous bar, over what they span together."""
    common = pl.min_horizontal(HIGH, HIGH.shift(1)) - pl.max_horizontal(LOW, LOW.shift(1))
    span = pl.max_horizontal(HIGH, HIGH.shift(1)) - pl.min_horizontal(LOW, LOW.shift(1))
    return pl.when(HIGH.shift(1).is_not_null()).then(common.clip(lower_bound=0) / span)


@candle.expression(window=LONGEST_RUN, unit="bars", warm_up=LONGEST_RUN)
def closing_run() -> pl.Expr:
    """Successive bars up to this one that closed higher (positive) or lower (negative), at most 10."""
    step = CLOSE.diff().sign()
    runs = [_number(step.rolling_min(n) == 1) - _number(step.rolling_max(n) == -1) for n in range(1, LONGEST_RUN + 1)]
    return reduce(operator.add, runs)


@candle.expression(windows=(10,), unit="-1 to 1", warm_up=changes)
def stairs(n: int) -> pl.Expr:
    """Share of {n} bars with a higher high than the bar before, less the share with a lower low."""
    return mean(_higher(HIGH) - _higher(-LOW), n)
