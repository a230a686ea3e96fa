"""The words that family files are written in: polars expressions over the rows of one entity.

A division by zero may give infinity or NaN here: polars' windows recover from them, and no feature lets them out.
"""

import polars as pl

OPEN, HIGH, LOW, CLOSE, VOLUME = (pl.col(name) for name in ("open", "high", "low", "close", "volume"))
TYPICAL = (HIGH + LOW + CLOSE) / 3
RANGE = HIGH - LOW
FLAT = 1e-9  # spread of a window, as a share of its mean, below which it is rounding noise


def change(values: pl.Expr, bars: int) -> pl.Expr:
    """Relative change over ``bars`` rows."""
    return values / values.shift(bars) - 1


def log_change(values: pl.Expr, bars: int) -> pl.Expr:
    """Logarithmic change over ``bars`` rows."""
    return (values / values.shift(bars)).log()


def mean(values: pl.Expr, window: int) -> pl.Expr:
    """Mean of the last ``window`` rows; null while one of them is missing."""
    return values.rolling_mean(window)


def total(values: pl.Expr, window: int) -> pl.Expr:
    """Sum of the last ``window`` rows; null while one of them is missing."""
    return values.rolling_sum(window)


def deviation(values: pl.Expr, window: int, *, ddof: int = 1) -> pl.Expr:
    """Standard deviation (of a sample by default) of the last ``window`` rows; null where the window is flat."""
    spread = values.rolling_std(window, ddof=ddof)
    return pl.when(spread > FLAT * mean(values, window).abs()).then(spread)


def zscore(values: pl.Expr, window: int) -> pl.Expr:
    """Distance from the mean of the last ``window`` rows in their standard deviations; null where they are flat."""
    return (values - mean(values, window)) / deviation(values, window)


LOG_RETURN = log_change(CLOSE, 1)
