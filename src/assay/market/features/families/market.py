"""Market: an entity against the others. Null while fewer than ``min_entities`` entities trade (see ``universe.py``)."""

import polars as pl

from assay.market.features.expressions import VOLUME, deviation, mean, total
from assay.market.features.family import Family
from assay.market.features.universe import OTHERS_RETURN, OTHERS_RISING, OWN_RETURN
from assay.market.features.warm_up import changes

market = Family("market")

OWN, OTHERS = pl.col(OWN_RETURN), pl.col(OTHERS_RETURN)


@market.expression(windows=(1, 5), unit="simple return", warm_up=changes)
def others_return(n: int) -> pl.Expr:
    """Sum over a window of {n} of the equal-weight mean return of the other entities."""
    return total(OTHERS, n)


@market.expression(windows=(1, 5, 20), unit="simple return", warm_up=changes)
def relative_return(n: int) -> pl.Expr:
    """Sum over a window of {n} of the return less the equal-weight mean return of the other entities."""
    return total(OWN - OTHERS, n)


@market.expression(windows=(60,), unit="ratio", warm_up=changes, reference="Sharpe 1964")
def beta(n: int) -> pl.Expr:
    """Covariance over {n} bars of the return and the mean return of the other entities, over the latter's variance."""
    return pl.rolling_cov(OWN, OTHERS, window_size=n, min_samples=n) / deviation(OTHERS, n) ** 2


@market.expression(unit="0 to 1", warm_up=1)
def breadth() -> pl.Expr:
    """Share of the other entities whose return is positive."""
    return pl.col(OTHERS_RISING)


@market.rank(windows=(1, 20), unit="0 to 1", warm_up=changes)
def return_rank(n: int) -> pl.Expr:
    """Rank among the entities of the sum of returns over a window of {n}, less one half, over their count."""
    return total(OWN, n)


@market.rank(windows=(20,), unit="0 to 1")
def volume_rank(n: int) -> pl.Expr:
    """Rank among the entities of volume over its mean of {n} bars, less one half, over their count."""
    return VOLUME / mean(VOLUME, n)
