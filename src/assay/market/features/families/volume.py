"""Volume and liquidity: how much is traded, on which side, and what it moves."""

import polars as pl

from assay.market.features.expressions import (
    CLOSE,
    HIGH,
    LOG_RETURN,
    LOW,
    RANGE,
    TYPICAL,
    VOLUME,
    mean,
    total,
    zscore,
)
from assay.market.features.family import Family
from assay.market.features.warm_up import changes

volume = Family("volume")

TAKER_BUYS = pl.col("taker_buy_volume")


@volume.expression(windows=(20,), unit="ratio", reference="Alpha158 VMA (inverse)")
def relative_volume(n: int) -> pl.Expr:
    """Volume over its mean of {n} bars."""
    return VOLUME / mean(VOLUME, n)


@volume.expression(windows=(60,), unit="standard deviations")
def volume_zscore(n: int) -> pl.Expr:
    """Volume less its mean of {n} bars, in their standard deviations."""
    return zscore(VOLUME, n)


@volume.expression(window=60, unit="log ratio", warm_up=60, reference="Amihud 2002")
def illiquidity_20_60() -> pl.Expr:
    """Log of the mean of 20 over that of 60 bars of absolute log return per value traded (close times volume)."""
    price_impact = LOG_RETURN.abs() / (CLOSE * VOLUME)
    return (mean(price_impact, 20) / mean(price_impact, 60)).log()


@volume.expression(windows=(14,), unit="0 to 1", warm_up=changes, reference="TA-Lib MFI; Quong and Soudack 1989")
def money_flow(n: int) -> pl.Expr:
    """Share of the typical price times volume of {n} bars that was traded in bars whose typical price rose."""
    flow = TYPICAL.diff().sign() * TYPICAL * VOLUME
    return total(flow.clip(lower_bound=0), n) / total(flow.abs(), n)


@volume.expression(windows=(20,), unit="-1 to 1", reference="Chaikin money flow")
def accumulation(n: int) -> pl.Expr:
    """Sum over {n} bars of volume times the close's place in its bar (-1 low, 1 high, 0 if no range), over volume."""
    place = pl.when(RANGE == 0).then(0.0).otherwise((2 * CLOSE - HIGH - LOW) / RANGE)
    return total(place * VOLUME, n) / total(VOLUME, n)


@volume.expression(windows=(20,), unit="-1 to 1", warm_up=changes, reference="TA-Lib OBV, differenced; Granville 1963")
def obv_change(n: int) -> pl.Expr:
    """Change of the on-balance volume over {n} bars, over the volume of these bars."""
    return total(CLOSE.diff().sign() * VOLUME, n) / total(VOLUME, n)


@volume.expression(windows=(20,), unit="ratio")
def vwap_distance(n: int) -> pl.Expr:
    """Close over the volume-weighted price (quote volume over volume) of {n} bars, minus 1."""
    return CLOSE * total(VOLUME, n) / total(pl.col("quote_volume"), n) - 1


@volume.expression(unit="ratio", reference="Alpha158 VWAP0 (inverse)")
def bar_vwap_distance() -> pl.Expr:
    """Close over the bar's volume-weighted price, minus 1."""
    return CLOSE / pl.col("vwap") - 1


@volume.expression(windows=(1, 20), unit="-1 to 1")
def taker_imbalance(n: int) -> pl.Expr:
    """Volume bought less volume sold by takers over a window of {n}, over all volume."""
    return 2 * total(TAKER_BUYS, n) / total(VOLUME, n) - 1
