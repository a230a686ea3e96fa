"""Liquidity: what trading moves and costs, estimated from bars."""

import math

import polars as pl

from assay.market.features.expressions import (
    CLOSE,
    HIGH,
    LOG_RETURN,
    LOW,
    VOLUME,
    covariance,
    mean,
    variance,
    zscore,
)
from assay.market.features.family import Family
from assay.market.features.warm_up import changes

liquidity = Family("liquidity")

PRICE_IMPACT = LOG_RETURN.abs() / (CLOSE * VOLUME)
MIDDLE = (HIGH.log() + LOW.log()) / 2
TAKER_FLOW = 2 * pl.col("taker_buy_volume") - VOLUME


def _slope(values: pl.Expr, flow: pl.Expr, n: int) -> pl.Expr:
    spread = variance(flow, n)
    return pl.when(spread > 0).then(covariance(values, flow, n) / spread) * mean(VOLUME, n)


def _high_low_spread() -> pl.Expr:
    """Spread of two bars, as a share of price, that explains how their ranges add up; never below zero."""
    one_bar = (HIGH / LOW).log() ** 2
    beta = one_bar + one_bar.shift(1)
    highest, lowest = pl.max_horizontal(HIGH, HIGH.shift(1)), pl.min_horizontal(LOW, LOW.shift(1))
    scale = 3 - 2 * math.sqrt(2)
    alpha = (math.sqrt(2) - 1) * beta.sqrt() / scale - ((highest / lowest).log() ** 2 / scale).sqrt()
    return pl.when(beta.is_not_null()).then((2 * (alpha.exp() - 1) / (1 + alpha.exp())).clip(lower_bound=0))


@liquidity.expression(window=20, unit="log ratio", warm_up=20, reference="Amihud 2002")
def illiquidity_5_20() -> pl.Expr:
    """Log of the mean of 5 over that of 20 bars of absolute log return per value traded (close times volume)."""
    return (mean(PRICE_IMPACT, 5) / mean(PRICE_IMPACT, 20)).log()


@liquidity.expression(window=60, unit="log ratio", warm_up=60, reference="Amihud 2002")
def illiquidity_20_60() -> pl.Expr:
    """Log of the mean of 20 over that of 60 bars of absolute log return per value traded (close times volume)."""
    return (mean(PRICE_IMPACT, 20) / mean(PRICE_IMPACT, 60)).log()


@liquidity.expression(windows=(60,), unit="standard deviations", warm_up=changes, reference="Amihud 2002")
def illiquidity_zscore(n: int) -> pl.Expr:
    """Absolute log return per value traded (close times volume) less its mean of {n} bars, in their deviations."""
    return zscore(PRICE_IMPACT, n)


@liquidity.expression(windows=(20, 60), unit="share of price", warm_up=lambda n: n + 1, reference="Roll 1984")
def roll_spread(n: int) -> pl.Expr:
    """Twice the root of minus the covariance of successive log returns over {n} bars; 0 where that is positive."""
    return 2 * (-covariance(LOG_RETURN, LOG_RETURN.shift(1), n)).clip(lower_bound=0).sqrt()


@liquidity.expression(windows=(20, 60), unit="share of price", warm_up=changes, reference="Corwin and Schultz 2012")
def corwin_schultz_spread(n: int) -> pl.Expr:
    """Mean over {n} pairs of successive bars of the spread that explains their common range; a negative one is 0."""
    return mean(_high_low_spread(), n)


@liquidity.expression(windows=(20, 60), unit="share of price", warm_up=changes, reference="Abdi and Ranaldo 2017")
def abdi_ranaldo_spread(n: int) -> pl.Expr:
    """Twice the root of the mean over {n} bars of the product of two gaps; 0 where the mean is negative.

    The gaps are those of the previous log close from the log middles (of high and low) of its bar and of the next.
    """
    before = CLOSE.log().shift(1)
    return 2 * mean((before - MIDDLE.shift(1)) * (before - MIDDLE), n).clip(lower_bound=0).sqrt()


@liquidity.expression(
    windows=(60,), unit="log return per mean volume", warm_up=changes, reference="Kyle 1985; Hasbrouck 2009"
)
def price_impact(n: int) -> pl.Expr:
    """Slope of log returns on volume signed by the change of close, over {n} bars, times mean volume."""
    return _slope(LOG_RETURN, CLOSE.diff().sign() * VOLUME, n)


@liquidity.expression(windows=(60,), unit="log return per mean volume", warm_up=changes, reference="Kyle 1985")
def taker_impact(n: int) -> pl.Expr:
    """Slope of log returns on volume bought less volume sold by takers, over {n} bars, times mean volume."""
    return _slope(LOG_RETURN, TAKER_FLOW, n)


@liquidity.expression(windows=(60,), unit="0 to 1", warm_up=changes, reference="Lesmond, Ogden and Trzcinka 1999")
def standstill_share(n: int) -> pl.Expr:
    """Share of {n} bars that closed where the bar before closed."""
    return mean((CLOSE.diff() == 0).cast(pl.Float64), n)
