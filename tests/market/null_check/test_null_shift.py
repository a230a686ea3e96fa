"""Features moved in a circle: against a slow loop, and never so near that they know their labels."""

import datetime as dt

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.market.errors import DataError
from assay.market.null_check import shift_features, shortened

START = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
TYPES = {"entity": pl.String, "time": pl.Datetime("us", "UTC"), "number": pl.Float32}


def features(bars: int, *, late: int = 0) -> pl.DataFrame:
    """Two entities; B appears ``late`` bars after A. Each value tells its own bar and entity."""
    times = [START + dt.timedelta(hours=bar) for bar in range(bars)]
    rows = [("A", time, float(bar)) for bar, time in enumerate(times)]
    rows += [("B", time, 10_000.0 + bar) for bar, time in enumerate(times) if bar >= late]
    return pl.DataFrame(rows, schema=TYPES, orient="row")


def offsets(moved: pl.DataFrame, bars: int) -> set[int]:
    """By how many timestamps each row was moved."""
    there = (moved["time"] - START).dt.total_hours()
    return {(now - int(number) % 10_000) % bars for now, number in zip(there, moved["number"], strict=True)}


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 10_000), horizon=st.integers(1, 6), memory=st.integers(0, 400), late=st.integers(0, 50))
def test_all_rows_move_by_one_offset_far_from_labels(seed: int, horizon: int, memory: int, late: int) -> None:
    moved = shift_features(features(200, late=late), horizon=horizon, memory=memory, seed=seed)
    found = offsets(moved, 200)
    assert len(found) == 1
    (offset,) = found
    assert offset > 5 * horizon
    assert 200 - offset > 5 * horizon
    assert 200 - offset >= min(memory, 100)
    assert moved.height == 400 - late
    assert moved.equals(moved.sort("entity", "time"))


def test_every_row_is_that_of_an_earlier_time_on_the_circle() -> None:
    table = features(60, late=20)
    moved = shift_features(table, horizon=1, memory=10, seed=1)
    (offset,) = offsets(moved, 60)
    by_place = {(entity, time): number for entity, time, number in table.rows()}
    for entity, time, number in moved.rows():
        bar = int((time - START).total_seconds() // 3600)
        assert by_place[entity, START + dt.timedelta(hours=(bar - offset) % 60)] == number


def test_the_whole_range_of_offsets_is_drawn() -> None:
    found = {next(iter(offsets(shift_features(features(40), horizon=2, memory=15, seed=s), 40))) for s in range(300)}
    assert found == set(range(11, 25))


def test_a_short_history_is_refused() -> None:
    with pytest.raises(DataError, match=r"too short a history(.|\n)*found: 20"):
        shift_features(features(20), horizon=2, memory=0, seed=1)


def test_only_the_newest_timestamps_are_kept_of_tables_with_rows_by_time() -> None:
    feed = pl.DataFrame({"entity": ["*"], "event_time": [START], "available_time": [START], "x": [1.0]})
    own = {"bars": features(30), "features": features(30, late=10), "feed": feed, "audit": {"verdict": "x"}}
    found = shortened(own, 8)
    assert found["bars"].equals(features(30).filter(pl.col("time") >= START + dt.timedelta(hours=22)))
    assert found["features"].height == 16
    assert found["feed"].equals(feed)
    assert found["audit"] == own["audit"]
    assert shortened(own, None)["bars"].equals(own["bars"])
