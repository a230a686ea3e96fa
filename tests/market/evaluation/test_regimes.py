from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from assay.market.evaluation import EvaluationRule, with_trend
from assay.market.evaluation.regimes import FLAT, groups_of

START = datetime(2024, 1, 1, tzinfo=UTC)
RULE = EvaluationRule(trend_bars=10)


def hours(count: int, entities: tuple[str, ...] = ("A", "B"), step: int = 1) -> pl.DataFrame:
    times = pl.datetime_range(START, START + timedelta(hours=step * (count - 1)), f"{step}h", eager=True)
    key = {"entity": np.tile(entities, count), "time": times.gather(np.repeat(np.arange(count), len(entities)))}
    return pl.DataFrame(key)


def random_bars(count: int, seed: int = 1) -> pl.DataFrame:
    frame = hours(count)
    moves = 0.01 * np.random.default_rng(seed).standard_normal((count, 2))
    return frame.with_columns(close=pl.Series(100 * np.exp(np.cumsum(moves, axis=0)).ravel()))


def members(frame: pl.DataFrame, way: str) -> dict[str, np.ndarray]:
    return dict(groups_of(frame).get(way, []))


def test_the_trend_is_the_return_of_the_last_bars_in_its_own_standard_deviations() -> None:
    bars = random_bars(60)
    found = with_trend(hours(60), bars, RULE)
    for entity in ("A", "B"):
        log = np.log(bars.filter(pl.col("entity") == entity)["close"].to_numpy())
        trend = found.filter(pl.col("entity") == entity)["trend"].to_list()
        assert trend[:10] == [None] * 10
        for t in range(10, 60):
            past = np.diff(log[t - 10 : t + 1])
            assert trend[t] == pytest.approx(past.sum() / (past.std(ddof=1) * np.sqrt(10)))


def test_the_trend_does_not_know_what_comes_and_keeps_the_rows_as_they_are() -> None:
    bars, oos = random_bars(60), hours(70).sample(fraction=1.0, shuffle=True, seed=2)
    found = with_trend(oos, bars.sample(fraction=1.0, shuffle=True, seed=3), RULE)
    assert found.drop("trend").equals(oos)
    past = pl.col("time") < START + timedelta(hours=40)
    early = with_trend(oos, bars.filter(past), RULE)
    assert early.filter(past)["trend"].equals(found.filter(past)["trend"])
    assert found.filter(pl.col("time") >= START + timedelta(hours=60))["trend"].null_count() == 20


def test_the_length_of_a_trend_counts_and_prices_that_stand_still_have_none() -> None:
    bars = random_bars(60)
    longer = with_trend(hours(60), bars, EvaluationRule(trend_bars=20))["trend"]
    assert longer.null_count() == 40
    assert with_trend(hours(60), bars.with_columns(close=1.0), RULE)["trend"].null_count() == 120


def test_a_third_of_a_random_walk_is_flat() -> None:
    frame = with_trend(hours(4000), random_bars(4000), EvaluationRule())
    shares = {name: mask.mean() for name, mask in groups_of(frame.drop_nulls())["trend"]}
    assert list(shares) == ["down", "flat", "up"]
    assert shares["flat"] == pytest.approx(1 / 3, abs=0.08)
    marked = frame.with_columns(trend=pl.Series([-FLAT - 0.1, -FLAT, FLAT, FLAT + 0.1] * 2000))
    assert [mask[:4].tolist() for mask in members(marked, "trend").values()] == [
        [True, False, False, False],
        [False, True, True, False],
        [False, False, False, True],
    ]


def test_rows_without_a_trend_are_in_no_group() -> None:
    frame = with_trend(hours(60), random_bars(60), RULE)
    assert sum(members(frame, "trend").values()).tolist() == frame["trend"].is_not_null().to_list()


def test_volatility_is_split_in_thirds_of_each_entity() -> None:
    frame = hours(90).with_columns(scale=pl.Series(np.random.default_rng(1).random(180)))
    frame = frame.with_columns(scale=pl.when(pl.col("entity") == "B").then(100 * pl.col("scale")).otherwise("scale"))
    found = members(frame, "volatility")
    assert list(found) == ["low", "medium", "high"]
    for entity in ("A", "B"):
        scales = [frame.filter(pl.Series(mask), pl.col("entity") == entity)["scale"] for mask in found.values()]
        assert [len(part) for part in scales] == [30, 30, 30]
        assert scales[0].max() < scales[1].min()
        assert scales[1].max() < scales[2].min()


def test_unknown_volatility_is_in_no_group_and_constant_volatility_is_not_told() -> None:
    known = pl.Series(np.arange(90.0)).scatter([3, 4], [None, None])
    frame = hours(90, ("A",)).with_columns(scale=known)
    assert sum(members(frame, "volatility").values()).tolist() == known.is_not_null().to_list()
    assert "volatility" not in groups_of(frame.with_columns(scale=1.0))
    assert "volatility" not in groups_of(hours(30))
    assert "trend" not in groups_of(hours(30))


def test_hours_are_those_of_utc_and_left_out_when_there_is_one() -> None:
    found = members(hours(50), "hour")
    assert list(found) == [f"{hour:02d}" for hour in range(24)]
    assert np.flatnonzero(found["03"]).tolist() == [6, 7, 54, 55]
    assert "hour" not in groups_of(hours(50, step=24))
    assert list(members(hours(50, step=4), "hour")) == ["00", "04", "08", "12", "16", "20"]


def test_the_thirty_entities_with_the_most_rows_are_told() -> None:
    names = tuple(f"E{number:02d}" for number in range(40))
    frame = hours(5, names)
    fewer = frame.filter((pl.col("entity") >= "E10") | (pl.col("time") > START))
    assert list(members(fewer, "entity")) == [f"E{number}" for number in range(10, 40)]
    assert list(members(hours(5, ("A",)), "entity")) == ["A"]
