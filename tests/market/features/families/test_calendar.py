"""Calendar features: points on circles, and no hour of the day for daily bars."""

import math
from datetime import UTC, datetime, timedelta
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
    }
    assert set(expected) == {f.name for f in REGISTRY.values() if f.family == "calendar"}
    assert {name: row[name] for name in expected} == pytest.approx(expected, abs=1e-6)


def test_half_hours_count(helpers: SimpleNamespace) -> None:
    panel = helpers.market_panel(entities=1, bars=10, every=timedelta(minutes=30))
    features, _ = engineer(panel, helpers.rule("calendar"))
    row = at(features, datetime(2022, 3, 1, 1, 30, tzinfo=UTC))
    assert row["hour_sin"] == pytest.approx(math.sin(angle(1.5, 24)))


@pytest.mark.parametrize("hours", [24, 168])
def test_daily_bars_have_no_hour(helpers: SimpleNamespace, hours: int) -> None:
    features, catalogue = engineer(
        helpers.market_panel(entities=2, bars=30, every=timedelta(hours=hours)), helpers.rule("calendar")
    )
    assert features.columns == ["entity", "time", "weekday_sin", "weekday_cos", "month_sin", "month_cos"]
    assert catalogue["disabled"] == [
        {"name": name, "reason": "bars are a day apart or more"} for name in ("hour_sin", "hour_cos")
    ]
