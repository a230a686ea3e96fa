"""Volume: how much is traded, and on which side."""

import polars as pl

from assay.market.features.expressions import (
    CLOSE,
    HIGH,
    LOG_RETURN,
    LOW,
    RANGE,
    TYPICAL,
    VOLUME,
    change,
    correlation,
    log_change,
    mean,
    total,
    zscore,
)
from assay.market.features.family import Family
from assay.market.features.warm_up import changes

volume = Family("volume")

TAKER_BUYS, TRADES = pl.col("taker_buy_volume"), pl.col("trades")
TRADE_SIZE = VOLUME / TRADES


@volume.expression(windows=(20, 60), unit="ratio", reference="Alpha158 VMA (inverse)")
def relative_volume(n: int) -> pl.Expr:
    """Volume over its mean of {n} bars."""
    return VOLUME / mean(VOLUME, n)


@volume.expression(windows=(20, 60), unit="standard deviations")
def volume_zscore(n: int) -> pl.Expr:
    """Volume less its mean of {n} bars, in their standard deviations."""
    return zscore(VOLUME, n)


@volume.expression(windows=(1, 5), unit="log ratio", warm_up=changes)
def volume_change(n: int) -> pl.Expr:
    """Log of the volume over its value at lag {n}; null where nothing was traded."""
    return log_change(VOLUME, n)


@volume.expression(window=60, unit="ratio", warm_up=59, reference="TA-Lib PVO with simple means")
def volume_cross_5_60() -> pl.Expr:
    """Mean volume of 5 bars over that of 60 bars, minus 1."""
    return mean(VOLUME, 5) / mean(VOLUME, 60) - 1


@volume.expression(windows=(20,), unit="0 to 1")
def volume_peak_share(n: int) -> pl.Expr:
    """Share of the volume of {n} bars that was traded in the busiest of them."""
    return VOLUME.rolling_max(n) / total(VOLUME, n)


@volume.expression(windows=(14, 40), unit="0 to 1", warm_up=changes, reference="TA-Lib MFI; Quong and Soudack 1989")
def money_flow(n: int) -> pl.Expr:
    """Share of the typical price times volume of {n} bars that was traded in bars whose typical price rose."""
    flow = TYPICAL.diff().sign() * TYPICAL * VOLUME
    return total(flow.clip(lower_bound=0), n) / total(flow.abs(), n)


@volume.expression(windows=(20, 60), unit="-1 to 1", reference="Chaikin money flow")
def accumulation(n: int) -> pl.Expr:
    """Sum over {n} bars of volume times the close's place in its bar (-1 low, 1 high, 0 if no range), over volume."""
    place = pl.when(RANGE == 0).then(0.0).otherwise((2 * CLOSE - HIGH - LOW) / RANGE)
    return total(place * VOLUME, n) / total(VOLUME, n)


@volume.expression(
    windows=(20, 60), unit="-1 to 1", warm_up=changes, reference="TA-Lib OBV, differenced; Granville 1963"
)
def obv_change(n: int) -> pl.Expr:
    """Change of the on-balance volume over {n} bars, over the volume of these bars."""
    return total(CLOSE.diff().sign() * VOLUME, n) / total(VOLUME, n)


@volume.expression(windows=(20,), unit="simple return per bar", warm_up=changes, reference="TA-Lib PVT, differenced")
def volume_weighted_return(n: int) -> pl.Expr:
    """Mean of the returns of {n} bars, weighted by volume (change of the price-volume trend over volume)."""
    return total(change(CLOSE, 1) * VOLUME, n) / total(VOLUME, n)


@volume.expression(windows=(13,), unit="-1 to 1", warm_up=changes, reference="Elder 1993, scaled")
def force_index(n: int) -> pl.Expr:
    """Sum over {n} bars of change of close times volume, over the sum of its sizes."""
    force = CLOSE.diff() * VOLUME
    return total(force, n) / total(force.abs(), n)


@volume.expression(
    windows=(14,), unit="squared share of price", warm_up=lambda n: 2 * n - 1, reference="Arms 1996, scaled"
)
def ease_of_movement(n: int) -> pl.Expr:
    """Mean of {n} bars of the change of the bar's middle times its range, both over close, per relative volume."""
    relative_volume = VOLUME / mean(VOLUME, n)
    return mean(((HIGH + LOW) / 2).diff() / CLOSE * (RANGE / CLOSE) / relative_volume, n)


@volume.expression(windows=(20, 60), unit="-1 to 1", reference="Alpha158 CORR without logarithm")
def price_volume_correlation(n: int) -> pl.Expr:
    """Correlation of close and volume over {n} bars."""
    return correlation(CLOSE, VOLUME, n)


@volume.expression(windows=(60,), unit="-1 to 1", warm_up=changes, reference="Karpoff 1987")
def volatility_volume_correlation(n: int) -> pl.Expr:
    """Correlation of the absolute log return and volume over {n} bars."""
    return correlation(LOG_RETURN.abs(), VOLUME, n)


@volume.expression(windows=(20, 60), unit="ratio")
def typical_vwap_distance(n: int) -> pl.Expr:
    """Close over the mean typical price of {n} bars weighted by volume, minus 1."""
    return CLOSE * total(VOLUME, n) / total(TYPICAL * VOLUME, n) - 1


@volume.expression(windows=(20, 60), unit="ratio")
def vwap_distance(n: int) -> pl.Expr:
    """Close over the volume-weighted price (quote volume over volume) of {n} bars, minus 1."""
    return CLOSE * total(VOLUME, n) / total(pl.col("quote_volume"), n) - 1


@volume.expression(unit="ratio", reference="Alpha158 VWAP0 (inverse)")
def bar_vwap_distance() -> pl.Expr:
    """Close over the bar's volume-weighted price, minus 1."""
    return CLOSE / pl.col("vwap") - 1


@volume.expression(windows=(1, 5, 20, 60), unit="-1 to 1")
def taker_imbalance(n: int) -> pl.Expr:
    """Volume bought less volume sold by takers over a window of {n}, over all volume."""
    return 2 * total(TAKER_BUYS, n) / total(VOLUME, n) - 1


@volume.expression(windows=(60,), unit="standard deviations")
def taker_share_zscore(n: int) -> pl.Expr:
    """Share of volume bought by takers less its mean of {n} bars, in their standard deviations."""
    return zscore(TAKER_BUYS / VOLUME, n)


@volume.expression(windows=(20, 60), unit="ratio")
def relative_trades(n: int) -> pl.Expr:
    """Number of trades over its mean of {n} bars."""
    return TRADES / mean(TRADES, n)


@volume.expression(windows=(20, 60), unit="ratio")
def relative_trade_size(n: int) -> pl.Expr:
    """Volume per trade over its mean of {n} bars."""
    return TRADE_SIZE / mean(TRADE_SIZE, n)
