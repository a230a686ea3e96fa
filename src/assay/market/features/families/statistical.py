"""Statistical: the shape and the memory of recent returns."""

import numpy as np
import polars as pl

from assay.market.features.expressions import CLOSE, LOG_RETURN, deviation, log_change, mean
from assay.market.features.family import Family
from assay.market.features.feature import Array
from assay.market.features.warm_up import changes
from assay.market.features.windows import correlation, lagged

statistical = Family("statistical")


@statistical.expression(windows=(60,), unit="dimensionless", warm_up=changes)
def skewness(n: int) -> pl.Expr:
    """Third standardised moment of the log returns of {n} bars (population moments)."""
    return pl.when(deviation(LOG_RETURN, n).is_not_null()).then(LOG_RETURN.rolling_skew(n))


@statistical.expression(windows=(60,), unit="dimensionless", warm_up=changes)
def kurtosis(n: int) -> pl.Expr:
    """Fourth standardised moment of the log returns of {n} bars, minus 3 (population moments)."""
    return pl.when(deviation(LOG_RETURN, n).is_not_null()).then(LOG_RETURN.rolling_kurtosis(n, min_samples=n))


@statistical.arrays(windows=(60,), unit="-1 to 1", warm_up=lambda n: n + 1)
def autocorrelation(n: int, close: Array) -> Array:
    """Correlation of the log returns of {n} bars with those one bar earlier."""
    returns = np.log(close / lagged(close, 1))
    return correlation(returns, lagged(returns, 1), n)


@statistical.expression(window=60, unit="1 for a random walk", warm_up=64, reference="Lo and MacKinlay 1988")
def variance_ratio_5_60() -> pl.Expr:
    """Variance of the last 60 log returns over 5 bars (overlapping), over 5 times that of the last 60 over 1 bar."""
    return log_change(CLOSE, 5).rolling_var(60) / (5 * deviation(LOG_RETURN, 60) ** 2)


@statistical.expression(windows=(20,), unit="0 to 1", warm_up=changes, reference="Alpha158 CNTP")
def up_share(n: int) -> pl.Expr:
    """Share of {n} bars that closed above the bar before."""
    return mean((CLOSE.diff() > 0).cast(pl.Float64), n)
