import json
import math
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from assay.market.errors import DataError
from assay.market.quality import QualityRule, clean_bars, clean_feed, stack_quarantine, stale_opens, summarise
from assay.market.tables import BARS, KEY
from assay.market.timeline import FeedRule, join_feeds, stamp_feed

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
ANY = QualityRule(max_bad_share=1)
NAN, INF = math.nan, math.inf
FIELDS = ("open", "high", "low", "close", "volume")


def table(*rows: dict[str, Any]) -> pl.DataFrame:
    """Bars of 100 with a range of 90 to 110, one an hour, but for what is given."""
    usual = [
        {"entity": "A", "time": START + n * HOUR, "open": 100, "high": 110, "low": 90, "close": 100, "volume": 5}
        for n in range(len(rows))
    ]
    schema = BARS | {"time": pl.Datetime("us", "UTC")}
    schema.pop("jump")
    return pl.DataFrame([plain | row for plain, row in zip(usual, rows, strict=True)], schema=schema)


def clean(*rows: dict[str, Any], rule: QualityRule = ANY) -> Any:
    return clean_bars(table(*rows), rule, source="my bars")


# --- rows -------------------------------------------------------------------------------------------------------------


def test_good_bars_come_out_as_they_went_in() -> None:
    cleaned = clean({}, {"close": 105}, {"volume": 0})
    assert cleaned.bars.drop("jump").equals(table({}, {"close": 105}, {"volume": 0}))
    assert cleaned.bars.schema == BARS
    assert cleaned.checks == {"rows_in": 3, "rows_out": 3, "quarantined": 0, "counts": {}}


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"close": None}, "close_missing"),
        ({"close": NAN}, "close_not_finite"),
        ({"close": INF}, "close_not_finite"),
        ({"close": -INF}, "close_not_finite"),
        ({"close": 0}, "close_not_positive"),
        ({"close": -100}, "close_not_positive"),
        ({"time": None}, "time_missing"),
        ({"entity": None}, "entity_missing"),
    ],
)
def test_a_row_without_key_or_close_goes_to_quarantine(fault: dict[str, Any], reason: str) -> None:
    cleaned = clean({}, fault, {})
    assert len(cleaned.bars) == 2
    assert cleaned.quarantine["reason"].to_list() == [reason]
    assert cleaned.quarantine["source"].to_list() == ["my bars"]
    assert cleaned.quarantine.drop("reason", "source").equals(table({}, fault, {})[1:2])
    assert cleaned.counts == {reason: 1}


def test_equal_duplicates_are_dropped_and_counted() -> None:
    cleaned = clean({}, {"time": START}, {"time": START}, {"volume": NAN}, {"time": START + 3 * HOUR, "volume": NAN})
    assert len(cleaned.bars) == 2
    assert cleaned.counts == {"duplicate": 3, "volume_not_finite": 1}
    assert cleaned.quarantine.is_empty()


def test_of_contradicting_duplicates_the_first_stays() -> None:
    cleaned = clean({}, {"time": START, "close": 101}, {"time": START, "close": 102})
    assert cleaned.bars["close"].to_list() == [100]
    assert cleaned.quarantine.select("close", "reason").rows() == [
        (101, "conflicting_duplicate"),
        (102, "conflicting_duplicate"),
    ]
    assert cleaned.counts == {"conflicting_duplicate": 2}


def test_a_duplicate_of_a_row_that_is_no_bar_is_a_bar() -> None:
    cleaned = clean({"close": NAN}, {"time": START, "close": 101})
    assert cleaned.bars["close"].to_list() == [101]
    assert cleaned.counts == {"close_not_finite": 1}


def test_unsorted_rows_are_sorted_and_counted() -> None:
    rows = table({}, {}, {}, {})
    mixed = pl.concat([rows[2], rows[0], rows[1], rows[3].with_columns(entity=pl.lit("0"))])
    cleaned = clean_bars(mixed, ANY, source="my bars")
    assert cleaned.bars.select(KEY).equals(mixed.sort(KEY).select(KEY))
    assert cleaned.counts == {"unsorted": 1}


@pytest.mark.parametrize("by", ["entity", "time"])
def test_entities_may_follow_each_other_or_take_turns(by: str) -> None:
    rows = pl.concat([table({}, {}), table({"entity": "B"}, {"entity": "B"})]).sort(by, maintain_order=True)
    assert clean_bars(rows, ANY, source="my bars").counts == {}


# --- fields -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "nulls", "counts"),
    [
        ({"open": None}, ["open"], {"open_missing": 1}),
        ({"open": NAN}, ["open"], {"open_not_finite": 1}),
        ({"high": INF}, ["high"], {"high_not_finite": 1}),
        ({"low": -INF}, ["low"], {"low_not_finite": 1}),
        ({"open": 0}, ["open"], {"open_not_positive": 1}),
        ({"low": -1}, ["low"], {"low_not_positive": 1}),
        ({"volume": -1}, ["volume"], {"volume_negative": 1}),
        ({"volume": INF}, ["volume"], {"volume_not_finite": 1}),
        ({"volume": None}, ["volume"], {"volume_missing": 1}),
        ({"high": 80, "low": 120}, ["high", "low"], {"high_below_low": 1}),
        ({"high": 95}, ["high"], {"high_below_close": 1}),
        ({"low": 105}, ["low"], {"low_above_close": 1}),
        ({"open": 111}, ["open"], {"open_outside_range": 1}),
        ({"open": 89}, ["open"], {"open_outside_range": 1}),
        ({"open": 110 * (1 + 1e-12)}, [], {}),
        ({"open": NAN, "high": 0}, ["open", "high"], {"open_not_finite": 1, "high_not_positive": 1}),
    ],
)
def test_a_faulty_field_becomes_null(fault: dict[str, Any], nulls: list[str], counts: dict[str, int]) -> None:
    cleaned = clean({}, fault, {})
    assert [name for name in FIELDS if cleaned.bars[name][1] is None] == nulls
    assert cleaned.bars.null_count().sum_horizontal().item() == len(nulls)
    assert cleaned.counts == counts
    assert cleaned.quarantine.is_empty()


def test_optional_volumes_are_checked_and_other_columns_left_out() -> None:
    raw = table({}, {}).with_columns(
        trades=pl.Series([3, -1]), quote_volume=pl.Series([NAN, 2.0]), colour=pl.lit("red")
    )
    cleaned = clean_bars(raw, ANY, source="my bars")
    assert set(cleaned.bars.columns) == {*BARS, "quote_volume", "trades"}
    assert cleaned.bars.select("trades", "quote_volume").rows() == [(3, None), (None, 2)]
    assert cleaned.counts == {"trades_negative": 1, "quote_volume_not_finite": 1}


# --- jumps ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("close", "limit", "jump"), [(149, None, False), (151, None, True), (66, None, True), (151, 0.5, False)]
)
def test_an_unexplained_jump_stays_and_is_flagged(close: float, limit: float | None, jump: bool) -> None:
    rule = QualityRule(max_bad_share=1, max_jump=limit) if limit else ANY
    wide = {"high": 1000, "low": 1}
    cleaned = clean(wide, wide | {"close": close}, wide | {"close": close}, rule=rule)
    assert cleaned.bars["jump"].to_list() == [False, jump, False]
    assert cleaned.counts == ({"jump": 1} if jump else {})


def test_a_jump_is_seen_over_removed_rows_and_within_an_entity() -> None:
    wide = {"high": 1000, "low": 1}
    cleaned = clean(wide, wide | {"close": NAN}, wide | {"close": 200}, wide | {"entity": "B", "close": 900})
    assert cleaned.bars["jump"].to_list() == [False, True, False]


# --- limits and errors ------------------------------------------------------------------------------------------------


def test_past_the_limit_the_run_stops_and_says_why() -> None:
    faults = [{}] * 196 + [{"close": NAN}, {"close": 0}, {"open": -1}, {"close": NAN}]
    assert clean_bars(table(*faults), QualityRule(max_bad_share=0.02), source="my bars").checks["quarantined"] == 3
    expected = (
        r"my bars: 4 of 200 rows are faulty \(2.0%\)\n"
        r"  expected: at most 1.0% \(max_bad_share\)\n"
        r"  found: close_not_finite 2, .*; first rows: A 2024-01-09 04:00:00\+00:00 close_not_finite; "
        r"A 2024-01-09 05:00:00\+00:00 close_not_positive; A 2024-01-09 06:00:00\+00:00 open_not_positive\n"
        r"  what to do: look at these rows in the source"
    )
    with pytest.raises(DataError, match=expected):
        clean_bars(table(*faults), QualityRule(), source="my bars")


def test_missing_fields_and_equal_duplicates_are_not_held_against_a_source() -> None:
    rows = [{"open": None, "volume": None}, {"time": START, "open": None, "volume": None}]
    assert len(clean(*rows, rule=QualityRule(max_bad_share=0)).bars) == 1


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (table().clear(), "my bars: has no rows"),
        (
            table({}).drop("low", "volume"),
            r"my bars: no column low, volume\n  expected: \['entity'.*\n  found: \['entity'",
        ),
        (
            table({}).with_columns(close=pl.lit("dear")),
            r"my bars, column 'close': wrong type\n  expected: Float64\n  found: String, e.g. 'dear'",
        ),
        (table({}).with_columns(entity=pl.lit(1)), r"my bars, column 'entity': wrong type\n  expected: String"),
        (table({}).with_columns(time=pl.lit("now")), r"my bars, column 'time': wrong type\n  expected: Datetime"),
        (
            table({}).with_columns(pl.col("time").dt.replace_time_zone(None)),
            r"my bars, column 'time': wrong type\n  expected: times with a time zone\n.*\n.*timezone: UTC",
        ),
    ],
    ids=["empty", "columns", "text", "numbers", "text times", "naive"],
)
def test_a_table_of_another_shape_is_an_error(raw: pl.DataFrame, message: str) -> None:
    with pytest.raises(DataError, match=message):
        clean_bars(raw, ANY, source="my bars")


def test_times_of_other_zones_and_numbers_of_other_types_are_converted() -> None:
    raw = table({}).with_columns(
        pl.col("time").dt.convert_time_zone("Asia/Tokyo").cast(pl.Datetime("ns", "Asia/Tokyo"))
    )
    cleaned = clean_bars(raw.with_columns(pl.col("volume").cast(pl.Int32)), ANY, source="my bars")
    assert cleaned.bars.schema == BARS
    assert cleaned.bars["time"].item() == START


@pytest.mark.parametrize("wrong", [{"max_bad_share": 1.1}, {"max_jump": 0}, {"max_bad": 0.1}])
def test_an_impossible_rule_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        QualityRule.model_validate(wrong)


# --- properties -------------------------------------------------------------------------------------------------------

number = st.sampled_from([None, NAN, INF, -1.0, 0.0, 50.0, 100.0, 200.0])
row = st.fixed_dictionaries(
    {"entity": st.sampled_from(["A", "B", None]), "hour": st.integers(0, 6), **dict.fromkeys(FIELDS, number)}
)


def from_rows(rows: list[dict[str, Any]]) -> pl.DataFrame:
    return table(*({k: v for k, v in r.items() if k != "hour"} | {"time": START + r["hour"] * HOUR} for r in rows))


@settings(deadline=None, max_examples=60)
@given(st.lists(row, min_size=1, max_size=12))
def test_nothing_is_lost_and_what_stays_keeps_the_promise(rows: list[dict[str, Any]]) -> None:
    cleaned = clean_bars(from_rows(rows), ANY, source="my bars")
    assert cleaned.rows_in == len(cleaned.bars) + len(cleaned.quarantine) + cleaned.counts.get("duplicate", 0)
    kept = cleaned.bars
    assert kept.select(KEY).equals(kept.select(KEY).unique().sort(KEY))
    assert kept.select(pl.col(*FIELDS).is_finite().all()).row(0) == (True,) * 5
    assert kept.select(pl.col("open", "high", "low", "close") > 0).select(pl.all().all()).row(0) == (True,) * 4
    assert kept.filter((pl.col("high") < pl.col("low")) | (pl.col("high") < pl.col("close"))).is_empty()
    assert kept["close"].null_count() == 0


@settings(deadline=None, max_examples=60)
@given(st.lists(row, min_size=1, max_size=12), st.integers(0, 6))
def test_the_future_never_changes_a_verdict(rows: list[dict[str, Any]], hour: int) -> None:
    cut = START + hour * HOUR
    known = [r for r in rows if r["hour"] <= hour]
    if not known:
        return
    early = clean_bars(from_rows(known), ANY, source="my bars")
    late = clean_bars(from_rows(rows), ANY, source="my bars")
    for name in ("bars", "quarantine"):
        assert getattr(late, name).filter(pl.col("time") <= cut).equals(getattr(early, name))


# --- feeds ------------------------------------------------------------------------------------------------------------


def facts(*rows: tuple[float | None, ...]) -> pl.DataFrame:
    return pl.DataFrame(
        [(START + (n or 0) * HOUR, *rest) for n, *rest in rows], schema=["time", "v", "w"], orient="row"
    ).cast({"v": pl.Float64, "w": pl.Float64})


def test_a_feed_is_sorted_and_rid_of_what_says_nothing() -> None:
    raw = facts((2, 1, 1), (0, 5, 5), (0, 5, 5), (1, None, NAN), (3, NAN, 7), (4, None, None), (5, -3, None))
    cleaned = clean_feed(raw, ANY, source="my feed")
    assert cleaned.bars.select("v", "w").rows() == [(5, 5), (1, 1), (None, 7), (-3, None)]
    assert cleaned.bars["entity"].unique().to_list() == ["*"]
    assert cleaned.counts == {"unsorted": 1, "duplicate": 1, "v_not_finite": 1, "w_not_finite": 1, "empty": 2}


def test_facts_that_contradict_each_other_go_to_quarantine_and_revisions_stay() -> None:
    raw = facts((0, 1, 1), (0, 2, 1))
    assert clean_feed(raw, ANY, source="my feed").quarantine["reason"].to_list() == ["conflicting_duplicate"]
    revised = raw.with_columns(available_time=pl.Series([START, START + HOUR]))
    assert len(clean_feed(revised, QualityRule(max_bad_share=0), source="my feed").bars) == 2


def test_a_daily_feed_is_keyed_by_its_date() -> None:
    raw = pl.DataFrame({"date": [date(2024, 1, 3), date(2024, 1, 2), None], "v": [1.0, 2.0, 3.0]})
    cleaned = clean_feed(raw, ANY, source="my feed")
    assert cleaned.bars["v"].to_list() == [2, 1]
    assert cleaned.counts == {"date_missing": 1, "unsorted": 1}


def test_no_facts_at_all_are_fine() -> None:
    cleaned = clean_feed(facts(), QualityRule(), source="my feed")
    assert cleaned.checks == {"rows_in": 0, "rows_out": 0, "quarantined": 0, "counts": {}}


def test_a_feed_without_facts_has_the_columns_of_any_other() -> None:
    one = facts((0, 1, 1))
    some, none = (clean_feed(raw, ANY, source="my feed") for raw in (one, one.clear()))
    assert none.quarantine.schema == some.quarantine.schema
    assert dict(none.bars.schema) == dict(some.bars.schema)


def test_what_was_set_aside_is_stacked_with_its_source() -> None:
    bars = clean({}, {"close": NAN})
    feed = clean_feed(facts((0, 1, 1), (0, 2, 1)), ANY, source="my feed")
    daily = clean_feed(pl.DataFrame({"date": [date(2024, 1, 2), None], "v": [1.0, 2.0]}), ANY, source="my days")
    stack = stack_quarantine(bars.quarantine, feed.quarantine, daily.quarantine)
    assert stack.select("entity", "time", "date", "reason", "source", "volume", "v").rows() == [
        ("A", START + HOUR, None, "close_not_finite", "my bars", 5, None),
        ("*", START, None, "conflicting_duplicate", "my feed", None, 2),
        ("*", None, None, "date_missing", "my days", None, 2),
    ]
    assert stack.columns[:4] == ["entity", "time", "reason", "source"]


def test_a_feed_has_the_limit_of_the_bars() -> None:
    with pytest.raises(
        DataError, match=r"my feed: 1 of 2 rows are faulty.*\n.*\n.*v_not_finite 1; first rows: \* 2024"
    ):
        clean_feed(facts((0, INF, 1), (1, 2, 2)), QualityRule(), source="my feed")


def test_a_feed_of_text_is_an_error() -> None:
    with pytest.raises(DataError, match="my feed, column 'v': wrong type"):
        clean_feed(facts((0, 1, 1)).with_columns(v=pl.lit("x")), ANY, source="my feed")


# --- summaries --------------------------------------------------------------------------------------------------------


def test_stale_opens_are_counted_within_an_entity() -> None:
    closes = [{"close": 100}, {"open": 100}, {"open": 100.005}, {"open": 100.02}, {"open": None}, {"entity": "B"}]
    rows = table(*closes)
    assert stale_opens(rows) == pytest.approx(2 / 3)
    assert stale_opens(rows, tolerance_bp=3) == 1
    assert stale_opens(rows[:1]) == 0


def test_the_summary_is_ready_for_json() -> None:
    cleaned = clean({}, {}, {}, {"entity": "B"}, {"close": NAN})
    rule = FeedRule(latency=timedelta(0))
    found = clean_feed(facts((0, 1, 1), (1, 2, 2)).with_columns(entity=pl.lit("A")), ANY, source="my feed")
    panel = join_feeds(cleaned.bars, {"f": stamp_feed(found.bars, rule, bar=HOUR)}, {"f": rule})
    summary = json.loads(
        json.dumps(
            summarise(panel, {"bars": cleaned.checks, "f": found.checks, "g": found.checks}, ["mind"]), allow_nan=False
        )
    )
    assert summary["bars"] == {"rows_in": 5, "rows_out": 4, "quarantined": 1, "counts": {"close_not_finite": 1}}
    assert summary["f"] == {
        **found.checks,
        "coverage": 0.75,
        "entities_covered": 1,
        "age_hours": {"median": 0, "max": 1},
    }
    assert summary["g"] == found.checks
    assert summary["entities"] == [
        {"entity": "A", "first": "2024-01-01T00:00:00Z", "last": "2024-01-01T02:00:00Z", "rows": 3},
        {"entity": "B", "first": "2024-01-01T03:00:00Z", "last": "2024-01-01T03:00:00Z", "rows": 1},
    ]
    assert summary["notes"] == ["mind"]
