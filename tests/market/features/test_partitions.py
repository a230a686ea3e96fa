"""Partitions: named by their inputs in a chain, computed only where the name is new, equal to the whole to the bit."""

import logging
from dataclasses import replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.market.errors import ConfigurationError, DataError
from assay.market.features import FeatureRule, FeatureTable, Partition, engineer, engineer_parts, partitions, recompute
from assay.market.features.engine import ENGINE_VERSION
from assay.market.features.partitions import assembled, chain

DAY = timedelta(days=1)
RULE = FeatureRule(
    families=("momentum", "market", "ranks", "calendar"),
    timeframes={DAY: ("return_5", "rsi_14", "return_rank_1"), 7 * DAY: ("return_1",)},
    min_entities=3,
)


@pytest.fixture(scope="module")
def panel(helpers: SimpleNamespace) -> pl.DataFrame:
    """Six entities listed 60 bars apart, 4 hours a bar, February to July."""
    return helpers.market_panel(3, bars=900, stagger=60, holes=0.02)


def kept(table: FeatureTable) -> dict[str, Partition]:
    """What a store would say of the parts of a table."""
    return {part.key: replace(part, frame=None, sha256="0" * 64) for part in table.partitions}


def keys(panel: pl.DataFrame, id_: str = "id") -> dict[str, str]:
    return {period.name: period.key for period in chain(panel.sort("entity", "time"), id_)}


def changed(one: dict[str, str], other: dict[str, str]) -> list[str]:
    """Months whose key is not the same in both."""
    return [name for name in sorted({*one, *other}) if one.get(name) != other.get(name)]


def months(panel: pl.DataFrame) -> list[str]:
    return panel["time"].dt.strftime("%Y-%m").unique().sort().to_list()


# --- equality with the whole


def test_the_parts_are_the_whole_to_the_bit(panel: pl.DataFrame, helpers: SimpleNamespace) -> None:
    table, document = engineer_parts(panel.sample(fraction=1, shuffle=True, seed=1), RULE)
    whole, described = engineer(panel, RULE)
    assert helpers.different(assembled([part.frame for part in table.partitions]), whole) == []
    assert document == described
    assert list(table.columns) == whole.columns[2:]
    assert table.feature_set_id == document["feature_set_id"]
    assert [part.period for part in table.partitions] == months(panel)


def test_a_part_describes_its_rows(panel: pl.DataFrame) -> None:
    for part in engineer_parts(panel, RULE)[0].partitions:
        frame = part.frame
        assert frame is not None
        assert frame.equals(frame.sort("entity", "time"))
        assert months(frame) == [part.period]
        assert part.rows == frame.height
        assert list(part.counts) == [frame.height - frame[name].null_count() for name in frame.columns[2:]]


@settings(deadline=None, max_examples=8)
@given(cut=st.integers(1, 880))
def test_new_bars_compute_the_tail_only_and_equal_the_whole(
    panel: pl.DataFrame, helpers: SimpleNamespace, cut: int
) -> None:
    times = panel["time"].unique().sort()
    old, described = engineer_parts(panel.filter(pl.col("time") < times[cut]), RULE)
    table, document = engineer_parts(panel, RULE, kept(old) | kept(old))
    whole, catalogue = engineer(panel, RULE)
    if described["feature_set_id"] != document["feature_set_id"]:  # less than two bars: nothing to build frames from
        assert cut < 3
        return
    new = [part for part in table.partitions if part.frame is not None]
    last_old = max(months(panel.filter(pl.col("time") < times[cut])))
    first_new = months(panel.filter(pl.col("time") >= times[cut]))[0]
    assert [part.period for part in new] == [month for month in months(panel) if month >= first_new]
    assert first_new >= last_old
    tail = assembled([part.frame for part in new])
    assert helpers.different(tail, whole.filter(pl.col("time") >= tail["time"].min())) == []
    assert document == catalogue


def test_nothing_new_computes_nothing(panel: pl.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    table, document = engineer_parts(panel, RULE)
    monkeypatch.setattr(partitions, "recompute", None)
    again, described = engineer_parts(panel, RULE, kept(table))
    assert [part.frame for part in again.partitions] == [None] * len(table.partitions)
    assert {part.sha256 for part in again.partitions} == {"0" * 64}
    assert described == document


def test_a_new_bar_computes_nothing_before_its_month(panel: pl.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    old, _ = engineer_parts(panel.filter(pl.col("time") < panel["time"].max()), RULE)
    asked = []

    def noted(*given: Any, since: datetime | None) -> pl.DataFrame:
        asked.append(since)
        return recompute(*given, since=since)

    monkeypatch.setattr(partitions, "recompute", noted)
    engineer_parts(panel, RULE, kept(old))
    assert asked == [panel["time"].max().replace(day=1, hour=0)]


def test_a_lost_part_is_computed_again_and_those_after_it_are_kept(panel: pl.DataFrame) -> None:
    table, document = engineer_parts(panel, RULE)
    known = kept(table)
    del known[table.partitions[2].key]
    again, described = engineer_parts(panel, RULE, known)
    assert [part.frame is not None for part in again.partitions] == [number == 2 for number in range(len(known) + 1)]
    assert again.partitions[2].frame.equals(table.partitions[2].frame)
    assert described == document


def test_the_log_says_what_was_computed(panel: pl.DataFrame, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger=partitions.__name__):
        table, _ = engineer_parts(panel, RULE)
        engineer_parts(panel, RULE, kept(table))
    count = len(table.partitions)
    assert caplog.messages == [
        f"{count} of {count} months are computed: {panel.height} of {panel.height} rows",
        f"0 of {count} months are computed: 0 of {panel.height} rows",
    ]


# --- the chain of keys


@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_a_revised_row_changes_its_month_and_all_after_it(panel: pl.DataFrame, data: st.DataObject) -> None:
    row = data.draw(st.integers(0, panel.height - 1))
    name = data.draw(st.sampled_from([name for name in panel.columns if name not in ("entity", "time")]))
    here = pl.int_range(pl.len()) == row
    other = ~pl.col(name) if name == "jump" else pl.col(name).fill_null(0.0) * (1 + 2**-52) + 2**-1070
    revised = panel.with_columns(pl.when(here).then(other).otherwise(name).alias(name))
    month = panel["time"].dt.strftime("%Y-%m")[row]
    assert changed(keys(panel), keys(revised)) == [name for name in months(panel) if name >= month]


@settings(deadline=None, max_examples=10)
@given(late=st.integers(0, 800))
def test_an_entity_listed_later_leaves_the_months_before_alone(panel: pl.DataFrame, late: int) -> None:
    listed = panel.filter(pl.col("entity") == "E0")[late:].with_columns(entity=pl.lit("D9"))
    with_it = pl.concat([listed, panel])
    assert changed(keys(panel), keys(with_it)) == [month for month in months(panel) if month >= months(listed)[0]]


@settings(deadline=None, max_examples=15)
@given(data=st.data())
def test_a_missing_row_or_column_is_noticed(panel: pl.DataFrame, data: st.DataObject) -> None:
    row = data.draw(st.integers(0, panel.height - 1))
    assert len(changed(keys(panel), keys(panel.filter(pl.int_range(pl.len()) != row)))) >= 1
    column = data.draw(st.sampled_from([name for name in panel.columns if name not in ("entity", "time")]))
    assert changed(keys(panel), keys(panel.drop(column))) == months(panel)


def test_null_zero_and_nan_are_three_things(panel: pl.DataFrame) -> None:
    def with_vix(value: float | None) -> dict[str, str]:
        first = pl.int_range(pl.len()) == 0
        column = pl.when(first).then(pl.lit(value, pl.Float64)).otherwise("vix_close").alias("vix_close")
        return keys(panel.with_columns(column))

    found = [with_vix(value) for value in (None, 0.0, float("nan"))]
    assert len({tuple(one.values()) for one in found}) == 3


def test_equal_values_under_another_name_or_type_are_others(panel: pl.DataFrame) -> None:
    assert changed(keys(panel), keys(panel.rename({"vix_close": "vix_closf"}))) == months(panel)
    flags = panel.with_columns(pl.col("jump").cast(pl.UInt8))
    assert changed(keys(panel), keys(flags)) == months(panel)


def test_the_order_of_columns_and_chunks_does_not_matter(panel: pl.DataFrame) -> None:
    chunked = pl.concat([panel[:1000], panel[1000:]], rechunk=False)
    assert keys(panel) == keys(panel.select(reversed(panel.columns))) == keys(chunked)


def test_text_columns_count_too(panel: pl.DataFrame) -> None:
    one, other = (panel.with_columns(session=pl.lit(text)) for text in ("open", "close"))
    assert changed(keys(one), keys(other)) == months(panel)


def test_the_feature_set_the_code_and_the_libraries_are_in_every_key(
    panel: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = keys(panel)
    assert changed(before, keys(panel, "other")) == months(panel)
    monkeypatch.setattr(partitions, "version", lambda _: "99")
    partitions._code.cache_clear()
    assert changed(before, keys(panel)) == months(panel)
    monkeypatch.undo()
    partitions._code.cache_clear()
    read = partitions.Path.read_bytes
    edited = lambda path: read(path) + b"#" * (path.name == "compute.py")  # noqa: E731
    monkeypatch.setattr(partitions.Path, "read_bytes", edited)
    assert changed(before, keys(panel)) == months(panel)
    monkeypatch.undo()
    partitions._code.cache_clear()
    assert keys(panel) == before


def test_months_without_rows_have_no_part(panel: pl.DataFrame) -> None:
    gap = panel.filter(pl.col("time").dt.month() != 5)
    assert [*keys(gap)] == [month for month in months(panel) if not month.endswith("-05")]
    late = pl.when(pl.col("entity") == "E5").then(pl.lit(365 * DAY)).otherwise(pl.lit(0 * DAY))
    years = panel.with_columns(pl.col("time") + late)
    assert [*keys(years)] == months(years)


@pytest.mark.parametrize(("lack", "match"), [("close", "lacks the column close"), (None, "has no rows")])
def test_an_impossible_panel_is_refused(panel: pl.DataFrame, lack: str | None, match: str) -> None:
    with pytest.raises(DataError, match=f"panel: {match}"):
        engineer_parts(panel.drop(lack) if lack else panel.clear(), RULE)


# --- a fixed list of features


def test_recompute_gives_the_listed_features_in_their_order(panel: pl.DataFrame, helpers: SimpleNamespace) -> None:
    whole, _ = engineer(panel, RULE)
    names = ["return_1_1w", "rsi_14", "return_rank_1_1d", "return_rank_1", "hour_sin"]
    assert helpers.different(recompute(panel, RULE, names), whole.select("entity", "time", *names)) == []


@settings(deadline=None, max_examples=6)
@given(cut=st.integers(0, 880))
def test_recompute_since_equals_the_rows_of_the_whole(panel: pl.DataFrame, helpers: SimpleNamespace, cut: int) -> None:
    since = panel["time"].unique().sort()[cut]
    whole, _ = engineer(panel, RULE)
    tail = recompute(panel, RULE, whole.columns[2:], since=since)
    assert helpers.different(tail, whole.filter(pl.col("time") >= since)) == []


def test_recompute_asks_no_panel_what_it_can_provide(panel: pl.DataFrame) -> None:
    """A short history with stale opens still gives every column, as the whole panel had decided."""
    short = panel.filter(pl.col("time") == panel["time"].min()).with_columns(open=pl.col("close"))
    assert recompute(short, RULE, ["hour_sin", "return_5_1d"]).columns == ["entity", "time", "hour_sin", "return_5_1d"]


def test_recompute_refuses_what_the_rule_does_not_offer(panel: pl.DataFrame) -> None:
    with pytest.raises(ConfigurationError, match=r"features to compute: unknown name rsi_15(.|\n)*near to .*rsi_14"):
        recompute(panel, RULE, ["rsi_15"])
    with pytest.raises(ConfigurationError, match=r"features to compute: unknown name adx_14"):
        recompute(panel, RULE, ["adx_14"])


# --- time frames


def rule(**frames: Any) -> FeatureRule:
    return FeatureRule.model_validate({"families": ("calendar",), "timeframes": frames})


def described(panel: pl.DataFrame, rule: FeatureRule) -> tuple[list[str], dict[str, str]]:
    _, document = engineer(panel, rule)
    reasons = {entry["name"]: entry["reason"] for entry in document["disabled"]}
    return [entry["name"] for entry in document["features"] if entry["family"] == "timeframes"], reasons


def test_frames_are_iso_durations_and_may_name_features_of_any_family(panel: pl.DataFrame) -> None:
    names, _ = described(panel, rule(P1D=("adx_14", "rsi_14"), PT8H=("rsi_14",)))
    assert names == ["adx_14_1d", "rsi_14_1d", "rsi_14_8h"]
    with pytest.raises(ValueError, match="timeframes"):
        rule(tomorrow=("rsi_14",))


def test_an_unknown_feature_of_a_frame_names_its_neighbours(panel: pl.DataFrame) -> None:
    with pytest.raises(
        ConfigurationError, match=r"parameter timeframes of the features: unknown name rsi_41(.|\n)*near to .*rsi_14"
    ):
        engineer(panel, rule(P1D=("rsi_41",)))


def test_a_frame_of_no_whole_bars_is_refused(panel: pl.DataFrame) -> None:
    with pytest.raises(ConfigurationError, match="does not consist of whole bars"):
        engineer(panel, rule(PT6H=("rsi_14",)))


def test_what_a_panel_cannot_provide_is_disabled_on_higher_bars_too(panel: pl.DataFrame) -> None:
    names, reasons = described(panel.drop("volume"), rule(P1D=("relative_volume_20", "hour_sin", "return_1")))
    assert names == ["return_1_1d"]
    assert reasons == {
        "relative_volume_20_1d": "the panel has no column volume",
        "hour_sin_1d": "bars are a day apart or more",
    }
    one = panel.filter(pl.col("time") == panel["time"].max())
    assert described(one, rule(P1D=("return_1",)))[1]["return_1_1d"] == "no entity has two bars"


def test_a_feature_of_a_frame_can_be_excluded(panel: pl.DataFrame) -> None:
    without = rule(P1D=("return_1", "return_5")).model_copy(update={"exclude": ("return_1_1d",)})
    assert described(panel, without)[0] == ["return_5_1d"]


def test_frames_change_the_feature_set(panel: pl.DataFrame) -> None:
    ids = {
        engineer(panel, one)[1]["feature_set_id"] for one in (rule(), rule(P1D=("return_1",)), rule(P2D=("return_1",)))
    }
    assert len(ids) == 3


def test_a_frame_of_higher_bars_is_not_known_before_its_bar_closed(panel: pl.DataFrame) -> None:
    """The slow way: the daily closes that were over by then, one entity."""
    got = recompute(panel, rule(P1D=("return_1",)), ["return_1_1d"]).filter(pl.col("entity") == "E0")
    one = panel.filter(pl.col("entity") == "E0")
    days: dict[datetime, float] = {}
    for when, close in one.select("time", "close").iter_rows():
        end = (when - timedelta(microseconds=1)).replace(hour=0, minute=0, second=0, microsecond=0) + DAY
        days[end] = close
    days.pop(min(days))
    for when, value in got.select("time", "return_1_1d").iter_rows():
        over = [close for end, close in sorted(days.items()) if end <= when]
        expected = over[-1] / over[-2] - 1 if len(over) > 1 else None
        assert value == (None if expected is None else pytest.approx(expected, rel=1e-5)), when


def test_the_engine_says_that_it_is_another_one() -> None:
    assert ENGINE_VERSION == 2
