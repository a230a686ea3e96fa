"""Ranks against counting, and a market small enough for mental arithmetic."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from assay.market.features import engineer
from assay.market.features.feature import REGISTRY


def test_a_rank_is_the_share_below_and_half_of_the_own(helpers: SimpleNamespace, universe: SimpleNamespace) -> None:
    panel = universe.tiny({"A": [100, 110], "B": [100, 120], "C": [100, 90]})
    features, _ = engineer(panel, helpers.rule("ranks", min_entities=3))
    assert universe.by_entity(features, "return_rank_1") == {
        "A": pytest.approx([None, 0.5]),
        "B": pytest.approx([None, 2.5 / 3]),
        "C": pytest.approx([None, 0.5 / 3]),
    }


def test_equal_returns_share_their_rank(helpers: SimpleNamespace, universe: SimpleNamespace) -> None:
    panel = universe.tiny({"A": [100, 110], "B": [100, 110], "C": [100, 90]})
    features, _ = engineer(panel, helpers.rule("ranks", min_entities=2))
    ranked = universe.by_entity(features, "return_rank_1")
    assert ranked["A"] == ranked["B"] == pytest.approx([None, 2 / 3])


def test_too_few_entities_have_no_order(helpers: SimpleNamespace, universe: SimpleNamespace) -> None:
    panel = universe.tiny({"A": [100, 110, 120], "B": [100, 120, 130], "C": [None, 90, 80]})
    features, _ = engineer(panel, helpers.rule("ranks", min_entities=3))
    assert [value is None for value in universe.by_entity(features, "return_rank_1")["A"]] == [True, True, False]


def test_returns_across_a_gap_are_not_ranked(helpers: SimpleNamespace, universe: SimpleNamespace) -> None:
    panel = universe.tiny({"A": [100, 110, 121], "B": [100, None, 150], "C": [100, 100, 110], "D": [100, 110, 110]})
    features, _ = engineer(panel, helpers.rule("ranks", min_entities=3))
    ranked = universe.by_entity(features, "return_rank_1")
    assert ranked["B"] == [None, None]
    assert ranked["D"][2] == pytest.approx(0.5 / 3)


# --- slow loops over the shared market, with holes and staggered listings


def rank(values: Any, entity: str) -> Any:
    valid = {e: v for e, v in values.items() if np.isfinite(v)}
    if entity not in valid or len(valid) < 5:
        return np.nan
    below = sum(v < valid[entity] for v in valid.values())
    ties = sum(v == valid[entity] for v in valid.values())
    return (below + ties / 2) / len(valid)


def window_sum(n: int) -> Any:
    return lambda own, entity, times: (
        sum(own.get(t, {}).get(entity, np.nan) for t in times[-n:]) if len(times) > n else np.nan
    )


RETURN_RANKS = (1, 5, 20, 60)


@pytest.mark.parametrize("n", RETURN_RANKS)
def test_ranks_of_returns_agree_with_the_slow_loop(helpers: SimpleNamespace, universe: SimpleNamespace, n: int) -> None:
    panel = helpers.market_panel(11, entities=7, bars=120, holes=0.01)
    features, _ = engineer(panel, helpers.rule("ranks"))
    own = universe.own_returns(panel)
    entities = panel["entity"].unique().to_list()
    history = {e: panel.filter(pl.col("entity") == e)["time"].to_list() for e in entities}
    for time in history["E6"][::9]:
        sums = {e: window_sum(n)(own, e, [t for t in history[e] if t <= time]) for e in entities if time in history[e]}
        for entity in sums:
            got = features.row(by_predicate=(pl.col("entity") == entity) & (pl.col("time") == time), named=True)
            expected = rank(sums, entity)
            assert (got[f"return_rank_{n}"] is None) == np.isnan(expected)
            assert got[f"return_rank_{n}"] == (None if np.isnan(expected) else pytest.approx(expected, abs=1e-6))


RANKS = {
    **{f"volatility_rank_{n}": lambda b, n=n: (b.close[-n:] / b.close[-n - 1 : -1]).std() for n in (20, 60)},
    "drawdown_rank_60": lambda b: b.close[-1] / b.high[-60:].max(),
    "volume_rank_20": lambda b: b.volume[-1] / b.volume[-20:].mean(),
    "illiquidity_rank_20": lambda b: ((b.high / b.low - 1) / (b.close * b.volume))[-20:].mean(),
    "funding_rank": lambda b: b.funding_rate[-1],
    "open_interest_change_rank_30": lambda b: b.open_interest_amount[-1] / b.open_interest_amount[-31],
}


@pytest.mark.parametrize("name", RANKS)
def test_ranks_agree_with_the_slow_loop(helpers: SimpleNamespace, name: str) -> None:
    panel = helpers.market_panel(11, entities=6, bars=120)
    noise = np.random.default_rng(8).normal(1, 0.1, panel.height)
    panel = panel.with_columns(funding_rate=pl.col("funding_rate") * pl.Series(noise))
    features, _ = engineer(panel, helpers.rule("ranks"))
    values = {
        entity: RANKS[name](SimpleNamespace(**{column: rows[column].to_numpy() for column in rows.columns}))
        for (entity,), rows in panel.group_by("entity")
    }
    got = dict(features.filter(pl.col("time") == panel["time"].max()).select("entity", name).iter_rows())
    assert len(set(got.values())) == 6
    assert got == pytest.approx({entity: rank(values, entity) for entity in values})


def test_an_entity_without_a_value_is_not_counted_in_a_rank(helpers: SimpleNamespace) -> None:
    panel = helpers.market_panel(entities=5, bars=60).with_columns(
        volume=pl.when(pl.col("entity") != "E1").then("volume").otherwise(0.0)
    )
    for fewest, known in [(4, [True, False, True, True, True]), (5, [False] * 5)]:
        features, _ = engineer(panel, helpers.rule("ranks", min_entities=fewest))
        last = features.filter(pl.col("time") == pl.col("time").max()).sort("entity")
        assert last["volume_rank_20"].is_not_null().to_list() == known


def test_every_feature_has_an_oracle() -> None:
    ranks = {*RANKS, *(f"return_rank_{n}" for n in RETURN_RANKS)}
    assert ranks == {f.name for f in REGISTRY.values() if f.family == "ranks"}
