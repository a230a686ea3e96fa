"""Derivatives: what holders of perpetual futures pay each other, and how far these stand from their index.

The funding rate is that of the newest known settlement, its age the hours since then; both come with the panel.
"""

import polars as pl

from assay.market.features.expressions import CLOSE, LOG_RETURN, correlation, deviation, mean, total, zscore
from assay.market.features.family import Family
from assay.market.features.warm_up import changes

derivatives = Family("derivatives")

FUNDING, AGE = pl.col("funding_rate"), pl.col("funding_age")
INTERVAL = 8.0  # hours between settlements on the large venues
HOUR = 3_600_000_000  # microseconds
SETTLED_AT = pl.col("time").dt.epoch("us") / HOUR - AGE  # hours since 1970
NEWLY_SETTLED = pl.when(SETTLED_AT.diff() > 1 / 60).then(FUNDING).otherwise(0.0 * FUNDING)
BASIS = pl.col("mark_price") / pl.col("index_price") - 1


@derivatives.expression(unit="rate per settlement")
def funding_rate() -> pl.Expr:
    """Last known funding rate; longs pay when positive."""
    return FUNDING


@derivatives.expression(windows=(21, 90), unit="rate per settlement")
def funding_mean(n: int) -> pl.Expr:
    """Mean of the known funding rate over {n} bars."""
    return mean(FUNDING, n)


@derivatives.expression(window=90, unit="rate per settlement", warm_up=89)
def funding_trend_21_90() -> pl.Expr:
    """Mean of the known funding rate over 21 bars less that over 90 bars."""
    return mean(FUNDING, 21) - mean(FUNDING, 90)


@derivatives.expression(windows=(30, 90), unit="share of notional", warm_up=changes)
def funding_paid(n: int) -> pl.Expr:
    """Sum of the funding rates that became known within {n} bars (the newest one of each bar): what a long has paid."""
    return total(NEWLY_SETTLED, n)


@derivatives.expression(windows=(30, 90), unit="standard deviations")
def funding_zscore(n: int) -> pl.Expr:
    """Known funding rate less its mean of {n} bars, in their standard deviations."""
    return zscore(FUNDING, n)


@derivatives.expression(windows=(6, 21), unit="rate per settlement", warm_up=changes)
def funding_change(n: int) -> pl.Expr:
    """Known funding rate less the one known at lag {n}."""
    return FUNDING - FUNDING.shift(n)


@derivatives.expression(windows=(90,), unit="0 to 1")
def funding_positive_share(n: int) -> pl.Expr:
    """Share of {n} bars at which the known funding rate was positive."""
    return mean((FUNDING > 0).cast(pl.Float64), n)


@derivatives.expression(windows=(90,), unit="rate per settlement")
def funding_deviation(n: int) -> pl.Expr:
    """Standard deviation of the known funding rate over {n} bars; null where it stands still."""
    return deviation(FUNDING, n)


@derivatives.expression(windows=(90,), unit="-1 to 1", warm_up=changes)
def funding_return_correlation(n: int) -> pl.Expr:
    """Correlation over {n} bars of the known funding rate and the log return."""
    return correlation(FUNDING, LOG_RETURN, n)


@derivatives.expression(unit="hours")
def funding_age() -> pl.Expr:
    """Hours since the funding settlement that was known."""
    return AGE


@derivatives.expression(unit="hours")
def hours_to_funding() -> pl.Expr:
    """Hours to the next settlement, if they are eight hours apart; 0 from eight hours after the known one."""
    return (INTERVAL - AGE).clip(lower_bound=0)


@derivatives.expression(unit="ratio")
def basis() -> pl.Expr:
    """Mark price of the contract over its index, minus 1."""
    return BASIS


@derivatives.expression(windows=(30,), unit="ratio")
def basis_mean(n: int) -> pl.Expr:
    """Mean over {n} bars of the mark price over its index, minus 1."""
    return mean(BASIS, n)


@derivatives.expression(windows=(90,), unit="standard deviations")
def basis_zscore(n: int) -> pl.Expr:
    """Mark price over index less the mean of that over {n} bars, in their standard deviations."""
    return zscore(BASIS, n)


@derivatives.expression(unit="ratio")
def index_distance() -> pl.Expr:
    """Close over the index price, minus 1."""
    return CLOSE / pl.col("index_price") - 1
