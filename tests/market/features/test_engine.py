"""The engine: catalogue, availability, identity, warm-up, nulls, invariances."""

import dataclasses
import json
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import assay.market.features.engine as engine
from assay.market.errors import ConfigurationError, DataError
from assay.market.features import FeatureRule, catalogue, engineer, feature_set_id
from assay.market.features.feature import REGISTRY, Feature
from assay.market.features.registry import load_family

LEVELS = ("open", "high", "low", "close", "vwap", "index_price", "mark_price")
BAR_PRICES = (*LEVELS, "quote_volume", "open_interest_value")
VOLUMES = ("volume", "quote_volume", "taker_buy_volume", "open_interest_amount", "open_interest_value")
STANDSTILL = {  # with every volume at 0.1 too
    **dict.fromkeys(("inside_bar", "narrow_range_7", "standstill_share_60"), 1.0),
    **{f"relative_{name}_{n}": 1.0 for name in ("volume", "trades", "trade_size") for n in (20, 60)},
    "volume_peak_share_20": pytest.approx(0.05),
    **{f"vwap_distance_{n}": pytest.approx(-0.9) for n in (20, 60)},
    **{f"taker_imbalance_{n}": 1.0 for n in (1, 5, 20, 60)},
    **{f"price_rank_{n}": 0.5 for n in (20, 60, 120)},
}


def values(features: pl.DataFrame) -> np.ndarray:
    return features.drop("entity", "time").cast(pl.Float64).to_numpy()


def assert_close(left: pl.DataFrame, right: pl.DataFrame) -> None:
    """Equal to float32 precision, measured by the spread of each feature."""
    one, other = values(left), values(right)
    np.testing.assert_array_equal(np.isnan(one), np.isnan(other))
    scale = np.nanstd(one, axis=0) + 1e-12
    assert np.nanmax(np.abs(one - other) / scale) < 1e-5


# --- the features table


def test_all_rows_are_kept_and_sorted_as_float32(helpers: SimpleNamespace) -> None:
    panel = helpers.full_panel(holes=0.02)
    features, description = engineer(panel.sample(fraction=1, shuffle=True, seed=1), helpers.rule())
    assert features.select("entity", "time").equals(panel.select("entity", "time"))
    assert features.columns[2:] == [entry["name"] for entry in description["features"]]
    assert set(features.dtypes[2:]) == {pl.Float32}
    assert len(features.columns) == len(REGISTRY) + 2


def test_two_runs_give_the_same_bytes(helpers: SimpleNamespace) -> None:
    panel = helpers.full_panel(holes=0.02)
    first, second = (engineer(panel, helpers.rule()) for _ in range(2))
    assert helpers.different(first[0], second[0]) == []
    assert first[1] == second[1]


def test_nothing_but_finite_numbers_and_nulls(helpers: SimpleNamespace) -> None:
    panel = helpers.full_panel(bars=120).with_columns(
        pl.when(pl.int_range(pl.len()) % 11 == 3).then(bad).otherwise(pl.col(name)).alias(name)
        for name, bad in {"volume": 0.0, "high": float("nan"), "vix_close": 0.0, "open_interest_amount": -1.0}.items()
    )
    features, _ = engineer(panel, helpers.rule())
    assert features.select(pl.selectors.float().is_finite().all()).row(0) == (True,) * (features.width - 2)
    assert features["return_1"].null_count() == 6


def test_nan_in_a_panel_counts_as_null(helpers: SimpleNamespace) -> None:
    panel = helpers.full_panel(bars=120, holes=0.05)
    with_nan = panel.with_columns(pl.selectors.float().fill_null(float("nan")))
    assert helpers.different(engineer(panel, helpers.rule())[0], engineer(with_nan, helpers.rule())[0]) == []


@pytest.mark.parametrize("bars", [1, 2, 15, 61])
def test_short_histories_give_nulls(helpers: SimpleNamespace, bars: int) -> None:
    features, _ = engineer(helpers.full_panel(entities=1, bars=bars), helpers.rule())
    for name in features.columns[2:]:
        warm_up = REGISTRY[name].warm_up
        assert features[name][:warm_up].null_count() == min(bars, warm_up), name


def test_entities_do_not_touch_each_other(helpers: SimpleNamespace) -> None:
    panel = helpers.full_panel()
    rule = helpers.rule(*[name for name in helpers.families if name not in ("market", "ranks")])
    together = engineer(panel, rule)[0].filter(pl.col("entity") == "E3")
    alone = engineer(panel.filter(pl.col("entity") == "E3"), rule)[0]
    assert helpers.different(together, alone) == []


# --- warm-up


def test_each_feature_starts_when_its_warm_up_ends(helpers: SimpleNamespace) -> None:
    """With full history and six entities listed together, the first value comes neither before nor after."""
    features, _ = engineer(helpers.full_panel(stagger=0), helpers.rule())
    one = features.filter(pl.col("entity") == "E0")
    starts = {name: one[name].is_not_null().arg_max() for name in REGISTRY}
    assert starts == {feature.name: feature.warm_up for feature in REGISTRY.values()}


def test_history_before_the_warm_up_does_not_matter(helpers: SimpleNamespace) -> None:
    """Starting later gives the same values: to the last bit for windows, to 1e-6 of the spread for recursions."""
    panel = helpers.full_panel(9, stagger=0, bars=700)
    times = panel["time"].unique().sort()
    whole, late = (engineer(table, helpers.rule())[0] for table in (panel, panel.filter(pl.col("time") >= times[150])))
    for feature in REGISTRY.values():
        settled = pl.col("time") >= times[150 + feature.warm_up]
        one, other = (table.filter(settled)[feature.name].cast(pl.Float64).to_numpy() for table in (whole, late))
        if feature.recursive:
            assert np.abs(one - other).max() <= 1e-6 * one.std() + 1.2e-7 * np.abs(one).max(), feature.name
        else:
            assert one.tobytes() == other.tobytes(), feature.name


# --- nulls


def test_a_missing_field_costs_a_recursion_only_its_own_row(helpers: SimpleNamespace) -> None:
    panel = helpers.full_panel(entities=1)
    row = 350
    holed = panel.with_columns(high=pl.when(pl.int_range(pl.len()) != row).then("high"))
    features, _ = engineer(holed, helpers.rule("trend", "volatility"))
    compact, _ = engineer(panel.filter(pl.int_range(pl.len()) != row), helpers.rule("trend", "volatility"))
    for name in ("adx_14", "directional_movement_14", "atr_14"):
        assert features[name][row] is None
        assert features[name][row + 1 :].equals(compact[name][row:])
        assert features[name][row + 1 :].null_count() == 0


def test_a_missing_field_blanks_a_window_only_while_it_is_inside(helpers: SimpleNamespace) -> None:
    panel = helpers.full_panel(entities=1).with_columns(
        volume=pl.when(pl.int_range(pl.len()) != 200).then("volume"),
        low=pl.when(pl.int_range(pl.len()) != 300).then("low"),
    )
    features, _ = engineer(panel, helpers.rule("volume", "momentum"))
    missing = {
        name: features[name].is_null().arg_true().to_list()[REGISTRY[name].warm_up :]
        for name in REGISTRY
        if name in features
    }
    assert missing["relative_volume_20"] == list(range(200, 220))
    assert missing["money_flow_14"] == [*range(200, 214), *range(300, 315)]
    assert missing["williams_r_14"] == list(range(300, 314))
    assert missing["cci_20"] == list(range(300, 320))
    assert missing["true_strength"] == []
    assert missing["return_1"] == []


# --- stationary: units cancel


@settings(deadline=None, max_examples=8)
@given(seed=st.integers(0, 1000), power=st.floats(-9, 9))
def test_the_unit_of_prices_cancels(helpers: SimpleNamespace, seed: int, power: float) -> None:
    """Alpha158 has an absolute constant in its definition and is left out."""
    panel = helpers.full_panel(seed, bars=380)
    rule = helpers.rule(*[name for name in helpers.families if name != "alpha158"])
    scaled = panel.with_columns(pl.col(BAR_PRICES) * 10.0**power)
    assert_close(engineer(panel, rule)[0], engineer(scaled, rule)[0])


@settings(deadline=None, max_examples=5)
@given(seed=st.integers(0, 1000), power=st.floats(-9, 9))
def test_the_unit_of_volume_cancels(helpers: SimpleNamespace, seed: int, power: float) -> None:
    panel = helpers.full_panel(seed, bars=200)
    scaled = panel.with_columns(pl.col(VOLUMES) * 10.0**power)
    readers = helpers.rule("volume", "market", "ranks", "derivatives")
    assert_close(engineer(panel, readers)[0], engineer(scaled, readers)[0])


def test_a_price_that_stands_still_gives_zero_or_null(helpers: SimpleNamespace) -> None:
    """Rounding noise must not be divided by rounding noise."""
    still = {name: pl.lit(0.1) for name in (*LEVELS, *VOLUMES, "trades")}
    panel = helpers.full_panel(entities=6, bars=400, stagger=0).with_columns(**still)
    elsewhere = ("alpha158", "calendar", "macro", "derivatives", "open_interest")
    families = [name for name in helpers.families if name not in elsewhere]
    features, _ = engineer(panel, helpers.rule(*families, max_stale_open_share=1))
    undefined = [name for name in features.columns[2:] if features[name].null_count() == features.height]
    assert {"bollinger_position_20", "skewness_60", "beta_60", "autocorrelation_60", "trend_r2_60"} <= set(undefined)
    defined = features.drop("entity", "time", *undefined).drop_nulls().select(pl.all().round(6)).unique()
    assert defined.height == 1
    values = {name: value for name, value in defined.row(0, named=True).items() if value}
    ranks = {name: 0.5 for name in values if REGISTRY[name].family == "ranks"}
    assert values == STANDSTILL | ranks


def test_a_steady_growth_has_no_shape(helpers: SimpleNamespace) -> None:
    """Equal returns differ by rounding only; that is no deviation to divide by."""
    panel = helpers.full_panel(entities=1, bars=90).with_columns(close=1.01 ** pl.int_range(pl.len()))
    features, _ = engineer(panel, helpers.rule("momentum", "volatility", "statistical"))
    for name in ("return_per_risk_20", "volatility_ratio_10_60", "skewness_60", "kurtosis_60", "variance_ratio_5_60"):
        assert features[name].null_count() == 90, name


# --- catalogue and rule


def test_the_catalogue_says_what_a_reader_needs(helpers: SimpleNamespace) -> None:
    panel = helpers.full_panel(entities=1, bars=101)
    _, description = engineer(panel, helpers.rule("momentum", exclude=("cci_20",)))
    entry = next(feature for feature in description["features"] if feature["name"] == "return_10")
    assert entry == {
        "name": "return_10",
        "family": "momentum",
        "definition": "Close over the close at lag 10, minus 1 (rate of change)",
        "window": 10,
        "unit": "simple return",
        "warm_up": 10,
        "sources": ["close"],
        "reference": "TA-Lib ROCP",
        "recursive": False,
        "coverage": pytest.approx(91 / 101),
    }
    assert "cci_20" not in {feature["name"] for feature in description["features"]}
    assert description["rule"]["families"] == ["momentum"]
    assert json.loads(json.dumps(description)) == description


def test_every_feature_is_documented() -> None:
    for feature in REGISTRY.values():
        assert not feature.definition[0].islower(), feature.name
        assert "{" not in feature.definition, feature.name
        assert feature.unit, feature.name
        assert feature.sources, feature.name
        assert feature.window >= 1, feature.name


def test_families_are_chosen_by_name() -> None:
    names = {feature.family for feature in catalogue(FeatureRule(families=("volume", "trend")))}
    assert names == {"trend", "volume"}
    assert catalogue(FeatureRule(families=("momentum",)))[0].name == "return_1"


@pytest.mark.parametrize(
    "rule", [{"families": ("momentum", "astrology")}, {"families": ("trend",), "exclude": ("moon",)}]
)
def test_unknown_names_are_refused_with_the_known_ones(helpers: SimpleNamespace, rule: dict[str, Any]) -> None:
    with pytest.raises(
        ConfigurationError, match=r"unknown name (astrology|moon)(.|\n)*expected(.|\n)*(momentum|one of 5\d\d names)"
    ):
        engineer(helpers.full_panel(bars=50), FeatureRule(**rule))


@pytest.mark.parametrize("limits", [{"min_entities": 1}, {"max_stale_open_share": 1.5}, {"colour": "blue"}])
def test_impossible_limits_are_refused(limits: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(limits))):
        FeatureRule(families=("trend",), **limits)


def test_a_panel_without_its_key_or_rows_is_refused(helpers: SimpleNamespace) -> None:
    panel = helpers.full_panel(bars=60)
    with pytest.raises(DataError, match="panel: lacks the column close"):
        engineer(panel.drop("close"), helpers.rule("trend"))
    with pytest.raises(DataError, match="panel: has no rows"):
        engineer(panel.clear(), helpers.rule("trend"))


# --- what a panel cannot provide


def test_features_of_absent_columns_are_disabled_with_the_reason(helpers: SimpleNamespace) -> None:
    panel = helpers.full_panel(bars=60).drop("vwap", "vix_close", "quote_volume")
    features, description = engineer(panel, helpers.rule("volume", "macro"))
    reasons = {entry["name"]: entry["reason"] for entry in description["disabled"]}
    assert reasons["bar_vwap_distance"] == "the panel has no column vwap"
    assert reasons["vwap_distance_20"] == "the panel has no column quote_volume"
    assert {name for name in reasons if "vix_close" in reasons[name]} == {
        feature.name for feature in load_family("macro") if "vix_close" in feature.sources
    }
    assert {"vix_distance_20", "variance_premium_20"} <= set(reasons)
    assert not set(reasons) & set(features.columns)
    assert "vix_age" in features.columns


def test_stale_opens_disable_what_reads_them(helpers: SimpleNamespace) -> None:
    panel = helpers.full_panel(entities=1, bars=200)
    stale = panel.with_columns(
        open=pl.when(pl.int_range(pl.len()) % 4 > 0).then(pl.col("close").shift(1)).otherwise("open")
    )
    readers = {feature.name for feature in REGISTRY.values() if "open" in feature.sources}
    assert {"garman_klass_20", "body", "gap", "KMID"} <= readers
    _, description = engineer(stale, helpers.rule())
    assert {entry["name"] for entry in description["disabled"]} == readers
    assert {entry["reason"] for entry in description["disabled"]} == {
        "open equals the previous close on 75.9% of rows, limit 20.0%"
    }
    assert engineer(stale, helpers.rule(max_stale_open_share=0.8))[1]["disabled"] == []
    assert engineer(panel, helpers.rule())[1]["disabled"] == []


def test_min_entities_decides_what_is_a_market(helpers: SimpleNamespace) -> None:
    panel = helpers.full_panel(entities=3, bars=100, stagger=0)
    coverage = {
        least: {
            entry["name"]: entry["coverage"]
            for entry in engineer(panel, helpers.rule("market", "ranks", min_entities=least))[1]["features"]
        }
        for least in (3, 4)
    }
    assert set(coverage[4].values()) == {0.0}
    assert coverage[3]["return_rank_1"] == pytest.approx(0.99)


# --- identity


def test_the_id_depends_on_every_part_of_a_definition() -> None:
    rule = FeatureRule(families=("momentum",))
    features = catalogue(rule)
    ids = {feature_set_id(features, rule), feature_set_id(features[1:], rule)}
    edits = {
        "name": "x",
        "family": "x",
        "definition": "x",
        "window": 99,
        "unit": "x",
        "warm_up": 99,
        "sources": ("x",),
        "reference": "x",
        "recursive": True,
    }
    assert set(edits) == {field.name for field in dataclasses.fields(Feature)} - {"intraday", "compute"}
    for name, value in edits.items():
        ids.add(feature_set_id([dataclasses.replace(features[0], **{name: value}), *features[1:]], rule))
    assert len(ids) == 2 + len(edits)
    assert all(len(one) == 16 and int(one, 16) for one in ids)


@pytest.mark.parametrize("change", [{"min_entities": 4}, {"max_stale_open_share": 0.3}, {"exclude": ("cci_20",)}])
def test_the_id_depends_on_the_rule(change: dict[str, Any]) -> None:
    rule = FeatureRule(families=("momentum",))
    features = catalogue(rule)
    assert feature_set_id(features, rule) != feature_set_id(features, rule.model_copy(update=change))


def test_the_id_depends_on_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    rule = FeatureRule(families=("momentum",))
    before = feature_set_id(catalogue(rule), rule)
    monkeypatch.setattr(engine, "ENGINE_VERSION", engine.ENGINE_VERSION + 1)
    assert feature_set_id(catalogue(rule), rule) != before


def test_the_id_depends_on_the_columns_and_their_order_but_not_on_data(helpers: SimpleNamespace) -> None:
    one = engineer(helpers.full_panel(1, bars=80), helpers.rule("trend", "volume"))[1]
    other = engineer(helpers.full_panel(2, entities=3, bars=50), helpers.rule("trend", "volume"))[1]
    assert one["feature_set_id"] == other["feature_set_id"]
    turned = engineer(helpers.full_panel(1, bars=80), helpers.rule("volume", "trend"))[1]
    poorer = engineer(helpers.full_panel(1, bars=80).drop("vwap"), helpers.rule("trend", "volume"))[1]
    assert len({one["feature_set_id"], turned["feature_set_id"], poorer["feature_set_id"]}) == 3


def test_hours_are_only_for_bars_within_the_day(helpers: SimpleNamespace) -> None:
    panel = helpers.full_panel(entities=1, bars=60, every=timedelta(days=1))
    disabled = {entry["name"] for entry in engineer(panel, helpers.rule())[1]["disabled"]}
    assert disabled == {feature.name for feature in REGISTRY.values() if feature.intraday}
    assert {"hour_sin", "hour_cos"} <= disabled


def test_what_other_families_offer_may_be_excluded_too() -> None:
    rule = FeatureRule(families=("trend",), exclude=("breadth", "adx_14"))
    names = [feature.name for feature in catalogue(rule)]
    assert "adx_14" not in names
    assert "sma_distance_20" in names


def test_a_time_frame_as_long_as_the_bars_is_left_out_and_said(helpers: SimpleNamespace) -> None:
    panel = helpers.market_panel(entities=1, bars=60, every=timedelta(days=1))
    rule = FeatureRule(families=("calendar",), timeframes={timedelta(days=1): ("return_1",)})
    features, described = engineer(panel, rule)
    reasons = {entry["name"]: entry["reason"] for entry in described["disabled"]}
    assert "return_1_1d" not in features.columns
    assert "as long as those of its time frame, 1d" in reasons["return_1_1d"]
