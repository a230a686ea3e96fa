"""Computing new rows only: every kind of feature, from as little history as it needs, to the last bit."""

import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.market.features.compute import compute
from assay.market.features.entities import Array, Spans
from assay.market.features.expressions import CLOSE, LOG_RETURN, deviation, exponential_mean, mean
from assay.market.features.family import Family
from assay.market.features.feature import REGISTRY, Batch, Feature, register
from assay.market.features.universe import OWN_RETURN

engine = sys.modules[compute.__module__]  # the package's attribute of this name is the function
pytestmark = pytest.mark.usefixtures("registry")
own = Family("own")


@pytest.fixture(scope="module")
def market(helpers: SimpleNamespace) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A panel with holes and late listings, and all features of all its rows."""
    panel = helpers.full_panel(11, holes=0.02, stagger=45)
    return panel, compute(panel, list(REGISTRY.values()), min_entities=3)


@settings(deadline=None, max_examples=10)
@given(share=st.floats(0, 1))
def test_new_rows_are_what_a_whole_computation_gives(
    helpers: SimpleNamespace, market: tuple[pl.DataFrame, pl.DataFrame], share: float
) -> None:
    panel, whole = market
    times = panel["time"].unique().sort()
    since = times[int(share * (len(times) - 1))]
    new = compute(panel, list(REGISTRY.values()), min_entities=3, since=since)
    assert helpers.different(new, whole.filter(pl.col("time") >= since)) == []


def test_no_value_depends_on_the_number_of_threads(
    helpers: SimpleNamespace, market: tuple[pl.DataFrame, pl.DataFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    panel, whole = market
    monkeypatch.setattr("assay.market.features.entities.PIECE", 100)
    for threads in (1, 3):
        assert helpers.different(compute(panel, list(REGISTRY.values()), min_entities=3, threads=threads), whole) == []


@pytest.mark.parametrize(("bars", "entities"), [(1, {1, 6}), (700, {1, 2, 3, 6})])  # all six make the market
def test_no_value_depends_on_how_many_rows_are_evaluated_together(
    helpers: SimpleNamespace,
    market: tuple[pl.DataFrame, pl.DataFrame],
    monkeypatch: pytest.MonkeyPatch,
    bars: int,
    entities: set[int],
) -> None:
    panel, whole = market
    evaluated: set[int] = set()
    original = engine._Engine._on_rows

    def counted(self: Any, rows: Any, features: Any, *, of_market: bool) -> list[pl.Series]:
        evaluated.add(panel[rows]["entity"].n_unique())
        return original(self, rows, features, of_market=of_market)

    monkeypatch.setattr(engine, "BLOCK", bars)
    monkeypatch.setattr(engine._Engine, "_on_rows", counted)
    assert helpers.different(compute(panel, list(REGISTRY.values()), min_entities=3), whole) == []
    assert evaluated == entities


def test_nothing_new_gives_no_rows(market: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    panel, whole = market
    later = panel["time"].max() + timedelta(hours=1)
    assert compute(panel, list(REGISTRY.values()), min_entities=3, since=later).schema == whole.schema


def test_an_entity_that_has_stopped_trading_stays_in_the_market_of_its_time(helpers: SimpleNamespace) -> None:
    panel = helpers.full_panel(12, entities=4, bars=60, stagger=0)
    times = panel["time"].unique().sort()
    panel = panel.filter((pl.col("entity") != "E1") | (pl.col("time") < times[50]))
    features = [REGISTRY[name] for name in ("others_return_5", "relative_return_20", "breadth", "return_rank_20")]
    whole = compute(panel, features, min_entities=3)
    for since in (times[49], times[50], times[53], times[59]):
        new = compute(panel, features, min_entities=3, since=since)
        assert helpers.different(new, whole.filter(pl.col("time") >= since)) == []


# --- how much history is looked at


def test_a_function_of_arrays_sees_its_warm_up_of_complete_rows(
    helpers: SimpleNamespace, registry: dict[str, Feature]
) -> None:
    seen: list[int] = []

    @own.arrays(windows=(4,), unit="ratio")
    def tail(n: int, close: Array, volume: Array) -> Array:
        """Close over the close {n} less 1 rows ago."""
        seen.append(len(close))
        return np.r_[np.full(n - 1, np.nan), close[n - 1 :] / close[: 1 - n]] * np.sign(volume)

    panel = helpers.full_panel(entities=1, bars=200)
    row = pl.int_range(pl.len())
    panel = panel.with_columns(volume=pl.when((row < 120) | (row > 190)).then("volume"))
    since = panel["time"][195]
    new = compute(panel, [registry["tail_4"]], min_entities=2, since=since)
    assert 5 + 3 <= seen[-1] < 20
    assert helpers.different(new, compute(panel, [registry["tail_4"]], min_entities=2)[195:]) == []
    near = compute(panel, [registry["tail_4"]], min_entities=2, since=panel["time"][191])
    assert 9 + 3 <= seen[-1] <= 200
    assert near["tail_4"].null_count() == 0


def test_recursive_features_see_the_whole_history(helpers: SimpleNamespace, registry: dict[str, Feature]) -> None:
    seen: list[int] = []

    @own.arrays(unit="ratio", recursive=True)
    def expanding(close: Array) -> Array:
        """Mean of all closes so far over close."""
        seen.append(len(close))
        return np.cumsum(close) / np.arange(1, len(close) + 1) / close

    @own.expression(unit="ratio", recursive=True, window=3, warm_up=20)
    def smooth() -> pl.Expr:
        """Close over its exponential mean."""
        return CLOSE / exponential_mean(CLOSE, 30)

    @own.expression(unit="ratio", window=20, warm_up=19)
    def windowed() -> pl.Expr:
        """Close over its mean."""
        return CLOSE / mean(CLOSE, 20)

    panel = helpers.full_panel(entities=2, bars=90, stagger=0)
    features = [registry[name] for name in ("windowed", "expanding", "smooth")]
    assert [feature.recursive for feature in features] == [False, True, True]
    since = panel["time"][88]
    new = compute(panel, features, min_entities=2, since=since)
    assert seen == [90, 90]
    assert helpers.different(new, compute(panel, features, min_entities=2).filter(pl.col("time") >= since)) == []


def test_a_warm_up_that_is_too_short_shows(helpers: SimpleNamespace, registry: dict[str, Feature]) -> None:
    @own.expression(unit="ratio", window=20, warm_up=5)
    def hasty() -> pl.Expr:
        """Volatility of 20 bars, with too short a warm-up."""
        return deviation(LOG_RETURN, 20)

    panel = helpers.full_panel(entities=1, bars=90)
    since = panel["time"][85]
    new = compute(panel, [registry["hasty"]], min_entities=2, since=since)
    assert helpers.different(new, compute(panel, [registry["hasty"]], min_entities=2)[85:]) == ["hasty"]


def test_a_window_that_is_read_from_earlier_rows(helpers: SimpleNamespace, registry: dict[str, Feature]) -> None:
    @own.expression(unit="ratio", window=8, warm_up=7)
    def against_earlier_mean() -> pl.Expr:
        """Close over its mean of 5 bars, 3 bars ago."""
        return CLOSE / mean(CLOSE, 5).shift(3)

    panel = helpers.full_panel(entities=2, bars=40)
    features = [registry["against_earlier_mean"]]
    whole = compute(panel, features, min_entities=2)
    since = panel["time"].max()
    new = compute(panel, features, min_entities=2, since=since)
    assert new["against_earlier_mean"].null_count() == 0
    assert helpers.different(new, whole.filter(pl.col("time") >= since)) == []


def test_a_market_column_needs_no_warm_up_of_its_own(helpers: SimpleNamespace, registry: dict[str, Feature]) -> None:
    @own.expression(unit="simple return")
    def own_return() -> pl.Expr:
        """Return since the neighbouring bar."""
        return pl.col(OWN_RETURN)

    panel = helpers.full_panel(entities=3, bars=30)
    since = panel["time"].unique().sort()[20]
    whole, new = (compute(panel, [registry["own_return"]], min_entities=2, since=first) for first in (None, since))
    assert new["own_return"].null_count() == 0
    assert helpers.different(new, whole.filter(pl.col("time") >= since)) == []


def test_ranks_tell_values_apart_that_float32_cannot(helpers: SimpleNamespace, registry: dict[str, Feature]) -> None:
    @own.rank(unit="0 to 1")
    def closeness() -> pl.Expr:
        """Rank of the close."""
        return CLOSE

    panel = helpers.full_panel(entities=3, bars=10, stagger=0)
    nearly = 1 + pl.col("entity").str.slice(1).cast(pl.Float64) * 1e-12
    ranks = compute(panel.with_columns(close=nearly), [registry["closeness"]], min_entities=2)
    assert ranks["closeness"].round(4).unique().sort().to_list() == pytest.approx([1 / 6, 0.5, 5 / 6], abs=1e-4)


# --- many features of one call


def batch_of_changes(calls: list[tuple[int, list[str]]]) -> list[Feature]:
    def function(columns: Mapping[str, Array], spans: Spans, names: Sequence[str]) -> Any:
        close = columns["close"]
        calls.append((len(close), list(names)))
        out = np.full((len(close), len(names)), 777.0, dtype=np.float32, order="F")
        for start, first, stop in zip(spans.starts, spans.firsts, spans.stops, strict=True):
            for place, name in enumerate(names):
                n = int(name.split("_")[1])
                for row in range(first, stop):
                    out[row, place] = close[row] / close[row - n] if row - n >= start else 0.5
        return out

    batch = Batch(function, ("close",))
    described = {"family": "own", "definition": "Close over an earlier one", "unit": "ratio", "reference": ""}
    features = [
        Feature(name=f"ratio_{n}", window=n, warm_up=n, sources=("close",), intraday=False, compute=batch, **described)
        for n in (1, 7, 40)
    ]
    for feature in features:
        register(feature)
    return features


def test_a_batch_is_called_once_with_the_names_wanted(helpers: SimpleNamespace) -> None:
    calls: list[tuple[int, list[str]]] = []
    features = batch_of_changes(calls)
    panel = helpers.full_panel(entities=3, bars=80)
    got = compute(panel, [features[1], REGISTRY["return_1"], features[0]], min_entities=2)
    assert calls == [(panel.height, ["ratio_7", "ratio_1"])]
    assert got.columns[2:] == ["ratio_7", "return_1", "ratio_1"]
    expected = panel.select((CLOSE / CLOSE.shift(7)).over("entity").cast(pl.Float32))["close"]
    assert got["ratio_7"].equals(expected)


def test_a_batch_gets_the_history_that_its_features_look_back(helpers: SimpleNamespace) -> None:
    calls: list[tuple[int, list[str]]] = []
    features = batch_of_changes(calls)
    panel = helpers.full_panel(entities=3, bars=80, stagger=30)
    since = panel["time"].unique().sort()[78]
    new = compute(panel, features, min_entities=2, since=since)
    assert sorted(calls) == [(3 * 2 + 3 * 7, ["ratio_1", "ratio_7"]), (2 * 42 + 20, ["ratio_40"])]
    assert helpers.different(new, compute(panel, features, min_entities=2).filter(pl.col("time") >= since)) == []


def test_what_float32_cannot_hold_is_null(helpers: SimpleNamespace, registry: dict[str, Feature]) -> None:
    @own.arrays(unit="ratio")
    def huge(close: Array) -> Array:
        """A number beyond float32, or infinite."""
        return np.where(close > close[0], 1e300, np.inf)

    @own.expression(unit="ratio")
    def vast() -> pl.Expr:
        """The same."""
        return CLOSE * 1e300

    panel = helpers.full_panel(entities=1, bars=30)
    features = compute(panel, [registry["huge"], registry["vast"]], min_entities=2)
    assert features.null_count().row(0)[2:] == (30, 30)
