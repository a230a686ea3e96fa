"""Higher bars against hand-made buckets and slow loops; no row sees a bucket before it has closed."""

import math
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

import assay.market.features.timeframes as timeframes
from assay.market.errors import ConfigurationError
from assay.market.features.compute import compute
from assay.market.features.feature import REGISTRY, Feature
from assay.market.features.timeframes import bar_interval, frame_label, higher_feature, on_higher_bars, resample

HOURS_4, HALF, DAY, WEEK = timedelta(hours=4), timedelta(hours=12), timedelta(days=1), timedelta(days=7)
MONDAY = datetime(2024, 1, 1, tzinfo=UTC)


def bars(times: list[datetime], *, entity: str = "A", **columns: list[Any]) -> pl.DataFrame:
    """A panel of one entity whose closes count its rows unless given."""
    close = [float(row + 1) for row in range(len(times))]
    prices = {"open": close, "high": close, "low": close, "close": close, "volume": [1.0] * len(times)}
    return pl.DataFrame({"entity": [entity] * len(times), "time": times, **prices, **columns}).with_columns(
        pl.col("time").cast(pl.Datetime("us", "UTC"))
    )


def every(step: timedelta, count: int, *, start: datetime = MONDAY) -> list[datetime]:
    return [start + step * (number + 1) for number in range(count)]


def some(*names: str) -> list[Feature]:
    return [REGISTRY[name] for name in names]


# --- higher bars


def test_a_day_of_bars_made_by_hand() -> None:
    panel = bars(
        every(HALF, 6),
        open=[1.0, 2, 3, 4, 5, 6],
        high=[9.0, 9, 7, 8, 9, 9],
        low=[1.0, 1, 3, 2, 1, 1],
        close=[2.0, 3, 4, 5, 6, 7],
        volume=[1.0, 1, 10, 30, 1, 1],
        trades=[1.0, 1, 5, 7, 1, 1],
        vwap=[1.0, 1, 4, 8, 1, 1],
        vix_close=[1.0, 1, 20, 21, 1, 1],
        jump=[False, False, True, False, False, False],
    )
    assert resample(panel, DAY).row(0, named=True) == {
        "entity": "A",
        "time": MONDAY + 2 * DAY,
        "open": 3.0,
        "high": 8.0,
        "low": 2.0,
        "close": 5.0,
        "volume": 40.0,
        "trades": 12.0,
        "vwap": 7.0,
        "vix_close": 21.0,
        "jump": True,
    }


def test_a_close_on_the_boundary_belongs_to_the_bucket_that_ends_there() -> None:
    times = [MONDAY + timedelta(hours=hour) for hour in (12, 24, 36, 48, 49, 72)]
    found = resample(bars(times), DAY)
    assert found.select("time", "open", "close").rows() == [(MONDAY + 2 * DAY, 3.0, 4.0), (MONDAY + 3 * DAY, 5.0, 6.0)]


def test_weeks_end_on_monday_at_midnight() -> None:
    closes = [MONDAY + DAY * day + timedelta(hours=21) for day in (*range(5), *range(7, 12), *range(14, 19))]
    found = resample(bars(closes), WEEK)
    assert found["time"].to_list() == [MONDAY + 2 * WEEK]
    assert found["close"].to_list() == [10.0]


def test_the_first_bucket_is_dropped_and_the_forming_one_too() -> None:
    found = resample(bars(every(HOURS_4, 17, start=MONDAY + timedelta(hours=8))), DAY)
    assert found["time"].to_list() == [MONDAY + 2 * DAY, MONDAY + 3 * DAY]
    assert found["volume"].to_list() == [6.0, 6.0]


def test_a_missing_number_is_not_summed_over() -> None:
    panel = bars(
        every(HALF, 6),
        high=[1.0, 1, None, 4, 5, 6],
        volume=[1.0, 1, None, 4, 0, 6],
        vwap=[1.0, 1, 3, 4, None, 6],
        open=[1.0, 1, None, 4, 5, 6],
    )
    found = resample(panel, DAY)
    assert found.select("open", "high", "low", "volume", "vwap").rows() == [
        (None, None, 3, None, None),
        (5, 6, 5, 6, 6),
    ]


def test_bars_without_volume_have_no_weighted_price() -> None:
    panel = bars(every(HALF, 4), volume=[1.0, 1, 0, 0], vwap=[1.0, 1, 2, 3])
    assert resample(panel, DAY)["vwap"].to_list() == [None]


def test_entities_keep_to_themselves_and_gaps_stay_gaps() -> None:
    one = bars(every(HOURS_4, 24))
    other = bars([time for time in every(HOURS_4, 24) if not DAY < time - MONDAY <= 2 * DAY], entity="B")
    found = resample(pl.concat([one, other]), DAY)
    assert found.select("entity", "time").rows() == [
        *[("A", MONDAY + DAY * day) for day in (2, 3, 4)],
        *[("B", MONDAY + DAY * day) for day in (3, 4)],
    ]


def test_agrees_with_a_slow_loop(helpers: SimpleNamespace) -> None:
    panel = helpers.market_panel(5, entities=3, bars=60, stagger=5, holes=0.03)
    origin = datetime(1970, 1, 5, tzinfo=UTC)
    buckets: dict[tuple[str, datetime], list[dict[str, Any]]] = {}
    for row in panel.iter_rows(named=True):
        end = origin + DAY * math.ceil((row["time"] - origin) / DAY)
        buckets.setdefault((row["entity"], end), []).append(row)
    first = dict(reversed(buckets))
    newest = panel["time"].max()
    kept = {key: rows for key, rows in buckets.items() if key[1] != first[key[0]] and key[1] <= newest}
    found = {(row["entity"], row["time"]): row for row in resample(panel, DAY).iter_rows(named=True)}
    assert list(found) == list(kept)
    for key, rows in kept.items():
        highs, volumes = [row["high"] for row in rows], [row["volume"] for row in rows]
        assert found[key]["high"] == (None if None in highs else max(highs))
        assert found[key]["volume"] == (None if None in volumes else pytest.approx(sum(volumes)))
        assert found[key]["close"] == rows[-1]["close"]
        assert found[key]["funding_rate"] == rows[-1]["funding_rate"]


# --- features on higher bars


def test_values_are_those_of_the_newest_closed_bar() -> None:
    panel = bars(every(HOURS_4, 26))  # four whole days, the first is dropped
    found = on_higher_bars(panel, {DAY: some("return_1")}, min_entities=2)
    assert found.columns == ["entity", "time", "return_1_1d"]
    assert found["return_1_1d"].to_list() == pytest.approx([None] * 17 + [18 / 12 - 1] * 6 + [24 / 18 - 1] * 3)


def test_a_forming_bucket_is_seen_by_nobody(helpers: SimpleNamespace) -> None:
    panel = helpers.market_panel(6, stagger=3, bars=300, holes=0.02)
    frames = {HALF: some("rsi_7"), DAY: some("return_1", "relative_return_1"), WEEK: some("return_1", "return_rank_1")}

    def features(table: pl.DataFrame) -> pl.DataFrame:
        return on_higher_bars(table, frames, min_entities=3)

    for cut in panel["time"].unique().sort()[100:300:9]:
        assert helpers.looking_ahead(features, panel, cut) == []


def test_joining_a_bucket_while_it_forms_would_be_caught(
    helpers: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check above can fail: buckets stamped with their beginning leak their end."""
    honest = timeframes.resample
    monkeypatch.setattr(
        timeframes, "resample", lambda panel, frame: honest(panel, frame).with_columns(pl.col("time") - frame)
    )
    panel = helpers.market_panel(6, entities=2, bars=120)

    def features(table: pl.DataFrame) -> pl.DataFrame:
        return on_higher_bars(table, {DAY: some("return_1")}, min_entities=2)

    cuts = panel["time"].unique().sort()[60:80]
    assert any(helpers.looking_ahead(features, panel, cut) for cut in cuts)


def test_it_is_the_feature_of_the_higher_bars(helpers: SimpleNamespace) -> None:
    panel = helpers.market_panel(2, entities=3, bars=400)
    features = some("rsi_7", "sma_distance_10", "price_volume_correlation_20")
    higher = compute(resample(panel, HALF), features, min_entities=2)
    found = on_higher_bars(panel, {HALF: features}, min_entities=2)
    at_the_close = found.join(higher, on=["entity", "time"])
    assert at_the_close.height == higher.height
    for feature in features:
        assert at_the_close[f"{feature.name}_12h"].equals(at_the_close[feature.name])
        assert at_the_close[feature.name].count() > 0


@pytest.mark.parametrize("share", [0.2, 0.61, 0.97, 1.0])
def test_newer_rows_alone_have_the_same_bits(helpers: SimpleNamespace, share: float) -> None:
    panel = helpers.market_panel(8, entities=4, bars=500, stagger=60, holes=0.05)
    absent = (pl.col("entity") == "E1") & pl.col("time").is_between(pl.date(2022, 4, 1), pl.date(2022, 4, 20))
    frames = {HALF: some("rsi_7"), DAY: some("return_5"), WEEK: some("sma_distance_5")}
    for table in (panel, panel.filter(~absent)):
        times = table["time"].unique().sort()
        since = times[int(share * (len(times) - 1))]
        whole = on_higher_bars(table, frames, min_entities=2).filter(pl.col("time") >= since)
        assert helpers.different(whole, on_higher_bars(table, frames, min_entities=2, since=since)) == []


def test_a_history_within_one_bucket_gives_nulls() -> None:
    found = on_higher_bars(bars(every(HOURS_4, 3)), {DAY: some("return_1")}, min_entities=2)
    assert found["return_1_1d"].to_list() == [None] * 3
    assert found.schema["return_1_1d"] == pl.Float32


def test_min_entities_is_passed_on(helpers: SimpleNamespace) -> None:
    panel = helpers.market_panel(3, entities=3, bars=60, stagger=0)
    counts = [
        on_higher_bars(panel, {DAY: some("others_return_1")}, min_entities=fewest)["others_return_1_1d"].count()
        for fewest in (3, 4)
    ]
    assert counts[0] > 0
    assert counts[1] == 0


# --- the catalogue


def test_the_catalogue_counts_base_bars() -> None:
    rsi = REGISTRY["rsi_14"]
    found = higher_feature(rsi, WEEK, DAY)
    assert found.name == "rsi_14_1w"
    assert found.family == "timeframes"
    assert found.definition == f"{rsi.definition}, of bars of 1 week"
    assert (found.window, found.warm_up) == (14 * 7, (rsi.warm_up + 2) * 7)
    assert (found.sources, found.unit, found.recursive, found.compute) == (
        rsi.sources,
        rsi.unit,
        rsi.recursive,
        rsi.compute,
    )


def test_the_warm_up_is_enough() -> None:
    """The first value comes no later than the catalogue says, without gaps, wherever the first bucket is cut."""
    for late in range(7):
        panel = bars(every(HOURS_4, 120, start=MONDAY + HOURS_4 * late))
        found = on_higher_bars(panel, {DAY: some("return_5")}, min_entities=2)["return_5_1d"]
        said = higher_feature(REGISTRY["return_5"], DAY, HOURS_4).warm_up
        assert said - 6 <= found.is_not_null().arg_max() <= said
        assert found[said:].null_count() == 0


@pytest.mark.parametrize(
    ("frame", "label", "words"),
    [
        (WEEK, "1w", "1 week"),
        (2 * DAY, "2d", "2 days"),
        (HALF, "12h", "12 hours"),
        (timedelta(minutes=90), "90m", "90 minutes"),
        (timedelta(seconds=90), "90s", "90 seconds"),
    ],
)
def test_frames_have_names(frame: timedelta, label: str, words: str) -> None:
    assert frame_label(frame) == label
    found = higher_feature(REGISTRY["return_1"], frame, timedelta(seconds=30))
    assert found.name == f"return_1_{label}"
    assert found.definition.endswith(f", of bars of {words}")


@pytest.mark.parametrize("frame", [HOURS_4, timedelta(hours=2), timedelta(hours=6)])
def test_a_frame_that_is_no_multiple_of_the_bars_is_refused(frame: timedelta) -> None:
    with pytest.raises(
        ConfigurationError, match=rf"time frame {frame}: does not consist of whole bars\n(.|\n)*4:00:00"
    ):
        higher_feature(REGISTRY["return_1"], frame, HOURS_4)


def test_the_length_of_a_bar_is_the_usual_spacing() -> None:
    times = [*every(HOURS_4, 5), MONDAY + 3 * DAY]
    assert bar_interval(bars(times)) == HOURS_4
    assert bar_interval(pl.concat([bars(times[:1]), bars(times[1:2], entity="B")])) is None
    assert bar_interval(bars([times[0], times[1], times[-1]])) == HOURS_4
