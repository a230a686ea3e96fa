"""Market features against slow loops over a dictionary of bars, and a market small enough for mental arithmetic."""

from datetime import datetime
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from assay.market.features import engineer
from assay.market.features.feature import REGISTRY


def test_the_market_leaves_the_entity_out(helpers: SimpleNamespace, universe: SimpleNamespace) -> None:
    panel = universe.tiny({"A": [100, 110], "B": [100, 120], "C": [100, 90]})
    features, _ = engineer(panel, helpers.rule("market", min_entities=3))
    assert universe.by_entity(features, "others_return_1") == {
        "A": pytest.approx([None, 0.05]),
        "B": pytest.approx([None, 0.0], abs=1e-7),
        "C": pytest.approx([None, 0.15]),
    }
    assert universe.by_entity(features, "relative_return_1")["C"] == pytest.approx([None, -0.25])
    assert universe.by_entity(features, "breadth") == {"A": [None, 0.5], "B": [None, 0.5], "C": [None, 1.0]}


def test_too_few_entities_are_no_market(helpers: SimpleNamespace, universe: SimpleNamespace) -> None:
    panel = universe.tiny({"A": [100, 110, 120], "B": [100, 120, 130], "C": [None, 90, 80]})
    features, _ = engineer(panel, helpers.rule("market", min_entities=3))
    for name in ("others_return_1", "relative_return_1", "breadth"):
        assert [value is None for value in universe.by_entity(features, name)["A"]] == [True, True, False], name


def test_returns_across_a_gap_belong_to_no_market(helpers: SimpleNamespace, universe: SimpleNamespace) -> None:
    panel = universe.tiny({"A": [100, 110, 121], "B": [100, None, 150], "C": [100, 100, 110], "D": [100, 110, 110]})
    features, _ = engineer(panel, helpers.rule("market", min_entities=3))
    assert universe.by_entity(features, "others_return_1")["A"] == pytest.approx([None, 0.05, 0.05])
    assert universe.by_entity(features, "others_return_1")["B"] == [None, None]


# --- slow loops over the shared market, with holes and staggered listings


def others(own: dict[datetime, dict[str, float]], entity: str, time: datetime, *, fewest: int = 5) -> Any:
    """Returns of the other entities at a time; empty where there is no market."""
    present = own.get(time, {})
    return [r for e, r in present.items() if e != entity] if entity in present and len(present) >= fewest else []


def pairs(own: dict[datetime, dict[str, float]], entity: str, times: list[datetime]) -> Any:
    """Own and others' mean returns at times, NaN where undefined."""
    rest = [others(own, entity, t) for t in times]
    return np.array(
        [(own.get(t, {}).get(entity, np.nan), np.mean(r) if r else np.nan) for t, r in zip(times, rest, strict=True)]
    ).T


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
def holed(helpers: SimpleNamespace, universe: SimpleNamespace) -> tuple[pl.DataFrame, Any]:
    """Features of a market with a few missing bars, and the returns in it."""
    panel = helpers.market_panel(11, entities=6, bars=240, holes=0.0006)
    return engineer(panel, helpers.rule("market"))[0], universe.own_returns(panel)


@pytest.mark.parametrize("name", ORACLES)
def test_agrees_with_the_slow_loop(holed: tuple[pl.DataFrame, Any], name: str) -> None:
    features, own = holed
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


def test_every_feature_has_an_oracle() -> None:
    assert set(ORACLES) == {f.name for f in REGISTRY.values() if f.family == "market"}
