"""Calendar features: points on circles, and no hour of the day for daily bars."""

import calendar
import math
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from assay.market.features import engineer
from assay.market.features.feature import REGISTRY


def angle(part: float, whole: float) -> Any:
    return 2 * math.pi * part / whole


def at(panel: pl.DataFrame, time: datetime) -> Any:
    return panel.row(by_predicate=pl.col("time") == time, named=True)


def test_parts_of_a_known_moment(helpers: SimpleNamespace) -> None:
    features, _ = engineer(helpers.market_panel(entities=1, bars=40), helpers.rule("calendar"))
    row = at(features, datetime(2022, 3, 4, 16, tzinfo=UTC))  # a Friday
    expected = {
        "weekday_sin": math.sin(angle(5, 7)),
        "weekday_cos": math.cos(angle(5, 7)),
        "month_sin": math.sin(angle(3, 12)),
        "month_cos": math.cos(angle(3, 12)),
        "hour_sin": math.sin(angle(16, 24)),
        "hour_cos": math.cos(angle(16, 24)),
        "day_of_month_sin": math.sin(angle(4, 31)),
        "day_of_month_cos": math.cos(angle(4, 31)),
        "turn_of_month": 0,
        "days_to_quarter_end": 27,
        "quarter_end": 0,
        "weekend": 0,
        "asian_session": 0,
        "european_session": 1,
        "american_session": 1,
    }
    assert set(expected) == {f.name for f in REGISTRY.values() if f.family == "calendar"}
    assert {name: row[name] for name in expected} == pytest.approx(expected, abs=1e-6)


def test_half_hours_count(helpers: SimpleNamespace) -> None:
    panel = helpers.market_panel(entities=1, bars=10, every=timedelta(minutes=30))
    features, _ = engineer(panel, helpers.rule("calendar"))
    row = at(features, datetime(2022, 3, 1, 1, 30, tzinfo=UTC))
    assert row["hour_sin"] == pytest.approx(math.sin(angle(1.5, 24)))


def test_sessions_overlap_and_begin_with_their_first_traded_bar(helpers: SimpleNamespace) -> None:
    panel = helpers.market_panel(entities=1, bars=25, every=timedelta(hours=1))
    features, _ = engineer(panel, helpers.rule("calendar"))
    closes = features.with_columns(pl.col("time").dt.hour().alias("hour")).head(24)  # from 00:00 to 23:00
    inside = {
        name: closes.filter(pl.col(f"{name}_session") == 1)["hour"].to_list()
        for name in ("asian", "european", "american")
    }
    assert inside == {"asian": [*range(1, 9)], "european": [*range(8, 17)], "american": [*range(14, 23)]}


def test_ends_and_turns(helpers: SimpleNamespace) -> None:
    """Every day of a leap year against the calendar of the standard library."""
    panel = helpers.market_panel(entities=1, bars=366 * 2, every=timedelta(hours=12)).with_columns(
        time=pl.datetime(2024, 1, 1, 9, time_unit="us", time_zone="UTC") + pl.int_range(pl.len()) * timedelta(hours=12)
    )
    features, _ = engineer(panel, helpers.rule("calendar"))
    for row in features.iter_rows(named=True):
        day = row["time"].date()
        last = calendar.monthrange(day.year, day.month)[1]
        closing = -(-day.month // 3) * 3
        end = date(day.year, closing, calendar.monthrange(day.year, closing)[1])
        assert row["turn_of_month"] == (day.day <= 3 or day.day == last)
        assert row["days_to_quarter_end"] == (end - day).days
        assert row["quarter_end"] == ((end - day).days < 7)
        assert row["weekend"] == (day.weekday() >= 5)


@pytest.mark.parametrize("hours", [24, 168])
def test_daily_bars_have_no_hour(helpers: SimpleNamespace, hours: int) -> None:
    panel = helpers.market_panel(entities=2, bars=30, every=timedelta(hours=hours))
    features, catalogue = engineer(panel, helpers.rule("calendar"))
    within_a_day = {"weekend", "hour_sin", "hour_cos", "asian_session", "european_session", "american_session"}
    assert {entry["name"] for entry in catalogue["disabled"]} == within_a_day
    assert {entry["reason"] for entry in catalogue["disabled"]} == {"bars are a day apart or more"}
    assert not within_a_day & {*features.columns}
    assert {"weekday_sin", "turn_of_month"} < {*features.columns}
