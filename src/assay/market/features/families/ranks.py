"""Ranks: an entity's place among all at one time. Null while fewer than ``min_entities`` have a value."""

import polars as pl

from assay.market.features.expressions import CLOSE, HIGH, LOW, VOLUME, log_change, mean, total, variance
from assay.market.features.family import Family
from assay.market.features.universe import OWN_RETURN
from assay.market.features.warm_up import changes

ranks = Family("ranks")

OWN = pl.col(OWN_RETURN)


@ranks.rank(windows=(1, 5, 20, 60), unit="0 to 1", warm_up=changes)
def return_rank(n: int) -> pl.Expr:
    """Rank among the entities of the sum of returns over a window of {n}, less one half, over their count."""
    return total(OWN, n)


@ranks.rank(windows=(20, 60), unit="0 to 1", warm_up=changes, reference="Ang et al. 2006")
def volatility_rank(n: int) -> pl.Expr:
    """Rank among the entities of the standard deviation of returns over {n} bars, less one half, over their count."""
    return variance(OWN, n).sqrt()


@ranks.rank(windows=(60,), unit="0 to 1", reference="George and Hwang 2004")
def drawdown_rank(n: int) -> pl.Expr:
    """Rank among the entities of the close over the highest high of {n} bars, less one half, over their count."""
    return CLOSE / HIGH.rolling_max(n)


@ranks.rank(windows=(20,), unit="0 to 1")
def volume_rank(n: int) -> pl.Expr:
    """Rank among the entities of volume over its mean of {n} bars, less one half, over their count."""
    return VOLUME / mean(VOLUME, n)


@ranks.rank(windows=(20,), unit="0 to 1", reference="Amihud 2002")
def illiquidity_rank(n: int) -> pl.Expr:
    """Rank among the entities of the mean over {n} bars of high over low, minus 1, per value traded.

    Less one half, over their count; the value is close times volume.
    """
    return mean((HIGH / LOW - 1) / (CLOSE * VOLUME), n)


@ranks.rank(unit="0 to 1", reference="Koijen et al. 2018")
def funding_rank() -> pl.Expr:
    """Rank among the entities of the known funding rate, less one half, over their count."""
    return pl.col("funding_rate")


@ranks.rank(windows=(30,), unit="0 to 1", warm_up=changes)
def open_interest_change_rank(n: int) -> pl.Expr:
    """Rank among the entities of the log change of open interest (base units) over {n} bars, less half, over count."""
    return log_change(pl.col("open_interest_amount"), n)
