"""Market impact by the square-root law."""

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.market.errors import DataError

Floats = npt.NDArray[np.float64]

SPAN = 100  # bars; of the exponential weights of volatility and volume
LIQUIDITY = ("sigma", "usual_volume")


def liquidity(bars: pl.DataFrame) -> pl.DataFrame:
    """Measure how much a market moves and trades in one bar, by what is known when the bar closes.

    Both are exponentially weighted with a span of 100 bars over the history of the entity. The volume of a single bar
    would make a fill in a quiet one priceless.

    Args:
        bars: Bars, sorted by entity and time, with ``volume`` in units or ``quote_volume`` in the quote currency.

    Returns:
        ``bars`` with ``sigma`` (standard deviation of the log change of the close from bar to bar, flagged jumps left
        out) and ``usual_volume`` (mean notional of a bar in the quote currency). Null before they are known.

    Raises:
        DataError: There is no volume.
    """
    if "volume" not in bars.columns:
        raise DataError(
            "bars",
            "there is no volume, so impact cannot be priced",
            expected="a column volume",
            found=bars.columns,
            do="set costs.impact to null",
        )
    move = pl.col("close").log().diff()
    calm = pl.when(~pl.col("jump")).then(move) if "jump" in bars.columns else move
    worth = pl.col("volume") * pl.col("close")
    notional = pl.coalesce("quote_volume", worth) if "quote_volume" in bars.columns else worth
    return bars.with_columns(
        sigma=calm.ewm_std(span=SPAN, min_samples=2, ignore_nulls=True).forward_fill().over("entity"),
        usual_volume=notional.ewm_mean(span=SPAN, ignore_nulls=True).forward_fill().over("entity"),
    )


def impact_rate(traded: Floats, *, sigma: Floats, volume: Floats, coefficient: float) -> Floats:
    """Price the impact of trades: ``coefficient * sigma * sqrt(traded / volume)`` per unit of notional.

    The square-root law (Torre 1997; Grinold and Kahn, *Active Portfolio Management* (2000), chapter 16; Almgren et al.
    2005 measure an exponent of 0.6). It keeps its form in all time frames: sigma grows with the root of time, volume
    with time.

    Args:
        traded: Notional traded in each bar, at least 0.
        sigma: Volatility of one bar.
        volume: Usual notional of one bar, in the currency of ``traded``.
        coefficient: Impact, in volatilities, of trading as much as everybody.

    Returns:
        Cost as a share of the notional; 0 where nothing is traded, NaN where a trade cannot be priced.
    """
    share = np.divide(traded, volume, out=np.full(len(traded), np.nan), where=volume > 0)
    return np.where(traded > 0, coefficient * sigma * np.sqrt(share), 0.0)
