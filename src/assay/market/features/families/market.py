"""Market: an entity against the others. Null while fewer than ``min_entities`` entities trade (see ``universe.py``)."""

import math

import polars as pl

from assay.market.features.expressions import (
    correlation,
    covariance,
    deviation,
    mean,
    total,
    variance,
    zscore,
)
from assay.market.features.family import Family
from assay.market.features.universe import OTHERS_RETURN, OTHERS_RISING, OWN_RETURN
from assay.market.features.warm_up import changes

market = Family("market")

OWN, OTHERS = pl.col(OWN_RETURN), pl.col(OTHERS_RETURN)
LOSSES = OTHERS.clip(upper_bound=0)


def _beta(returns: pl.Expr, n: int) -> pl.Expr:
    return covariance(OWN, returns, n) / deviation(returns, n) ** 2


@market.expression(windows=(1, 5, 20, 60), unit="simple return", warm_up=changes)
def others_return(n: int) -> pl.Expr:
    """Sum over a window of {n} of the equal-weight mean return of the other entities."""
    return total(OTHERS, n)


@market.expression(windows=(20, 60), unit="simple return per bar", warm_up=changes)
def others_volatility(n: int) -> pl.Expr:
    """Standard deviation over {n} bars of the equal-weight mean return of the other entities."""
    return variance(OTHERS, n).sqrt()


@market.expression(windows=(1, 5, 20, 60), unit="simple return", warm_up=changes)
def relative_return(n: int) -> pl.Expr:
    """Sum over a window of {n} of the return less the equal-weight mean return of the other entities."""
    return total(OWN - OTHERS, n)


@market.expression(windows=(20, 60), unit="standard deviations", warm_up=changes, reference="Levy 1967, per risk")
def relative_strength(n: int) -> pl.Expr:
    """Sum of return less mean return of the other entities over {n} bars, over its deviation times the root of {n}."""
    return total(OWN - OTHERS, n) / (deviation(OWN - OTHERS, n) * math.sqrt(n))


@market.expression(windows=(60, 120), unit="ratio", warm_up=changes, reference="Sharpe 1964")
def beta(n: int) -> pl.Expr:
    """Covariance over {n} bars of the return and the mean return of the other entities, over the latter's variance."""
    return _beta(OTHERS, n)


@market.expression(windows=(120,), unit="ratio", warm_up=changes, reference="Ang, Chen and Xing 2006, all bars")
def downside_beta(n: int) -> pl.Expr:
    """Beta over {n} bars to the losses of the other entities: their mean return, counted as 0 where positive."""
    return _beta(LOSSES, n)


@market.expression(windows=(60,), unit="ratio", warm_up=lambda n: n + 1, reference="Lo and MacKinlay 1990")
def lagged_beta(n: int) -> pl.Expr:
    """Beta over {n} bars to the mean return of the other entities one bar earlier."""
    return _beta(OTHERS.shift(1), n)


@market.expression(windows=(20, 60), unit="-1 to 1", warm_up=changes)
def market_correlation(n: int) -> pl.Expr:
    """Correlation over {n} bars of the return and the mean return of the other entities."""
    return correlation(OWN, OTHERS, n)


@market.expression(windows=(1, 5, 20), unit="simple return", warm_up=60, reference="Blitz, Huij and Martens 2011")
def residual_return(n: int) -> pl.Expr:
    """Sum over a window of {n} of the return, less beta of 60 bars times that of the mean return of the others."""
    return total(OWN, n) - _beta(OTHERS, 60) * total(OTHERS, n)


@market.expression(windows=(60,), unit="simple return per bar", warm_up=changes, reference="Ang et al. 2006")
def residual_volatility(n: int) -> pl.Expr:
    """Deviation of the return over {n} bars times the root of 1 less its squared correlation with the others' mean."""
    return variance(OWN, n).sqrt() * (1 - correlation(OWN, OTHERS, n) ** 2).clip(lower_bound=0).sqrt()


@market.expression(windows=(20, 60), unit="log ratio", warm_up=changes)
def relative_volatility(n: int) -> pl.Expr:
    """Log of the standard deviation of the return over {n} bars over that of the mean return of the other entities."""
    return (deviation(OWN, n) / deviation(OTHERS, n)).log()


@market.expression(windows=(20,), unit="standard deviations", warm_up=changes)
def relative_return_zscore(n: int) -> pl.Expr:
    """Return less mean return of the others, less its own mean of {n} bars, in their standard deviations."""
    return zscore(OWN - OTHERS, n)


@market.expression(unit="0 to 1", warm_up=1)
def breadth() -> pl.Expr:
    """Share of the other entities whose return is positive."""
    return pl.col(OTHERS_RISING)


@market.expression(windows=(5, 20), unit="0 to 1", warm_up=changes)
def breadth_mean(n: int) -> pl.Expr:
    """Mean over {n} bars of the share of the other entities whose return is positive."""
    return mean(pl.col(OTHERS_RISING), n)
