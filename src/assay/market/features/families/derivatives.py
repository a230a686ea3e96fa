"""Derivatives: what holders of perpetual futures pay each other, and how many contracts are open."""

import math

import polars as pl

from assay.market.features.expressions import CLOSE, LOG_RETURN, VOLUME, deviation, log_change, mean, total, zscore
from assay.market.features.family import Family
from assay.market.features.warm_up import changes

derivatives = Family("derivatives")

FUNDING = pl.col("funding_rate")
CONTRACTS = pl.col("open_interest_amount")
CONTRACT_CHANGE = log_change(CONTRACTS, 1)


@derivatives.expression(unit="rate per settlement")
def funding_rate() -> pl.Expr:
    """Last known funding rate; longs pay when positive."""
    return FUNDING


@derivatives.expression(windows=(21, 90), unit="rate per settlement")
def funding_mean(n: int) -> pl.Expr:
    """Mean of the known funding rate over {n} bars."""
    return mean(FUNDING, n)


@derivatives.expression(windows=(90,), unit="standard deviations")
def funding_zscore(n: int) -> pl.Expr:
    """Known funding rate less its mean of {n} bars, in their standard deviations."""
    return zscore(FUNDING, n)


@derivatives.expression(unit="hours")
def funding_age() -> pl.Expr:
    """Hours since the funding settlement that was known."""
    return pl.col("funding_age")


@derivatives.expression(windows=(6, 30), unit="log ratio", warm_up=changes)
def open_interest_change(n: int) -> pl.Expr:
    """Log of the open interest in base units over its value {n} bars earlier."""
    return log_change(CONTRACTS, n)


@derivatives.expression(windows=(90,), unit="standard deviations")
def open_interest_zscore(n: int) -> pl.Expr:
    """Open interest in base units less its mean of {n} bars, in their standard deviations."""
    return zscore(CONTRACTS, n)


@derivatives.expression(windows=(30,), unit="standard deviations", warm_up=changes)
def open_interest_price_divergence(n: int) -> pl.Expr:
    """Change of log open interest (base units) less that of log close over {n} bars, each over its deviation."""
    gap = total(CONTRACT_CHANGE, n) / deviation(CONTRACT_CHANGE, n) - total(LOG_RETURN, n) / deviation(LOG_RETURN, n)
    return gap / math.sqrt(n)


@derivatives.expression(windows=(30,), unit="log ratio")
def open_interest_turnover(n: int) -> pl.Expr:
    """Log of the open interest in quote units over the value traded (close times volume) in {n} bars."""
    return (pl.col("open_interest_value") / total(CLOSE * VOLUME, n)).log()


@derivatives.expression(unit="hours")
def open_interest_age() -> pl.Expr:
    """Hours since the open interest that was known."""
    return pl.col("open_interest_age")
