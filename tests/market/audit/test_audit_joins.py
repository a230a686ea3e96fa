"""A6: joins that were right, and joins that used what nobody knew yet."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from assay.market.audit.joins import check_joins, violations
from assay.market.timeline import FeedRule, stamp_feed

HOUR = timedelta(hours=1)
NONE = {"unknown": 0, "early": 0, "stale": 0}
RULES = {
    "at once": FeedRule(stamp="published", latency=timedelta(0)),
    "a minute late": FeedRule(stamp="published", latency=timedelta(minutes=1)),
    "of unknown latency": FeedRule(),
    "soon forgotten": FeedRule(latency=timedelta(0), max_age=timedelta(hours=5)),
}


def feed_of(panel: pl.DataFrame, rule: FeedRule, *, wide: bool, seed: int = 0) -> pl.DataFrame:
    """Facts now and then, some of them revised later, a few of them late."""
    rng = np.random.default_rng(seed)
    keys = panel.select("time").unique() if wide else panel.select("entity", "time")
    keys = keys.sort(pl.all()).filter(pl.Series(rng.random(keys.height) < 0.3))
    shift = pl.Series(rng.integers(0, 240, keys.height)) * timedelta(minutes=1)
    raw = keys.with_columns(pl.col("time") + shift, rate=pl.Series(rng.normal(0, 1, keys.height)))
    feed = stamp_feed(raw, rule, bar=4 * HOUR)
    revised = feed.filter(pl.Series(rng.random(feed.height) < 0.2))
    delay = pl.Series(rng.integers(1, 40, revised.height)) * HOUR
    revised = revised.with_columns(pl.col("available_time") + delay, rate=pl.col("rate") + 1)
    return (
        pl.concat([feed, revised])
        .unique(["entity", "event_time", "available_time"])
        .sort("entity", "event_time", "available_time")
    )


@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("rule", RULES)
def test_honest_joins_pass(rule: str, wide: bool, market: Any, joined: Any) -> None:
    panel = market(0)
    feed = feed_of(panel, RULES[rule], wide=wide)
    assert violations(joined(panel, feed, RULES[rule]), feed, "fed") == NONE


@pytest.mark.parametrize("wide", [True, False])
def test_planted_joins_are_counted_like_a_slow_loop(wide: bool, market: Any, joined: Any) -> None:
    panel, rule = market(1, bars=150), RULES["at once"]
    feed = feed_of(panel, rule, wide=wide)
    rng = np.random.default_rng(0)
    hasty = feed.with_columns(pl.col("available_time") - pl.Series(rng.integers(0, 9, feed.height)) * HOUR)
    wrong = joined(panel, hasty.filter(pl.Series(rng.random(hasty.height) < 0.8)), rule)
    noise = pl.Series(np.where(rng.random(wrong.height) < 0.02, 1.0, 0.0))
    wrong = wrong.with_columns(pl.col("fed_rate") + noise)
    found = violations(wrong, feed, "fed")
    assert found == slowly(wrong, feed)
    assert min(found.values()) > 0


def slowly(panel: pl.DataFrame, feed: pl.DataFrame) -> dict[str, int]:
    """The same by the definition, row by row."""
    counts = dict(NONE)
    facts = feed.to_dicts()
    for row in panel.filter(pl.col("fed_age").is_not_null()).iter_rows(named=True):
        mine = [fact for fact in facts if fact["entity"] in ("*", row["entity"])]
        event = row["time"] - timedelta(microseconds=round(row["fed_age"] * 3.6e9))
        same = [fact for fact in mine if fact["event_time"] == event]
        held = [fact["available_time"] for fact in same if fact["rate"] == row["fed_rate"]]
        known = [time for time in held if time <= row["time"]]
        before = [fact for fact in mine if fact["available_time"] < row["time"]]
        newer = any(fact["event_time"] > event for fact in before)
        revised = known and any(fact["event_time"] == event and fact["available_time"] > max(known) for fact in before)
        counts["unknown"] += not held
        counts["early"] += bool(held) and not known
        counts["stale"] += bool(known) and bool(newer or revised)
    return counts


def test_a_stamp_that_is_a_bar_early_fails_and_accuses_who_reads_it(market: Any, feed: Any, joined: Any) -> None:
    told = feed(0)
    early = joined(market(0), told.with_columns(pl.col("available_time") - 4 * HOUR, pl.col("event_time")))
    record = check_joins(early, {"fed": told}, {"reader": ["close", "fed_rate"], "other": ["close", "feder"]})
    assert record.outcome == "fail"
    assert "rows used before they were known" in record.found
    assert list(record.accused) == ["reader"]


def test_a_revision_that_is_joined_to_the_past_fails(market: Any, joined: Any) -> None:
    panel, rule = market(0), RULES["at once"]
    feed = feed_of(panel, rule, wide=True)
    last = feed.unique(["entity", "event_time"], keep="last", maintain_order=True)
    first = feed.unique(["entity", "event_time"], keep="first", maintain_order=True)
    restated = last.with_columns(available_time=first["available_time"])
    assert violations(joined(panel, restated, rule), feed, "fed")["early"] > 0


def test_a_join_that_misses_news_fails(market: Any, feed: Any, joined: Any) -> None:
    told = feed(0)
    found = violations(joined(market(0), told[::2]), told, "fed")
    assert found["stale"] > 100
    assert (found["unknown"], found["early"]) == (0, 0)


def test_a_feed_without_its_table_is_incomplete(market: Any, feed: Any, joined: Any) -> None:
    panel = joined(market(0), feed(0))
    assert check_joins(panel, {}, {}).outcome == "incomplete"
    assert "fed_age" in check_joins(panel, {}, {}).found
    assert check_joins(market(0), {"fed": feed(0).clear()}, {}).outcome == "pass"
    assert check_joins(panel, {"fed": feed(0)}, {}).found.endswith("joined facts of fed were known and the newest")


def test_a_late_revision_of_an_old_event_does_not_hide_a_newer_one() -> None:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    facts = [(0, 1, 1.0), (2, 3, 2.0), (0, 4, 1.5)]  # hours of event and of availability, value
    feed = pl.DataFrame(
        [("*", start + event * HOUR, start + known * HOUR, value) for event, known, value in facts],
        schema=["entity", "event_time", "available_time", "rate"],
        orient="row",
    )
    row = {"entity": "A", "time": start + 5 * HOUR}
    assert violations(pl.DataFrame([row | {"fed_rate": 2.0, "fed_age": 3.0}]), feed, "fed") == NONE
    assert violations(pl.DataFrame([row | {"fed_rate": 1.5, "fed_age": 5.0}]), feed, "fed") == NONE | {"stale": 1}
