"""Open interest: how many contracts are open, whether that confirms the price, and how the accounts are split.

Long-short ratios are those that venues publish: of all accounts, of the largest ones, and of takers.
"""

import math

import polars as pl

from assay.market.features.expressions import (
    CLOSE,
    LOG_RETURN,
    VOLUME,
    correlation,
    deviation,
    log_change,
    mean,
    total,
    variance,
    zscore,
)
from assay.market.features.family import Family
from assay.market.features.warm_up import changes

open_interest = Family("open_interest")

CONTRACTS = pl.col("open_interest_amount")
CONTRACT_CHANGE = log_change(CONTRACTS, 1)
ACCOUNTS, LARGEST, TAKERS = (
    pl.col(name).log() for name in ("long_short_ratio", "top_long_short_ratio", "taker_long_short_ratio")
)


@open_interest.expression(windows=(1, 6, 30, 90), unit="log ratio", warm_up=changes)
def open_interest_change(n: int) -> pl.Expr:
    """Log of the open interest in base units over its value {n} bars earlier."""
    return log_change(CONTRACTS, n)


@open_interest.expression(windows=(30, 90), unit="standard deviations")
def open_interest_zscore(n: int) -> pl.Expr:
    """Open interest in base units less its mean of {n} bars, in their standard deviations."""
    return zscore(CONTRACTS, n)


@open_interest.expression(windows=(30,), unit="log change per bar", warm_up=changes)
def open_interest_volatility(n: int) -> pl.Expr:
    """Standard deviation over {n} bars of the log change of the open interest in base units."""
    return variance(CONTRACT_CHANGE, n).sqrt()


@open_interest.expression(windows=(30, 90), unit="standard deviations", warm_up=changes)
def open_interest_price_divergence(n: int) -> pl.Expr:
    """Change of log open interest (base units) less that of log close over {n} bars, each over its deviation."""
    gap = total(CONTRACT_CHANGE, n) / deviation(CONTRACT_CHANGE, n) - total(LOG_RETURN, n) / deviation(LOG_RETURN, n)
    return gap / math.sqrt(n)


@open_interest.expression(windows=(30, 90), unit="-1 to 1", warm_up=changes)
def open_interest_price_correlation(n: int) -> pl.Expr:
    """Correlation over {n} bars of the log change of the open interest (base units) and the log return."""
    return correlation(CONTRACT_CHANGE, LOG_RETURN, n)


@open_interest.expression(windows=(30,), unit="-1 to 1", warm_up=changes)
def build_up(n: int) -> pl.Expr:
    """Share of {n} bars with rising open interest and price, less the share where it rises as price falls."""
    return mean(LOG_RETURN.sign() * (CONTRACT_CHANGE > 0), n)


@open_interest.expression(windows=(30,), unit="-1 to 1", warm_up=changes)
def unwinding(n: int) -> pl.Expr:
    """Share of {n} bars with falling open interest and rising price, less the share where both fall."""
    return mean(LOG_RETURN.sign() * (CONTRACT_CHANGE < 0), n)


@open_interest.expression(windows=(30, 90), unit="log ratio")
def open_interest_turnover(n: int) -> pl.Expr:
    """Log of the open interest in quote units over the value traded (close times volume) in {n} bars."""
    return (pl.col("open_interest_value") / total(CLOSE * VOLUME, n)).log()


@open_interest.expression(windows=(30,), unit="-1 to 1", warm_up=changes)
def open_interest_volume_correlation(n: int) -> pl.Expr:
    """Correlation over {n} bars of the size of the log change of the open interest (base units) and volume."""
    return correlation(CONTRACT_CHANGE.abs(), VOLUME, n)


@open_interest.expression(unit="hours")
def open_interest_age() -> pl.Expr:
    """Hours since the open interest that was known."""
    return pl.col("open_interest_age")


@open_interest.expression(unit="log ratio")
def long_short_ratio() -> pl.Expr:
    """Log of the number of accounts that are long over those that are short."""
    return ACCOUNTS


@open_interest.expression(windows=(6,), unit="log ratio", warm_up=changes)
def long_short_change(n: int) -> pl.Expr:
    """Log of the long-short ratio of all accounts over its value at lag {n}."""
    return ACCOUNTS - ACCOUNTS.shift(n)


@open_interest.expression(windows=(90,), unit="standard deviations")
def long_short_zscore(n: int) -> pl.Expr:
    """Log of the long-short ratio of all accounts less its mean of {n} bars, in their standard deviations."""
    return zscore(ACCOUNTS, n)


@open_interest.expression(unit="log ratio")
def top_long_short_ratio() -> pl.Expr:
    """Log of the long over the short positions of the largest accounts."""
    return LARGEST


@open_interest.expression(windows=(90,), unit="standard deviations")
def top_long_short_zscore(n: int) -> pl.Expr:
    """Log of the long-short ratio of the largest accounts less its mean of {n} bars, in their standard deviations."""
    return zscore(LARGEST, n)


@open_interest.expression(unit="log ratio")
def top_to_all_ratio() -> pl.Expr:
    """Log of the long-short ratio of the largest accounts over that of all accounts."""
    return LARGEST - ACCOUNTS


@open_interest.expression(windows=(30,), unit="log ratio")
def taker_long_short_mean(n: int) -> pl.Expr:
    """Mean over {n} bars of the log of the volume bought over the volume sold by takers, as the venue publishes it."""
    return mean(TAKERS, n)
