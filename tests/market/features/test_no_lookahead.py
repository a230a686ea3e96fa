"""Features use the past only: cutting the future away changes no bit of what came before. Planted leaks are caught."""

from datetime import timedelta
from functools import partial
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.market.features import FeatureRule, engineer
from assay.market.features.compute import compute
from assay.market.features.family import Family
from assay.market.features.feature import REGISTRY, Array, Feature
from assay.market.features.universe import OTHERS_RETURN

CLOSE = pl.col("close")
LEAKS = {
    "next bar": CLOSE.shift(-1) / CLOSE - 1,
    "one bar of a window": CLOSE.shift(-1).rolling_mean(20) / CLOSE,
    "centred window": CLOSE.rolling_mean(21, center=True) / CLOSE,
    "scaled with the whole sample": (CLOSE - CLOSE.mean()) / CLOSE.std(),
    "filled backward": pl.col("funding_rate").backward_fill(),
    "counted from the end": pl.len() - pl.int_range(pl.len()),
    "next bar of the market": pl.col(OTHERS_RETURN).shift(-1),
    "whole-sample quantile": (CLOSE.quantile(0.8) < CLOSE).cast(pl.Float64),
    "rare event": pl.when(CLOSE / CLOSE.shift(1) > 1.02).then(CLOSE.shift(-1) / CLOSE).otherwise(0.0),
}
CLEAN = {
    "expanding mean": CLOSE.cum_sum() / CLOSE.cum_count() / CLOSE,
    "filled forward": pl.col("funding_rate").forward_fill(),
    "counted from the start": pl.int_range(pl.len()) * 1.0,
}


@settings(deadline=None, max_examples=12)
@given(seed=st.integers(0, 10_000), share=st.floats(0.02, 1), holes=st.sampled_from([0.0, 0.03]))
def test_no_feature_changes_when_the_future_is_cut_away(
    helpers: SimpleNamespace, seed: int, share: float, holes: float
) -> None:
    panel = helpers.full_panel(seed, holes=holes)
    times = panel["time"].unique().sort()
    cut = times[int(share * (len(times) - 1))]
    compute_all = partial(_features, rule=helpers.rule(max_stale_open_share=1))
    assert helpers.looking_ahead(compute_all, panel, cut) == []


def test_every_cut_of_a_short_panel(helpers: SimpleNamespace) -> None:
    panel = helpers.full_panel(3, entities=5, bars=26, stagger=4, holes=0.05)
    rule = helpers.rule(max_stale_open_share=1)
    whole = _features(panel, rule)
    for cut in panel["time"].unique()[1:]:
        past = pl.col("time") <= cut
        assert helpers.different(whole.filter(past), _features(panel.filter(past), rule)) == []


def test_another_future_leaves_the_past_alone(helpers: SimpleNamespace) -> None:
    panel = helpers.full_panel(5)
    cut = panel["time"].unique().sort()[300]
    later = pl.col("time") > cut
    numbers = [name for name, dtype in panel.schema.items() if dtype == pl.Float64]
    noise = np.exp(np.random.default_rng(0).normal(0, 1, panel.height))
    other = panel.with_columns(pl.when(later).then(pl.col(name) * pl.Series(noise)).otherwise(name) for name in numbers)
    before, after = (_features(table, helpers.rule(max_stale_open_share=1)).filter(~later) for table in (panel, other))
    assert helpers.different(before, after) == []


def test_an_entity_that_is_listed_later_changes_nothing_before(helpers: SimpleNamespace) -> None:
    panel = helpers.full_panel(5, stagger=40)
    listed = panel.filter(pl.col("entity") == "E5")["time"].min()
    before = pl.col("time") < listed
    with_it, without = (
        _features(table, helpers.rule(max_stale_open_share=1)).filter(before)
        for table in (panel, panel.filter(pl.col("entity") != "E5"))
    )
    assert helpers.different(with_it, without) == []


@pytest.mark.parametrize("kind", ["expression", "rank"])
@pytest.mark.parametrize("leak", LEAKS)
def test_planted_leaks_are_caught(helpers: SimpleNamespace, registry: dict[str, Feature], leak: str, kind: str) -> None:
    assert _found(helpers, registry, kind, LEAKS[leak])


@pytest.mark.parametrize("kind", ["expression", "rank"])
@pytest.mark.parametrize("clean", CLEAN)
def test_clean_features_are_not_accused(
    helpers: SimpleNamespace, registry: dict[str, Feature], clean: str, kind: str
) -> None:
    assert not _found(helpers, registry, kind, CLEAN[clean])


def test_a_leak_in_an_array_function_is_caught(helpers: SimpleNamespace, registry: dict[str, Feature]) -> None:
    def planted(close: Array) -> Array:
        """Close of the next bar."""
        return np.r_[close[1:], np.nan] / close

    Family("planted").arrays(unit="ratio")(planted)
    assert _flagged(helpers, registry["planted"])


def test_the_check_sees_a_single_bit(helpers: SimpleNamespace) -> None:
    """A float32 that moves by its last place counts as another value."""
    panel = helpers.full_panel(1, entities=1, bars=5)

    def whisper(table: pl.DataFrame) -> pl.DataFrame:
        values = table.select("entity", "time", close=CLOSE.cast(pl.Float32))
        nudged = np.nextafter(values["close"].to_numpy(), np.float32(np.inf))
        return values if table.height < 5 else values.with_columns(close=pl.Series(nudged))

    assert helpers.looking_ahead(whisper, panel, panel["time"][3]) == ["close"]


def _features(panel: pl.DataFrame, rule: FeatureRule) -> pl.DataFrame:
    return engineer(panel, rule)[0]


def _found(helpers: SimpleNamespace, registry: dict[str, Feature], kind: str, expression: pl.Expr) -> bool:
    def planted() -> pl.Expr:
        """Planted for this test."""
        return expression

    getattr(Family("planted"), kind)(unit="ratio")(planted)
    return _flagged(helpers, registry["planted"])


def _flagged(helpers: SimpleNamespace, feature: Feature) -> bool:
    panel = helpers.full_panel(2, bars=160, holes=0.02)
    times = panel["time"].unique().sort()
    features = [feature, REGISTRY["return_1"]]
    for cut in times[60:150]:
        found = helpers.looking_ahead(lambda table: compute(table, features, min_entities=5), panel, cut)
        assert "return_1" not in found
        if found:
            return True
    return False


def test_daily_panels_keep_their_columns_under_cuts(helpers: SimpleNamespace) -> None:
    panel = helpers.full_panel(4, entities=2, bars=80, every=timedelta(days=1))
    compute_all = partial(_features, rule=helpers.rule(max_stale_open_share=1))
    assert helpers.looking_ahead(compute_all, panel, panel["time"].unique().sort()[50]) == []
