"""How crypto data come in: bars at their closing times, funding settlements and, if there is any, open interest."""

from datetime import timedelta
from difflib import get_close_matches
from typing import Any, Literal

import polars as pl
from kedro.pipeline import Pipeline, node
from pydantic import Field

from assay.market import costs
from assay.market.errors import DataError
from assay.market.parameters import Parameters
from assay.market.plan import Learning
from assay.market.quality import Cleaned, QualityRule, clean_bars, clean_feed, stack_quarantine, summarise
from assay.market.splits import first_test_time
from assay.market.tables import EVERYONE
from assay.market.timeline import FeedRule, bar_interval, close_times, join_feeds, stamp_feed
from assay.market.trading import BacktestRule

Document = dict[str, Any]
Checked = tuple[pl.DataFrame, pl.DataFrame, Document]  # what stays, what was set aside, and counts

NOTES = (
    "Bars are known at their close; every feed is joined when it had become known.",
    "The market never closes, so a bar opens where the one before it closed: such opens are prices.",
    "The universe is whatever symbols the data hold. Whether dead symbols are missing from files is not verified "
    "(survivorship), so cross-sectional results on files are an upper bound; a mock market holds its dead symbols.",
)
LEFT_OUT = "Asked for are {}: {} bars of the data are left out."
ABSENT = "There are no rows of {} in these data: features that need them are left out."


class CryptoFeeds(Parameters):
    """When the feeds are known.

    Attributes:
        funding: Settled rates. Exchanges stamp them up to some milliseconds after the settlement; with a minute of
            latency all of them are used from the next bar on, whatever their milliseconds.
        open_interest: Snapshots whose delay is not documented: one bar is assumed.
    """

    funding: FeedRule
    open_interest: FeedRule


class CryptoIngestion(Parameters):
    """How raw crypto data become bars, feeds and a panel.

    Attributes:
        stamp: Whether ``time`` of the raw bars is the open of a bar (usual) or its close.
        interval: Length of a bar. None: the modal spacing of the times, if it is regular.
        symbols: The symbols that are looked at. None: all that there are.
        days: Only the newest so many days before the last close of these symbols are looked at. None: all.
        quality: Limits for bars and feeds.
        feeds: When the feeds are known.
    """

    stamp: Literal["open", "close"] = "open"
    interval: timedelta | None = Field(default=None, gt=timedelta(0))
    symbols: tuple[str, ...] | None = Field(default=None, min_length=1)
    days: int | None = Field(default=None, ge=1)
    quality: QualityRule
    feeds: CryptoFeeds


def clean(bars_raw: pl.DataFrame, params: CryptoIngestion) -> Checked:
    """Bars asked for, stamped with their closing time, what was set aside, and counts."""
    bars = _of_symbols(bars_raw, params, every=True)
    if params.stamp == "open":
        length = bar_interval(bars, params.interval)
        bars = bars.with_columns(time=close_times(bars["time"], length))
    bars = _of_days(bars, params)
    cleaned = clean_bars(bars, params.quality, source="crypto.bars_raw")
    return cleaned.bars, cleaned.quarantine, cleaned.checks | _asked_for(params, len(bars_raw) - len(bars))


def _of_symbols(table: pl.DataFrame, params: CryptoIngestion, *, every: bool = False) -> pl.DataFrame:
    """Rows of the symbols asked for, those without a symbol, which are faulty, and those that concern everyone."""
    if params.symbols is None or "entity" not in table.columns:
        return table
    there = table["entity"].unique().drop_nulls().sort().to_list()
    if every and (unknown := [symbol for symbol in params.symbols if symbol not in there]):
        near = {match for symbol in unknown for match in get_close_matches(symbol, there, n=3, cutoff=0.4)}
        raise DataError(
            f"symbols {', '.join(unknown)}",
            "are not in the data",
            expected=f"some of {', '.join(sorted(near) or there[:10])}",
            found=f"{len(there)} symbols",
            do="name symbols as the data do, or leave crypto.ingestion.symbols out",
        )
    return table.filter(pl.col("entity").is_in([*params.symbols, EVERYONE]).fill_null(value=True))


def _of_days(bars: pl.DataFrame, params: CryptoIngestion) -> pl.DataFrame:
    """The newest bars, and those without a time, which are faulty."""
    if params.days is None:
        return bars
    recent = pl.col("time") > pl.col("time").max() - timedelta(days=params.days)
    return bars.filter(recent.fill_null(value=True))


def _asked_for(params: CryptoIngestion, left_out: int) -> Document:
    """What was asked for and how much that leaves out; nothing when everything was."""
    symbols = [", ".join(params.symbols)] if params.symbols else []
    days = [f"the newest {params.days} days"] if params.days else []
    asked = {"asked_for": " and ".join(symbols + days), "left_out": left_out}
    return asked if symbols or days else {}


def stamp_funding(funding_raw: pl.DataFrame, bars: pl.DataFrame, params: CryptoIngestion) -> Checked:
    """Funding with the time it became known, what was set aside, and counts."""
    cleaned = clean_feed(_of_symbols(funding_raw, params), params.quality, source="crypto.funding_raw")
    return _stamped(cleaned, params.feeds.funding, bars, params)


def stamp_open_interest(open_interest_raw: pl.DataFrame, bars: pl.DataFrame, params: CryptoIngestion) -> Checked:
    """Open interest with the time it became known, what was set aside, and counts."""
    cleaned = clean_feed(_of_symbols(open_interest_raw, params), params.quality, source="crypto.open_interest_raw")
    return _stamped(cleaned, params.feeds.open_interest, bars, params)


def _stamped(cleaned: Cleaned, rule: FeedRule, bars: pl.DataFrame, params: CryptoIngestion) -> Checked:
    bar = bar_interval(bars, params.interval)
    return stamp_feed(cleaned.bars, rule, bar=bar), cleaned.quarantine, cleaned.checks


def align(
    bars: pl.DataFrame, funding: pl.DataFrame, open_interest: pl.DataFrame, params: CryptoIngestion
) -> pl.DataFrame:
    """Bars with what was known of each feed at their close."""
    return join_feeds(bars, {"funding": funding, "open_interest": open_interest}, dict(params.feeds))


def check_funding(bars: pl.DataFrame, funding: pl.DataFrame, backtest: BacktestRule, learning: Learning) -> Document:
    """How funding will be charged where the backtest trades; stops before any fit if it is required and not known."""
    tested = bars.filter(pl.col("time") >= first_test_time(bars["time"], learning.splits))
    return {"note": costs.check_funding(tested, funding, backtest.funding)}


def assess(
    panel: pl.DataFrame,
    bars_checks: Document,
    funding_checks: Document,
    open_interest_checks: Document,
    funding_terms: Document,
) -> Document:
    """What came in, what was taken out, and what to know about these data."""
    checks = {"bars": bars_checks, "funding": funding_checks, "open_interest": open_interest_checks}
    absent = [ABSENT.format(name.replace("_", " ")) for name, found in checks.items() if not found["rows_out"]]
    asked = [LEFT_OUT.format(bars_checks["asked_for"], bars_checks["left_out"])] if "asked_for" in bars_checks else []
    return summarise(panel, checks, [*NOTES, *asked, *absent, funding_terms["note"]])


def create_ingestion() -> Pipeline:
    """Raw bars, funding and open interest in; bars, feeds, panel, quarantine and quality out."""
    params, terms = "params:ingestion", ["params:backtest", "params:learning"]
    checks = ["bars_checks", "funding_checks", "open_interest_checks", "funding_terms"]
    removed = ["bars_quarantine", "funding_quarantine", "open_interest_quarantine"]
    funding = ["funding", "funding_quarantine", "funding_checks"]
    interest = ["open_interest", "open_interest_quarantine", "open_interest_checks"]
    return Pipeline(
        [
            node(clean, ["bars_raw", params], ["bars", "bars_quarantine", "bars_checks"], name="clean"),
            node(stamp_funding, ["funding_raw", "bars", params], funding, name="stamp_funding"),
            node(stamp_open_interest, ["open_interest_raw", "bars", params], interest, name="stamp_open_interest"),
            node(stack_quarantine, removed, "quarantine", name="stack_quarantine"),
            node(align, ["bars", "funding", "open_interest", params], "panel", name="align"),
            node(check_funding, ["bars", "funding", *terms], "funding_terms", name="check_funding"),
            node(assess, ["panel", *checks], "quality", name="assess"),
        ]
    )
