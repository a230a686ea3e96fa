"""Calendar and session: the time of the decision, cycles as points on a circle so that the ends meet. UTC."""

import math

import polars as pl

from assay.market.features.family import Family

calendar = Family("calendar")

TIME = pl.col("time")
CLOCK = TIME.dt
WEEK = CLOCK.weekday() * (2 * math.pi / 7)
YEAR = CLOCK.month() * (2 * math.pi / 12)
MONTH = CLOCK.day() * (2 * math.pi / 31)
DAY = (CLOCK.hour() + CLOCK.minute() / 60) * (2 * math.pi / 24)
MONTH_END = CLOCK.month_end().dt.date()
QUARTER_END = TIME.dt.truncate("1q").dt.offset_by("1q").dt.offset_by("-1d").dt.date()


def _number(condition: pl.Expr) -> pl.Expr:
    return condition.cast(pl.Float64)


def _within(opens: int, closes: int) -> pl.Expr:
    """Whether the minute before the decision lies between two full hours: the bar was traded in that session."""
    hour = TIME.dt.offset_by("-1m").dt.hour()
    return _number((hour >= opens) & (hour < closes))


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


@calendar.expression(unit="-1 to 1")
def day_of_month_sin() -> pl.Expr:
    """Sine of the day of the month (1 to 31) on a circle of 31."""
    return MONTH.sin()


@calendar.expression(unit="-1 to 1")
def day_of_month_cos() -> pl.Expr:
    """Cosine of the day of the month (1 to 31) on a circle of 31."""
    return MONTH.cos()


@calendar.expression(unit="0 or 1", reference="Ariel 1987")
def turn_of_month() -> pl.Expr:
    """1 on the first three days and the last day of a month, else 0."""
    return _number((CLOCK.day() <= 3) | (TIME.dt.date() == MONTH_END))


@calendar.expression(unit="days")
def days_to_quarter_end() -> pl.Expr:
    """Days from the date of the decision to the last day of its quarter."""
    return (QUARTER_END - TIME.dt.date()).dt.total_days().cast(pl.Float64)


@calendar.expression(unit="0 or 1")
def quarter_end() -> pl.Expr:
    """1 within the last seven days of a quarter, else 0."""
    return _number((QUARTER_END - TIME.dt.date()).dt.total_days() < 7)


@calendar.expression(unit="0 or 1", intraday=True)
def weekend() -> pl.Expr:
    """1 on Saturday and Sunday, else 0."""
    return _number(CLOCK.weekday() > 5)


@calendar.expression(unit="-1 to 1", intraday=True)
def hour_sin() -> pl.Expr:
    """Sine of the time of day in hours on a circle of 24."""
    return DAY.sin()


@calendar.expression(unit="-1 to 1", intraday=True)
def hour_cos() -> pl.Expr:
    """Cosine of the time of day in hours on a circle of 24."""
    return DAY.cos()


@calendar.expression(unit="0 or 1", intraday=True)
def asian_session() -> pl.Expr:
    """1 where the minute before the decision lies between 00:00 and 08:00, else 0."""
    return _within(0, 8)


@calendar.expression(unit="0 or 1", intraday=True)
def european_session() -> pl.Expr:
    """1 where the minute before the decision lies between 07:00 and 16:00, else 0."""
    return _within(7, 16)


@calendar.expression(unit="0 or 1", intraday=True)
def american_session() -> pl.Expr:
    """1 where the minute before the decision lies between 13:00 and 22:00, else 0."""
    return _within(13, 22)
