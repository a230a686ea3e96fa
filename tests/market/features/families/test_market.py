"""Market features against slow loops over a dictionary of bars, and a market small enough for mental arithmetic."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from assay.market.features import engineer
from assay.market.features.feature import REGISTRY

START = datetime(2022, 1, 3, tzinfo=UTC)


def tiny(closes: dict[str, list[float | None]]) -> Any:
    """Panel of daily closes by entity; None where there is no bar."""
    rows = [
        {"entity": entity, "time": START + timedelta(days=day), "close": float(close), "volume": 1.0}
        for entity, series in closes.items()
        for day, close in enumerate(series)
        if close is not None
    ]
    return pl.DataFrame(rows).with_columns(pl.col("time").cast(pl.Datetime("us", "UTC")))


def by_entity(features: pl.DataFrame, name: str) -> Any:
    return {entity: rows[name].to_list() for (entity,), rows in features.group_by("entity", maintain_order=True)}


def test_the_market_leaves_the_entity_out(helpers: SimpleNamespace) -> None:
    panel = tiny({"A": [100, 110], "B": [100, 120], "C": [100, 90]})
    features, _ = engineer(panel, helpers.rule("market", min_entities=3))
    assert by_entity(features, "others_return_1") == {
        "A": pytest.approx([None, 0.05]),
        "B": pytest.approx([None, 0.0], abs=1e-7),
        "C": pytest.approx([None, 0.15]),
    }
    assert by_entity(features, "relative_return_1")["C"] == pytest.approx([None, -0.25])
    assert by_entity(features, "breadth") == {"A": [None, 0.5], "B": [None, 0.5], "C": [None, 1.0]}
    assert by_entity(features, "return_rank_1") == {
        "A": pytest.approx([None, 0.5]),
        "B": pytest.approx([None, 2.5 / 3]),
        "C": pytest.approx([None, 0.5 / 3]),
    }


def test_equal_returns_share_their_rank(helpers: SimpleNamespace) -> None:
    panel = tiny({"A": [100, 110], "B": [100, 110], "C": [100, 90]})
    features, _ = engineer(panel, helpers.rule("market", min_entities=2))
    assert by_entity(features, "return_rank_1")["A"] == by_entity(features, "return_rank_1")["B"]
    assert by_entity(features, "return_rank_1")["A"][1] == pytest.approx(2 / 3)


def test_too_few_entities_are_no_market(helpers: SimpleNamespace) -> None:
    panel = tiny({"A": [100, 110, 120], "B": [100, 120, 130], "C": [None, 90, 80]})
    features, _ = engineer(panel, helpers.rule("market", min_entities=3))
    for name in ("others_return_1", "relative_return_1", "breadth", "return_rank_1"):
        assert [value is None for value in by_entity(features, name)["A"]] == [True, True, False], name


def test_returns_across_a_gap_belong_to_no_market(helpers: SimpleNamespace) -> None:
    panel = tiny({"A": [100, 110, 121], "B": [100, None, 150], "C": [100, 100, 110], "D": [100, 110, 110]})
    features, _ = engineer(panel, helpers.rule("market", min_entities=3))
    assert by_entity(features, "others_return_1")["A"] == pytest.approx([None, 0.05, 0.05])
    assert by_entity(features, "others_return_1")["B"] == [None, None]
    assert by_entity(features, "return_rank_1")["B"] == [None, None]
    assert by_entity(features, "return_rank_1")["D"][2] == pytest.approx(0.5 / 3)


# --- slow loops over the shared market, with holes and staggered listings


def own_returns(panel: pl.DataFrame) -> Any:
    times = panel["time"].unique().sort().to_list()
    before = dict(zip(times[1:], times, strict=False))
    close = {(e, t): c for e, t, c in panel.select("entity", "time", "close").iter_rows()}
    return {(e, t): c / close[e, before[t]] - 1 for (e, t), c in close.items() if (e, before.get(t)) in close}


def others(own: dict[tuple[str, datetime], float], entity: str, time: datetime, *, fewest: int = 5) -> Any:
    """Returns of the other entities at a time; empty where there is no market."""
    present = {e: r for (e, t), r in own.items() if t == time}
    return [r for e, r in present.items() if e != entity] if entity in present and len(present) >= fewest else []


def pairs(own: dict[tuple[str, datetime], float], entity: str, times: list[datetime]) -> Any:
    """Own and others' mean returns at times, NaN where undefined."""
    return np.array(
        [(own.get((entity, t), np.nan), np.mean(rest) if (rest := others(own, entity, t)) else np.nan) for t in times]
    ).T


def rank(values: Any, entity: str) -> Any:
    valid = {e: v for e, v in values.items() if np.isfinite(v)}
    if entity not in valid or len(valid) < 5:
        return np.nan
    below = sum(v < valid[entity] for v in valid.values())
    ties = sum(v == valid[entity] for v in valid.values())
    return (below + ties / 2) / len(valid)


def window_sum(n: int) -> Any:
    return lambda own, entity, times: (
        sum(own.get((entity, t), np.nan) for t in times[-n:]) if len(times) > n else np.nan
    )


def of_pairs(n: int, formula: Any) -> Any:
    """An oracle of the entity's returns and the others' mean returns at the last n times."""
    return lambda own, entity, times: formula(*pairs(own, entity, times[-n:]))


def slope(values: Any, returns: Any) -> Any:
    return np.cov(values, returns)[0, 1] / np.var(returns, ddof=1)


def strength(values: Any, returns: Any) -> Any:
    gap = values - returns
    return gap.sum() / (gap.std(ddof=1) * np.sqrt(len(gap)))


def residual(n: int) -> Any:
    return of_pairs(60, lambda values, returns: values[-n:].sum() - slope(values, returns) * returns[-n:].sum())


def residual_volatility(values: Any, returns: Any) -> Any:
    left = values - slope(values, returns) * returns
    return left.std(ddof=1)


def lagged(own: Any, entity: str, times: Any) -> Any:
    return slope(pairs(own, entity, times[-60:])[0], pairs(own, entity, times[-61:-1])[1])


def rising(own: Any, entity: str, times: Any) -> Any:
    return np.mean([np.mean(np.array(rest) > 0) if (rest := others(own, entity, t)) else np.nan for t in times])


def each(name: str, formula: Any, *windows: int) -> Any:
    return {f"{name}_{n}": of_pairs(n, formula) for n in windows}


ORACLES = {
    **each("others_return", lambda _, returns: returns.sum(), 1, 5, 20, 60),
    **each("others_volatility", lambda _, returns: returns.std(ddof=1), 20, 60),
    **each("relative_return", lambda values, returns: (values - returns).sum(), 1, 5, 20, 60),
    **each("relative_strength", strength, 20, 60),
    **each("beta", slope, 60, 120),
    **each("downside_beta", lambda values, returns: slope(values, np.minimum(returns, 0)), 120),
    "lagged_beta_60": lagged,
    **each("market_correlation", lambda values, returns: np.corrcoef(values, returns)[0, 1], 20, 60),
    **{f"residual_return_{n}": residual(n) for n in (1, 5, 20)},
    **each("residual_volatility", residual_volatility, 60),
    **each("relative_volatility", lambda values, returns: np.log(values.std() / returns.std()), 20, 60),
    **each(
        "relative_return_zscore",
        lambda values, returns: ((values - returns)[-1] - (values - returns).mean()) / (values - returns).std(ddof=1),
        20,
    ),
    "breadth": lambda own, e, t: rising(own, e, t[-1:]),
    **{f"breadth_mean_{n}": lambda own, e, t, n=n: rising(own, e, t[-n:]) for n in (5, 20)},
}


@pytest.fixture(scope="module")
def holed(helpers: SimpleNamespace) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A market with a few missing bars, and its features."""
    panel = helpers.market_panel(11, entities=6, bars=240, holes=0.0006)
    return panel, engineer(panel, helpers.rule("market"))[0]


@pytest.mark.parametrize("name", ORACLES)
def test_agrees_with_the_slow_loop(holed: tuple[pl.DataFrame, pl.DataFrame], name: str) -> None:
    panel, features = holed
    own = own_returns(panel)
    seen = 0
    for entity in ("E0", "E5"):
        column = features.filter(pl.col("entity") == entity)
        times = column["time"].to_list()
        for row in range(REGISTRY[name].warm_up, len(times), 7):
            expected = ORACLES[name](own, entity, times[: row + 1])
            seen += np.isfinite(expected)
            got = column[name][row]
            assert (np.nan if got is None else got) == pytest.approx(expected, rel=1e-4, abs=1e-7, nan_ok=True)
    assert seen > 10


RETURN_RANKS = (1, 5, 20, 60)


@pytest.mark.parametrize("n", RETURN_RANKS)
def test_ranks_of_returns_agree_with_the_slow_loop(helpers: SimpleNamespace, n: int) -> None:
    panel = helpers.market_panel(11, entities=7, bars=120, holes=0.01)
    features, _ = engineer(panel, helpers.rule("market"))
    own = own_returns(panel)
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
    features, _ = engineer(panel, helpers.rule("market"))
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
        features, _ = engineer(panel, helpers.rule("market", min_entities=fewest))
        last = features.filter(pl.col("time") == pl.col("time").max()).sort("entity")
        assert last["volume_rank_20"].is_not_null().to_list() == known


def test_every_feature_has_an_oracle() -> None:
    ranks = {*RANKS, *(f"return_rank_{n}" for n in RETURN_RANKS)}
    assert {*ORACLES, *ranks} == {f.name for f in REGISTRY.values() if f.family == "market"}
