"""Macro: the volatility index and the oil price, joined as of when they were known."""

import math

import polars as pl

from assay.market.features.expressions import LOG_RETURN, change, deviation, mean
from assay.market.features.family import Family
from assay.market.features.warm_up import changes

macro = Family("macro")

VIX, WTI = pl.col("vix_close"), pl.col("wti_price")
TRADING_DAYS = 252


@macro.expression(windows=(20, 60), unit="ratio")
def vix_distance(n: int) -> pl.Expr:
    """VIX over its mean of {n} bars, minus 1."""
    return VIX / mean(VIX, n) - 1


@macro.expression(windows=(1, 5), unit="ratio", warm_up=changes)
def vix_change(n: int) -> pl.Expr:
    """VIX over its value at lag {n}, minus 1."""
    return change(VIX, n)


@macro.expression(windows=(20,), unit="log ratio", warm_up=changes, reference="Bollerslev, Tauchen and Zhou 2009")
def variance_premium(n: int) -> pl.Expr:
    """Log of VIX over the standard deviation of the log returns of {n} bars (annualised with 252 bars, in percent)."""
    return (VIX / (100 * math.sqrt(TRADING_DAYS) * deviation(LOG_RETURN, n))).log()


@macro.expression(unit="hours")
def vix_age() -> pl.Expr:
    """Hours since the VIX close that was known."""
    return pl.col("vix_age")


@macro.expression(windows=(5, 20), unit="ratio", warm_up=changes)
def wti_return(n: int) -> pl.Expr:
    """WTI spot price over its value at lag {n}, minus 1; null where it was not positive."""
    positive = pl.when(WTI > 0).then(WTI)
    return change(positive, n)


@macro.expression(unit="hours")
def wti_age() -> pl.Expr:
    """Hours since the WTI price that was known."""
    return pl.col("wti_age")
