"""How equity data come in: daily bars at their session closes, and feeds that are known days later."""

from datetime import timedelta
from typing import Any

import polars as pl
from kedro.pipeline import Pipeline, node

from assay.market.parameters import Parameters
from assay.market.quality import Cleaned, QualityRule, clean_bars, clean_feed, stack_quarantine, stale_opens, summarise
from assay.market.timeline import FeedRule, join_feeds, session_closes, stamp_feed

Document = dict[str, Any]
Checked = tuple[pl.DataFrame, pl.DataFrame, Document]  # what stays, what was set aside, and counts

SESSION = timedelta(days=1)
NOTES = (
    "An index is not tradable, and its returns exclude dividends.",
    "Bars are known at the close of their New York session, half days included.",
    "VIX closes 15 minutes after the stocks, and WTI is published about five business days late: both are joined when "
    "they had become known.",
)


class EquityFeeds(Parameters):
    """When the feeds are known.

    Attributes:
        vix: Volatility index. Its close of a day comes after that of the stocks: known in the next session.
        wti: Spot price of crude oil, published about five business days after its day.
    """

    vix: FeedRule
    wti: FeedRule


class EquityIngestion(Parameters):
    """How raw equity data become bars, feeds and a panel.

    Attributes:
        calendar: Exchange calendar of the bars.
        quality: Limits for bars and feeds.
        feeds: When the feeds are known.
    """

    calendar: str = "XNYS"
    quality: QualityRule
    feeds: EquityFeeds


def clean(bars_raw: pl.DataFrame, params: EquityIngestion) -> Checked:
    """Bars stamped with the close of their session, what was set aside, and counts."""
    stamped = bars_raw.with_columns(time=session_closes(bars_raw["date"], params.calendar))
    cleaned = clean_bars(stamped, params.quality, source="equity.bars_raw")
    return cleaned.bars, cleaned.quarantine, cleaned.checks


def stamp_vix(vix_raw: pl.DataFrame, params: EquityIngestion) -> Checked:
    """VIX with the time it became known, what was set aside, and counts."""
    cleaned = clean_feed(vix_raw.rename({"value": "close"}), params.quality, source="equity.vix_raw")
    return _stamped(cleaned, params.feeds.vix)


def stamp_wti(wti_raw: pl.DataFrame, params: EquityIngestion) -> Checked:
    """WTI with the time it became known, what was set aside, and counts."""
    cleaned = clean_feed(wti_raw.rename({"value": "price"}), params.quality, source="equity.wti_raw")
    return _stamped(cleaned, params.feeds.wti)


def _stamped(cleaned: Cleaned, rule: FeedRule) -> Checked:
    return stamp_feed(cleaned.bars, rule, bar=SESSION), cleaned.quarantine, cleaned.checks


def align(bars: pl.DataFrame, vix: pl.DataFrame, wti: pl.DataFrame, params: EquityIngestion) -> pl.DataFrame:
    """Bars with what was known of each feed at their close."""
    return join_feeds(bars, {"vix": vix, "wti": wti}, dict(params.feeds))


def assess(panel: pl.DataFrame, bars_checks: Document, vix_checks: Document, wti_checks: Document) -> Document:
    """What came in, what was taken out, and what to know about these data."""
    found = summarise(panel, {"bars": bars_checks, "vix": vix_checks, "wti": wti_checks}, NOTES)
    return found | {"stale_open_share": stale_opens(panel)}


def create_ingestion() -> Pipeline:
    """Raw bars, VIX and WTI in; bars, feeds, panel, quarantine and quality out."""
    params = "params:ingestion"
    removed = ["bars_quarantine", "vix_quarantine", "wti_quarantine"]
    return Pipeline(
        [
            node(clean, ["bars_raw", params], ["bars", "bars_quarantine", "bars_checks"], name="clean"),
            node(stamp_vix, ["vix_raw", params], ["vix", "vix_quarantine", "vix_checks"], name="stamp_vix"),
            node(stamp_wti, ["wti_raw", params], ["wti", "wti_quarantine", "wti_checks"], name="stamp_wti"),
            node(stack_quarantine, removed, "quarantine", name="stack_quarantine"),
            node(align, ["bars", "vix", "wti", params], "panel", name="align"),
            node(assess, ["panel", "bars_checks", "vix_checks", "wti_checks"], "quality", name="assess"),
        ]
    )
