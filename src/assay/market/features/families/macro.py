"""Macro: the volatility index and the oil price, joined as of when they were known."""

import math

import polars as pl

from assay.market.features.expressions import (
    LOG_RETURN,
    change,
    correlation,
    deviation,
    log_change,
    mean,
    variance,
    zscore,
)
from assay.market.features.family import Family
from assay.market.features.warm_up import changes

macro = Family("macro")

VIX = pl.col("vix_close")
WTI = pl.when(pl.col("wti_price") > 0).then(pl.col("wti_price"))
TRADING_DAYS = 252


@macro.expression(windows=(20, 60, 120), unit="ratio")
def vix_distance(n: int) -> pl.Expr:
    """VIX over its mean of {n} bars, minus 1."""
    return VIX / mean(VIX, n) - 1


@macro.expression(windows=(60,), unit="standard deviations")
def vix_zscore(n: int) -> pl.Expr:
    """VIX less its mean of {n} bars, in their standard deviations."""
    return zscore(VIX, n)


@macro.expression(windows=(120,), unit="0 to 1")
def vix_rank(n: int) -> pl.Expr:
    """Rank of VIX among its values of {n} bars less one half, over {n}; equal ones share their mean rank."""
    return (VIX.rolling_rank(n, "average") - 0.5) / n


@macro.expression(windows=(1, 5, 20), unit="ratio", warm_up=changes)
def vix_change(n: int) -> pl.Expr:
    """VIX over its value at lag {n}, minus 1."""
    return change(VIX, n)


@macro.expression(windows=(20,), unit="log change per bar", warm_up=changes)
def vix_volatility(n: int) -> pl.Expr:
    """Standard deviation over {n} bars of the log change of VIX."""
    return variance(log_change(VIX, 1), n).sqrt()


@macro.expression(windows=(60,), unit="-1 to 1", warm_up=changes)
def vix_return_correlation(n: int) -> pl.Expr:
    """Correlation over {n} bars of the log change of VIX and the log return."""
    return correlation(log_change(VIX, 1), LOG_RETURN, n)


@macro.expression(windows=(20, 60), unit="log ratio", warm_up=changes, reference="Bollerslev, Tauchen and Zhou 2009")
def variance_premium(n: int) -> pl.Expr:
    """Log of VIX over the standard deviation of the log returns of {n} bars (annualised with 252 bars, in percent)."""
    return (VIX / (100 * math.sqrt(TRADING_DAYS) * deviation(LOG_RETURN, n))).log()


@macro.expression(unit="hours")
def vix_age() -> pl.Expr:
    """Hours since the VIX close that was known."""
    return pl.col("vix_age")


@macro.expression(windows=(5, 20, 60), unit="ratio", warm_up=changes)
def wti_return(n: int) -> pl.Expr:
    """WTI spot price over its value at lag {n}, minus 1; null where it was not positive."""
    return change(WTI, n)


@macro.expression(windows=(60,), unit="standard deviations")
def wti_zscore(n: int) -> pl.Expr:
    """WTI spot price less its mean of {n} bars, in their standard deviations; null where one was not positive."""
    return zscore(WTI, n)


@macro.expression(windows=(20,), unit="log change per bar", warm_up=changes)
def wti_volatility(n: int) -> pl.Expr:
    """Standard deviation over {n} bars of the log change of the WTI spot price; null where one was not positive."""
    return variance(log_change(WTI, 1), n).sqrt()


@macro.expression(windows=(60,), unit="-1 to 1", warm_up=changes)
def wti_return_correlation(n: int) -> pl.Expr:
    """Correlation over {n} bars of the log change of the WTI spot price and the log return."""
    return correlation(log_change(WTI, 1), LOG_RETURN, n)


@macro.expression(unit="hours")
def wti_age() -> pl.Expr:
    """Hours since the WTI price that was known."""
    return pl.col("wti_age")
