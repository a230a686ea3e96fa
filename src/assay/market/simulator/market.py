"""Raw tables of a mock market, as a venue would publish them, and the truth behind them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.market.simulator.dynamics import ar1
from assay.market.simulator.feeds import make_feeds
from assay.market.simulator.paths import Paths, draw, start_prices, stream
from assay.market.simulator.rule import MarketRule
from assay.market.tables import KEY, PRICES, TIME

Mask = npt.NDArray[np.bool_]

LISTED_AFTER, DELISTED_AFTER = 0.15, 0.75  # share of the history
HOLE, LONGEST_HOLE = 3, 12  # bars: mean and most
TURNOVER = 3e7  # median value traded in a bar, in quote units
MOVED, BUSIER, RESTLESS = 0.35, 0.4, 0.3  # log volume: per |return| in volatilities, by regime, and noise
VOLUME_MEMORY = 0.8
TAKERS, TAKERS_NOISE = 0.08, 0.03  # how far takers lean to the side of the move
TRADE = 2_000.0  # quote units of an average trade
VOLUMES = ("volume", "quote_volume", "trades", "taker_buy_volume")


@dataclass(frozen=True)
class Market:
    """A mock market.

    Attributes:
        rule: What it was made of.
        bars: One row per symbol and bar: ``entity, time`` (OPEN of the bar), ``open, high, low, close, volume``,
            ``quote_volume, trades, taker_buy_volume``. Sorted.
        funding: See ``make_feeds``; one settlement per bar.
        open_interest: See ``make_feeds``; one snapshot per bar.
        truth: One row per symbol and bar, which nobody sees: ``entity, time`` (CLOSE of the bar), ``signal`` (known
            then), ``volatility`` of the next bar, and ``expected`` log return of the next bar.
        paths: Everything behind it, on the whole grid of symbols and bars.
        listed: Where a bar of that grid exists.
    """

    rule: MarketRule
    bars: pl.DataFrame
    funding: pl.DataFrame
    open_interest: pl.DataFrame
    truth: pl.DataFrame
    paths: Paths
    listed: Mask


def simulate(rule: MarketRule) -> Market:
    """Make a market.

    Prices are geometric and trade around the clock: a bar opens where the one before it closed. High and low are the
    extremes of a Brownian bridge between open and close (exact for each side, their joint law is approximate): with
    U uniform, the maximum of a bridge from a to b is ``(a + b + sqrt((b - a)^2 - 2 s^2 ln U)) / 2``.

    Args:
        rule: Size, processes, signal and faults.
    """
    paths, listed = draw(rule), _listed(rule)
    keys = _keys(rule, listed)
    bars = keys.with_columns(_prices(rule, paths, listed)).with_columns(_volumes(rule, paths, listed))
    bars = bars.with_columns(
        volume=pl.col("quote_volume") / ((pl.col("open") + pl.col("close")) / 2),
        trades=(pl.col("quote_volume") / TRADE).ceil(),
    ).with_columns(taker_buy_volume=pl.col("volume") * pl.col("bought"))
    bars = bars.select(*KEY, *PRICES, *VOLUMES)
    funding, interest = make_feeds(rule, paths, bars, listed)
    there = ~_missing(rule)
    seen, truth = pl.Series(there[listed]), _truth(rule, paths, keys, listed)
    return Market(rule, bars.filter(seen), funding, interest, truth.filter(seen), paths, listed & there)


def _listed(rule: MarketRule) -> Mask:
    """Whether a symbol is traded, shape (symbols, bars)."""
    listed = np.ones((rule.symbols, rule.bars), dtype=np.bool_)
    late = rule.symbols - rule.listings
    listed[late:, : int(LISTED_AFTER * rule.bars)] = False
    listed[late - rule.delistings : late, int(DELISTED_AFTER * rule.bars) :] = False
    return listed


def _missing(rule: MarketRule) -> Mask:
    """Whether a bar lies in a hole, shape (symbols, bars)."""
    missing = np.zeros((rule.symbols, rule.bars), dtype=np.bool_)
    if rule.gaps:
        rng = stream(rule, "universe")
        starts, lengths = rng.random(missing.shape) < rule.gaps / HOLE, rng.geometric(1 / HOLE, missing.shape)
        for back in range(LONGEST_HOLE):
            missing[:, back:] |= (starts & (lengths > back))[:, : rule.bars - back]
    return missing


def _keys(rule: MarketRule, listed: Mask) -> pl.DataFrame:
    names = pl.Series("entity", np.repeat(rule.names, rule.bars)[listed.ravel()], dtype=pl.String)
    start, step = np.datetime64(rule.start.replace(tzinfo=None), "us"), np.timedelta64(rule.interval)
    grid = np.broadcast_to(start + step * np.arange(rule.bars), listed.shape)
    return pl.DataFrame([names, pl.Series("time", grid[listed]).dt.replace_time_zone("UTC").cast(TIME)])


def _prices(rule: MarketRule, paths: Paths, listed: Mask) -> list[pl.Series]:
    rng = stream(rule, "bars")
    close = np.log(start_prices(rule))[:, None] + np.cumsum(paths.returns, axis=1)
    start, end = (close - paths.returns)[listed], close[listed]
    variance = (paths.volatility(rule)[listed]) ** 2
    reach = [np.sqrt((end - start) ** 2 - 2 * variance * np.log1p(-rng.random(len(end)))) for _ in range(2)]
    logs = {
        "open": start,
        "high": (start + end + reach[0]) / 2,
        "low": (start + end - reach[1]) / 2,
        "close": end,
    }
    return [pl.Series(name, np.exp(log)) for name, log in logs.items()]


def _volumes(rule: MarketRule, paths: Paths, listed: Mask) -> list[pl.Series]:
    """Value traded in quote units, and the share of it that takers bought."""
    rng = stream(rule, "bars").spawn(1)[0]
    news = np.sqrt(1 - VOLUME_MEMORY**2) * rng.standard_normal(paths.returns.shape)
    restless = ar1(news, VOLUME_MEMORY, rng.standard_normal(rule.symbols))
    move = paths.returns / paths.volatility(rule)
    log_volume = MOVED * np.abs(move) + BUSIER * paths.regime + RESTLESS * restless + paths.season
    bought = 0.5 + TAKERS * np.tanh(move) + TAKERS_NOISE * rng.standard_normal(move.shape)
    return [
        pl.Series("quote_volume", TURNOVER * np.exp(log_volume[listed])),
        pl.Series("bought", np.clip(bought[listed], 0, 1)),
    ]


def _truth(rule: MarketRule, paths: Paths, keys: pl.DataFrame, listed: Mask) -> pl.DataFrame:
    """Nothing is known of the bar after the last one."""
    ahead = np.roll(paths.volatility(rule), -1, axis=1)
    ahead[:, -1] = np.nan
    columns = {"signal": paths.signal, "volatility": ahead, "expected": rule.ic * ahead * paths.signal}
    found = [pl.Series(name, values[listed]).fill_nan(None) for name, values in columns.items()]
    return keys.with_columns(pl.col("time") + rule.interval, *found)
