"""The words that family files are written in: expressions over the rows of one entity.

A window verb looks at the last ``window`` rows, the current one included. Its value depends on these rows alone, to the
last bit; it is null while one of them is missing or infinite. Verbs may be used on each other's results.

A division by zero may give infinity or NaN here: windows recover from them, and no feature lets them out.
"""

import polars as pl

from assay.market.features.windows import window as _window

OPEN, HIGH, LOW, CLOSE, VOLUME = (pl.col(name) for name in ("open", "high", "low", "close", "volume"))
TYPICAL = (HIGH + LOW + CLOSE) / 3
RANGE = HIGH - LOW
TRUE_HIGH = pl.when(CLOSE.shift(1) > HIGH).then(CLOSE.shift(1)).otherwise(HIGH)
TRUE_LOW = pl.when(CLOSE.shift(1) < LOW).then(CLOSE.shift(1)).otherwise(LOW)
TRUE_RANGE = pl.when(CLOSE.shift(1).is_not_null()).then(TRUE_HIGH - TRUE_LOW)  # Wilder 1978; none for a first bar


def change(values: pl.Expr, bars: int) -> pl.Expr:
    """Relative change over ``bars`` rows."""
    return values / values.shift(bars) - 1


def log_change(values: pl.Expr, bars: int) -> pl.Expr:
    """Logarithmic change over ``bars`` rows."""
    return (values / values.shift(bars)).log()


def mean(values: pl.Expr, window: int) -> pl.Expr:
    """Mean of the window."""
    return _window("mean", window, values)


def linear_mean(values: pl.Expr, window: int) -> pl.Expr:
    """Mean of the window with weights that rise linearly from 1 on the oldest to ``window`` on the newest row."""
    return _window("linear_mean", window, values)


def exponential_mean(values: pl.Expr, span: int) -> pl.Expr:
    """Mean of all rows so far, with weights that fall by 1 - 2 / (span + 1) per row back.

    A missing or infinite value costs its own row. The feature is ``recursive``, its warm-up `exponential`.
    """
    return pl.when(values.is_finite()).then(values).ewm_mean(span=span, adjust=False, ignore_nulls=True)


def total(values: pl.Expr, window: int) -> pl.Expr:
    """Sum of the window."""
    return _window("total", window, values)


def variance(values: pl.Expr, window: int, *, ddof: int = 1) -> pl.Expr:
    """Variance (of a sample by default) of the window; 0 where it is flat."""
    return _window("variance", window, values, ddof=ddof)


def deviation(values: pl.Expr, window: int, *, ddof: int = 1) -> pl.Expr:
    """Standard deviation (of a sample by default) of the window, to divide by: null where it is flat."""
    return _window("deviation", window, values, ddof=ddof)


def absolute_deviation(values: pl.Expr, window: int) -> pl.Expr:
    """Mean absolute deviation from the mean of the window."""
    return _window("absolute_deviation", window, values, mean(values, window))


def zscore(values: pl.Expr, window: int) -> pl.Expr:
    """Distance from the mean of the window in its standard deviations; null where it is flat."""
    return (values - mean(values, window)) / deviation(values, window)


def skewness(values: pl.Expr, window: int) -> pl.Expr:
    """Third standardised moment of the window (population moments); null where it is flat."""
    return _window("skewness", window, values)


def kurtosis(values: pl.Expr, window: int) -> pl.Expr:
    """Fourth standardised moment of the window, minus 3 (population moments); null where it is flat."""
    return _window("kurtosis", window, values)


def covariance(x: pl.Expr, y: pl.Expr, window: int, *, ddof: int = 1) -> pl.Expr:
    """Covariance (of a sample by default) of two windows."""
    return _window("covariance", window, x, y, ddof=ddof)


def correlation(x: pl.Expr, y: pl.Expr, window: int) -> pl.Expr:
    """Pearson correlation of two windows; null where one is flat."""
    return _window("correlation", window, x, y)


def slope(values: pl.Expr, window: int) -> pl.Expr:
    """Slope per row of the least-squares line through the window."""
    return _window("slope", window, values)


def r_squared(values: pl.Expr, window: int) -> pl.Expr:
    """Share of the variance of the window that its least-squares line explains; null where it is flat."""
    return _window("r_squared", window, values)


LOG_RETURN = log_change(CLOSE, 1)
