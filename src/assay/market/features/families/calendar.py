"""Calendar: the time of the decision, as points on a circle so that the ends meet. UTC."""

import math

import polars as pl

from assay.market.features.family import Family

calendar = Family("calendar")

CLOCK = pl.col("time").dt
WEEK = CLOCK.weekday() * (2 * math.pi / 7)
YEAR = CLOCK.month() * (2 * math.pi / 12)
DAY = (CLOCK.hour() + CLOCK.minute() / 60) * (2 * math.pi / 24)


@calendar.expression(unit="-1 to 1")
def weekday_sin() -> pl.Expr:
    """Sine of the weekday (Monday 1 to Sunday 7) on a circle of 7."""
    return WEEK.sin()


@calendar.expression(unit="-1 to 1")
def weekday_cos() -> pl.Expr:
    """Cosine of the weekday (Monday 1 to Sunday 7) on a circle of 7."""
    return WEEK.cos()


@calendar.expression(unit="-1 to 1")
def month_sin() -> pl.Expr:
    """Sine of the month (1 to 12) on a circle of 12."""
    return YEAR.sin()


@calendar.expression(unit="-1 to 1")
def month_cos() -> pl.Expr:
    """Cosine of the month (1 to 12) on a circle of 12."""
    return YEAR.cos()


@calendar.expression(unit="-1 to 1", intraday=True)
def hour_sin() -> pl.Expr:
    """Sine of the time of day in hours on a circle of 24."""
    return DAY.sin()


@calendar.expression(unit="-1 to 1", intraday=True)
def hour_cos() -> pl.Expr:
    """Cosine of the time of day in hours on a circle of 24."""
    return DAY.cos()
