"""Candle shape: what happened inside the bar. Null where a bar has no range."""

import polars as pl

from assay.market.features.expressions import CLOSE, HIGH, LOW, OPEN, RANGE, mean
from assay.market.features.family import Family

candle = Family("candle")


@candle.expression(unit="-1 to 1", reference="Alpha158 KMID2")
def body() -> pl.Expr:
    """Close less open, over high less low."""
    return (CLOSE - OPEN) / RANGE


@candle.expression(unit="0 to 1", reference="Alpha158 KUP2")
def upper_wick() -> pl.Expr:
    """High less the higher of open and close, over high less low."""
    return (HIGH - OPEN.clip(lower_bound=CLOSE)) / RANGE


@candle.expression(unit="0 to 1", reference="Alpha158 KLOW2")
def lower_wick() -> pl.Expr:
    """The lower of open and close less low, over high less low."""
    return (OPEN.clip(upper_bound=CLOSE) - LOW) / RANGE


@candle.expression(unit="-1 to 1", reference="Alpha158 KSFT2")
def close_location() -> pl.Expr:
    """Place of the close in its bar: -1 at the low, 1 at the high."""
    return (2 * CLOSE - HIGH - LOW) / RANGE


@candle.expression(unit="simple return", warm_up=1)
def gap() -> pl.Expr:
    """Open over the previous close, minus 1."""
    return OPEN / CLOSE.shift(1) - 1


@candle.expression(windows=(20,), unit="ratio")
def relative_range(n: int) -> pl.Expr:
    """High less low over close, over its mean of {n} bars."""
    return (RANGE / CLOSE) / mean(RANGE / CLOSE, n)
