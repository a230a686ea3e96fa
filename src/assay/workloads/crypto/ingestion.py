"""How crypto data come in: bars at their closing times, funding settlements and, if there is any, open interest."""

from datetime import timedelta
from typing import Any, Literal

import polars as pl
from kedro.pipeline import Pipeline, node
from pydantic import Field

from assay.market.parameters import Parameters
from assay.market.quality import Cleaned, QualityRule, clean_bars, clean_feed, summarise
from assay.market.timeline import FeedRule, bar_interval, close_times, join_feeds, stamp_feed

Document = dict[str, Any]

NO_OPEN_INTEREST = "There is no open interest in these data: features that need it are left out."
NO_FUNDING = "There are no funding settlements in these data: features that need them are left out."


class CryptoFeeds(Parameters):
    """When the feeds are known.

    Attributes:
        funding: Settled rates. Exchanges stamp them up to some milliseconds after the settlement; with a minute of
            latency all of them are used from the next bar on, whatever their milliseconds.
        open_interest: Snapshots whose delay is not documented: one bar is assumed.
    """

    funding: FeedRule = FeedRule(stamp="published", latency=timedelta(minutes=1), max_age=timedelta(days=2))
    open_interest: FeedRule = FeedRule(stamp="published", max_age=timedelta(days=2))


class CryptoIngestion(Parameters):
    """How raw crypto data become bars, feeds and a panel.

    Attributes:
        stamp: Whether ``time`` in the files of bars is the open of a bar (usual) or its close.
        interval: Length of a bar. None: the modal spacing of the times, if it is regular.
        quality: Limits for bars and feeds. The jump limit is wide: Dogecoin once rose by a log return of .81 in four
            hours, for good reasons.
        feeds: When the feeds are known.
    """

    stamp: Literal["open", "close"] = "open"
    interval: timedelta | None = Field(default=None, gt=timedelta(0))
    quality: QualityRule = QualityRule(max_jump=1.0)
    feeds: CryptoFeeds = CryptoFeeds()


def clean(bars_raw: pl.DataFrame, params: CryptoIngestion) -> tuple[pl.DataFrame, pl.DataFrame, Document]:
    """Bars stamped with their closing time, what was set aside, and counts."""
    if params.stamp == "open":
        length = bar_interval(bars_raw, params.interval)
        bars_raw = bars_raw.with_columns(time=close_times(bars_raw["time"], length))
    cleaned = clean_bars(bars_raw, params.quality, source="crypto.bars_raw")
    return cleaned.bars, cleaned.quarantine, cleaned.checks


def stamp_funding(
    funding_raw: pl.DataFrame, bars: pl.DataFrame, params: CryptoIngestion
) -> tuple[pl.DataFrame, Document]:
    """Funding with the time it became known, and counts."""
    cleaned = clean_feed(funding_raw, params.quality, source="crypto.funding_raw")
    return _stamped(cleaned, params.feeds.funding, bars, params)


def stamp_open_interest(
    open_interest_raw: pl.DataFrame, bars: pl.DataFrame, params: CryptoIngestion
) -> tuple[pl.DataFrame, Document]:
    """Open interest with the time it became known, and counts."""
    cleaned = clean_feed(open_interest_raw, params.quality, source="crypto.open_interest_raw")
    return _stamped(cleaned, params.feeds.open_interest, bars, params)


def _stamped(
    cleaned: Cleaned, rule: FeedRule, bars: pl.DataFrame, params: CryptoIngestion
) -> tuple[pl.DataFrame, Document]:
    bar = bar_interval(bars, params.interval)
    return stamp_feed(cleaned.bars, rule, bar=bar), cleaned.checks
