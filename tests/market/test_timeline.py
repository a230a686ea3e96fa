from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from assay.market.errors import ConfigurationError, DataError
from assay.market.timeline import FeedRule, bar_interval, close_times, join_feeds, session_closes, stamp_feed

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
NOW = FeedRule(latency=timedelta(0))
NEW_YORK = ZoneInfo("America/New_York")
OPEN, CLOSE = time(9, 30), time(16)


def at(hour: float, day: int = 1) -> datetime:
    return datetime(2024, 1, day, tzinfo=UTC) + hour * HOUR


def bars(*hours: float, entity: str = "A") -> pl.DataFrame:
    frame = pl.DataFrame({"entity": [entity] * len(hours), "time": [at(h) for h in hours]})
    return frame.cast({"time": pl.Datetime("us", "UTC")})


def feed(*facts: tuple[float, float, float], entity: str = "*") -> pl.DataFrame:
    """Facts as (event hour, available hour, value)."""
    rows = [(entity, at(event), at(known), value) for event, known, value in facts]
    schema = {
        "entity": pl.String,
        "event_time": pl.Datetime("us", "UTC"),
        "available_time": pl.Datetime("us", "UTC"),
        "v": pl.Float64,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def values(panel: pl.DataFrame) -> list[float | None]:
    return panel["f_v"].to_list()


# --- sessions ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("session", "close"),
    [
        (date(2015, 11, 27), datetime(2015, 11, 27, 18, tzinfo=UTC)),  # day after Thanksgiving: 13:00 in New York
        (date(2016, 7, 5), datetime(2016, 7, 5, 20, tzinfo=UTC)),  # summer time
        (date(2024, 3, 8), datetime(2024, 3, 8, 21, tzinfo=UTC)),  # last winter session before the clocks change
        (date(2024, 3, 11), datetime(2024, 3, 11, 20, tzinfo=UTC)),
        (date(2024, 11, 1), datetime(2024, 11, 1, 20, tzinfo=UTC)),
        (date(2024, 11, 4), datetime(2024, 11, 4, 21, tzinfo=UTC)),
    ],
)
def test_a_session_closes_at_its_own_time(session: date, close: datetime) -> None:
    assert session_closes(pl.Series("date", [session])).to_list() == [close]


def test_sessions_keep_their_order_their_repeats_and_their_gaps() -> None:
    dates = [date(2016, 7, 5), None, date(2015, 11, 27), date(2016, 7, 5)]
    closes = session_closes(pl.Series("date", dates))
    assert [None if c is None else c.date() for c in closes] == dates


def test_sessions_that_are_all_unknown_stay_so() -> None:
    assert session_closes(pl.Series("date", [None], dtype=pl.Date)).to_list() == [None]


def test_another_calendar_closes_at_another_time() -> None:
    london = session_closes(pl.Series("date", [date(2016, 7, 5)]), "XLON")
    assert london.to_list() == [datetime(2016, 7, 5, 15, 30, tzinfo=UTC)]


def test_a_day_without_trading_is_an_error() -> None:
    days = pl.Series("date", [date(2015, 11, 26), date(2015, 11, 27), date(2015, 11, 28)])
    with pytest.raises(
        DataError, match=r"'date': 2 dates are no sessions of XNYS\n.*\n  found: 2015-11-26, 2015-11-28"
    ):
        session_closes(days)


def test_an_unknown_calendar_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="calendar 'NYSEX': unknown"):
        session_closes(pl.Series("date", [date(2015, 11, 27)]), "NYSEX")


# --- bars -------------------------------------------------------------------------------------------------------------


def test_a_bar_is_known_when_it_ends() -> None:
    assert close_times(bars(0, 4)["time"], 4 * HOUR).to_list() == [at(4), at(8)]


def test_the_length_of_a_bar_is_the_usual_spacing() -> None:
    hours = [*range(0, 40, 4), 36, 60, *range(64, 120, 4)]  # a repeat and a gap, and not in order
    frame = pl.concat([bars(*hours[::-1]), bars(0, 4, 8, entity="B"), bars(2, entity="C")])
    assert bar_interval(frame) == 4 * HOUR


def test_a_declared_length_is_used_as_it_is() -> None:
    assert bar_interval(bars(0, 1, 2), 4 * HOUR) == 4 * HOUR
    assert bar_interval(bars(0), HOUR) == HOUR


def test_a_declared_length_may_not_show_the_future_of_longer_bars() -> None:
    mixed = pl.concat([bars(0, 1, 2), bars(0, 4, 8, entity="B")])
    with pytest.raises(
        DataError, match=r"bars, declared 'interval': is shorter .*\n.*\n  found: 1:00:00 .*; B 4:00:00\n"
    ):
        bar_interval(mixed, HOUR)
    assert bar_interval(mixed, 4 * HOUR) == 4 * HOUR


@pytest.mark.parametrize(
    ("frame", "found"),
    [
        (pl.concat([bars(0, 1, 2), bars(0, 4, 8, entity="B")]), r"1:00:00 between 2 pairs, 4:00:00 between 2 pairs"),
        (bars(*range(0, 40, 4), *range(40, 60)), r"1:00:00 between 19 pairs"),
        (bars(0), "no entity with two bars"),
    ],
    ids=["entities differ", "history differs", "one bar"],
)
def test_bars_of_several_lengths_are_an_error(frame: pl.DataFrame, found: str) -> None:
    with pytest.raises(DataError, match=rf"bars: the length of a bar cannot be inferred\n.*\n  found: {found}"):
        bar_interval(frame)


# --- stamps -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "event", "known"),
    [
        (FeedRule(stamp="event_end", latency=timedelta(0)), 0, 0),
        (FeedRule(stamp="event_end", latency=2 * HOUR), 0, 2),
        (FeedRule(stamp="event_start", interval=8 * HOUR, latency=HOUR), 8, 9),
        (FeedRule(stamp="published", latency=HOUR), 0, 1),
        (FeedRule(stamp="event_end", interval=8 * HOUR, latency=HOUR), 0, 1),
        (FeedRule(stamp="published"), 0, 4),  # unknown latency: one bar
        (FeedRule(stamp="event_start", interval=8 * HOUR), 8, 12),
    ],
)
def test_a_fact_is_dated_by_its_rule(rule: FeedRule, event: float, known: float) -> None:
    stamped = stamp_feed(pl.DataFrame({"time": [at(0)], "v": [1.0]}), rule, bar=4 * HOUR)
    assert stamped.row(0) == ("*", at(event), at(known), 1.0)
    assert stamped.columns == ["entity", "event_time", "available_time", "v"]


@pytest.mark.parametrize(
    ("day", "rule", "known"),
    [
        (date(2014, 7, 2), FeedRule(latency_sessions=1), date(2014, 7, 3)),
        (date(2014, 7, 3), FeedRule(latency_sessions=1), date(2014, 7, 7)),  # Independence Day, weekend
        (date(2014, 7, 3), FeedRule(latency_sessions=2), date(2014, 7, 8)),
        (date(2014, 7, 4), FeedRule(latency_sessions=1), date(2014, 7, 7)),
        (date(2014, 7, 9), FeedRule(latency_business_days=5), date(2014, 7, 16)),
        (date(2014, 7, 2), FeedRule(latency_business_days=5), date(2014, 7, 10)),  # a holiday in between
        (date(2013, 10, 7), FeedRule(latency_business_days=5), date(2013, 10, 15)),  # Columbus Day: open
        (date(2014, 4, 11), FeedRule(latency_business_days=5), date(2014, 4, 21)),  # Good Friday: closed
        (date(2014, 7, 5), FeedRule(latency_business_days=1), date(2014, 7, 8)),  # dated on a Saturday
    ],
)
def test_a_daily_value_is_known_at_a_later_open(day: date, rule: FeedRule, known: date) -> None:
    stamped = stamp_feed(pl.DataFrame({"date": [day], "v": [1.0]}), rule, bar=DAY)
    event, opening = datetime.combine(day, CLOSE, NEW_YORK), datetime.combine(known, OPEN, NEW_YORK)
    assert stamped.row(0) == ("*", event.astimezone(UTC), opening.astimezone(UTC), 1.0)


def test_the_calendar_of_a_daily_value_counts() -> None:
    rule = FeedRule(latency_sessions=1, calendar="XLON")
    stamped = stamp_feed(pl.DataFrame({"date": [date(2014, 7, 3)], "v": [1.0]}), rule, bar=DAY)
    assert stamped["available_time"].item() == datetime(2014, 7, 4, 7, tzinfo=UTC)


def test_what_the_source_knows_about_publication_is_kept() -> None:
    raw = pl.DataFrame({"entity": ["A"], "time": [at(0)], "available_time": [at(7)], "v": [1.0]})
    assert stamp_feed(raw, NOW, bar=HOUR).row(0) == ("A", at(0), at(7), 1.0)


@pytest.mark.parametrize("rule", [NOW, FeedRule(latency_sessions=1)])
def test_a_feed_without_the_column_that_its_rule_needs_is_an_error(rule: FeedRule) -> None:
    with pytest.raises(DataError, match=f"feed: no column '{'date' if rule.daily else 'time'}'"):
        stamp_feed(pl.DataFrame({"v": [1.0]}), rule, bar=HOUR)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"stamp": "event_start"}, "event_start needs an interval"),
        ({"latency": "PT1H", "latency_sessions": 1}, "give only one of latency"),
        ({"latency": "-PT1H"}, "greater than or equal to 0"),
        ({"latency_sessions": 0}, "greater than or equal to 1"),
        ({"max_age": 0}, "greater than 0"),
        ({"latencies": 1}, "Extra inputs"),
    ],
)
def test_a_rule_that_means_nothing_is_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        FeedRule.model_validate(wrong)


# --- joins ------------------------------------------------------------------------------------------------------------


def test_a_fact_joins_from_the_first_decision_after_it_was_known() -> None:
    panel = join_feeds(bars(1, 2, 3, 9), {"f": feed((0, 1.5, 7), (2.5, 4, 8))}, {"f": NOW})
    assert values(panel) == [None, 7, 7, 8]
    assert panel["f_age"].to_list() == [None, 2, 3, 6.5]


@pytest.mark.parametrize(("rule", "expected"), [(NOW, 7), (FeedRule(latency_sessions=1), 7), (FeedRule(), None)])
def test_a_tie_joins_only_when_the_latency_is_declared(rule: FeedRule, expected: float | None) -> None:
    assert values(join_feeds(bars(2), {"f": feed((1, 2, 7))}, {"f": rule})) == [expected]


def test_a_late_revision_of_an_older_event_displaces_nothing() -> None:
    facts = feed((0, 1, 10), (4, 5, 20), (0, 6, 11), (4, 8, 21))
    assert values(join_feeds(bars(2, 5, 6, 7, 8), {"f": facts}, {"f": NOW})) == [10, 20, 20, 20, 21]


def test_of_several_facts_that_arrive_together_the_newest_counts() -> None:
    assert values(join_feeds(bars(9), {"f": feed((3, 8, 3), (5, 8, 5), (4, 8, 4))}, {"f": NOW})) == [5]


def test_an_old_fact_is_absent_after_its_limit() -> None:
    panel = join_feeds(bars(2, 3, 4), {"f": feed((0, 1, 7))}, {"f": FeedRule(latency=timedelta(0), max_age=3 * HOUR)})
    assert values(panel) == [7, 7, None]
    assert panel["f_age"].to_list() == [2, 3, None]


def test_an_entity_sees_its_own_facts_and_those_of_the_market() -> None:
    frame = pl.concat([bars(2, entity="B"), bars(2, entity="A")])
    own = pl.concat([feed((1, 1, 5), entity="B"), feed((1, 1, 6), entity="C")])
    panel = join_feeds(frame, {"f": own, "m": feed((1, 1, 9))}, {"f": NOW, "m": NOW})
    assert panel.select("entity", "f_v", "m_v").rows() == [("A", None, 9), ("B", 5, 9)]


def test_a_feed_without_rows_adds_no_columns() -> None:
    frame = bars(1, 2)
    assert join_feeds(frame, {"f": feed()}, {"f": NOW}).equals(frame)


def test_a_feed_is_of_the_market_or_of_entities() -> None:
    both = pl.concat([feed((1, 1, 5), entity="A"), feed((1, 1, 6))])
    with pytest.raises(DataError, match=r"feed 'f': mixes market-wide facts.*\n.*\n  found: \['\*', 'A'\]"):
        join_feeds(bars(1), {"f": both}, {"f": NOW})


def test_a_feed_about_other_entities_is_not_left_out_in_silence() -> None:
    strange = feed((1, 1, 5), entity="A/B")
    with pytest.raises(
        DataError, match=r"feed 'f': is about none of .*\n  expected: some of A\n  found: A/B\n  what to do"
    ):
        join_feeds(bars(1), {"f": strange}, {"f": NOW})
    join_feeds(bars(1), {"f": pl.concat([strange, feed((1, 1, 5), entity="A")])}, {"f": NOW})


def slow_join(times: Sequence[int], facts: Sequence[tuple[int, int, int]], rule: FeedRule) -> list[float | None]:
    """Every decision looks at every fact: (event, known, value)."""
    found: list[float | None] = []
    for now in times:
        known = [fact for fact in facts if fact[1] < now or (rule.ties and fact[1] == now)]
        event, _, value = max(known, default=(None, None, None))  # newest event, in its newest revision
        fresh = event is not None and (rule.max_age is None or (now - event) * HOUR <= rule.max_age)
        found.append(value if fresh else None)
    return found


hour = st.integers(0, 12)
facts_of_one = st.lists(st.tuples(hour, hour), unique=True, max_size=12)


@settings(deadline=None, max_examples=60)
@given(
    facts=st.fixed_dictionaries({"A": facts_of_one, "B": facts_of_one}),
    times=st.lists(hour, unique=True, min_size=1),
    latency=st.sampled_from([None, timedelta(0)]),
    max_age=st.sampled_from([None, 3 * HOUR]),
)
def test_joins_agree_with_a_slow_loop(
    facts: dict[str, list[tuple[int, int]]], times: list[int], latency: timedelta | None, max_age: timedelta | None
) -> None:
    rule = FeedRule(latency=latency, max_age=max_age)
    numbered = {name: [(e, k, n) for n, (e, k) in enumerate(found)] for name, found in facts.items()}
    table = pl.concat([feed(*found, entity=name) for name, found in numbered.items()])
    if table.is_empty():
        return
    frame = pl.concat([bars(*times, entity=name) for name in numbered])
    panel = join_feeds(frame, {"f": table.reverse()}, {"f": rule})
    for name, found in numbered.items():
        assert values(panel.filter(pl.col("entity") == name)) == slow_join(sorted(times), found, rule)
