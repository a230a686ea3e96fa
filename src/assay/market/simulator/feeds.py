"""What the venue publishes about the state: settled funding rates and snapshots of the open interest, and when."""

from datetime import timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.market.simulator.dynamics import Floats
from assay.market.simulator.paths import Paths, start_prices, stream
from assay.market.simulator.rule import MarketRule
from assay.market.tables import TIME

Mask = npt.NDArray[np.bool_]

HOURS = 8.0  # that the rates below are for, as venues quote them
RATE_MEAN, RATE_SD = 1e-4, 2e-4  # a share of the notional per eight hours
INTEREST_SD = 0.15  # of the log open interest
CONTRACTS = 2e9  # median open interest in quote units at the price of the start
PUBLISHED_AFTER = timedelta(seconds=30)
LATE_BARS, PUT_RIGHT = 4, 3  # most bars that a late fact, or a correction, takes
ERROR_SD = 0.5  # of what is first published wrong, in standard deviations of the state


def make_feeds(rule: MarketRule, paths: Paths, bars: pl.DataFrame, listed: Mask) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Funding and open interest of every listed bar, each with the time at which it became known.

    Both describe the state at the close of a bar. They become known half a minute later, so the next bar is the first
    to know them. A late fact takes up to four bars more; a fact that is put right has two rows of the same ``time``,
    the wrong one first known, the right one up to three bars later.

    Args:
        rule: Interval, shares of late facts and revisions.
        paths: With the state.
        bars: One row per listed bar, in the order of ``listed``: ``entity``, ``time`` (open) and ``close``.
        listed: Whether a symbol trades at a bar, shape (symbols, bars).

    Returns:
        Funding: ``entity, time, available_time, rate`` (a share of the notional per settlement, one per bar). Open
        interest: ``entity, time, available_time, amount`` (base units) and ``value`` (quote units).
    """
    rng = stream(rule, "feeds")
    scale = rule.interval / timedelta(hours=HOURS)
    keys = bars.select("entity", pl.col("time") + rule.interval, "close")
    interest, funding = (_told(rule, keys, paths.state[row][listed], rng) for row in (0, 1))
    rate = scale * (RATE_MEAN + RATE_SD * pl.col("state"))
    size = pl.Series("size", np.repeat(CONTRACTS / start_prices(rule), listed.sum(axis=1)))
    amount = pl.col("size") * (INTEREST_SD * pl.col("state")).exp()
    funding = funding.select("entity", "time", "available_time", rate=rate)
    interest = interest.with_columns(size.gather(interest["row"])).with_columns(amount=amount)
    value = pl.col("amount") * pl.col("close")
    return funding, interest.select("entity", "time", "available_time", "amount", value=value)


def _told(rule: MarketRule, keys: pl.DataFrame, state: Floats, rng: np.random.Generator) -> pl.DataFrame:
    """The facts with all their revisions, sorted by symbol, time and when they became known."""
    rows = len(keys)
    late = np.where(rng.random(rows) < rule.late, rng.integers(1, LATE_BARS + 1, rows), 0)
    wrong = np.flatnonzero(rng.random(rows) < rule.revisions)
    after = rng.integers(1, PUT_RIGHT + 1, rows)[wrong]
    error = ERROR_SD * rng.standard_normal(rows)[wrong]
    first = state.copy()
    first[wrong] += error
    row = np.r_[np.arange(rows), wrong]
    order = np.argsort(row, kind="stable")
    waits = np.r_[late, late[wrong] + after][order] * np.timedelta64(rule.interval)
    told = keys.select(pl.all().gather(row[order])).with_columns(
        row=pl.Series(row[order]), state=pl.Series(np.r_[first, state[wrong]][order]), wait=pl.Series(waits)
    )
    return told.with_columns(available_time=(pl.col("time") + pl.col("wait") + PUBLISHED_AFTER).cast(TIME))
