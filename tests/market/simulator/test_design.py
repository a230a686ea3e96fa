"""Inputs and outcomes that go by no bars: rows, lags, labels and noise."""

from typing import Any

import numpy as np
import pytest

from assay.market.execution import Execution
from assay.market.simulator import MarketRule, design, simulate

PLAIN: dict[str, Any] = {"symbols": 4, "bars": 3_000, "listings": 0, "delistings": 0}


def test_each_row_holds_what_was_known_and_what_came() -> None:
    market = simulate(MarketRule(**PLAIN))
    found = design(market, noise=2)
    assert found.names == ["open_interest", "funding", "activity", "noise_0", "noise_1"]
    assert found.X.shape == (4 * 2_999, 5)
    assert found.X.dtype == np.float32
    assert np.allclose(found.X[:, :2], market.paths.published[:2, :, :-1].reshape(2, -1).T, atol=1e-6)
    assert np.array_equal(found.signal, market.paths.signal[:, :-1].ravel())
    assert np.allclose(found.returns, market.paths.returns[:, 1:].ravel())
    scaled = market.paths.returns / market.paths.volatility(market.rule)
    assert np.allclose(found.y, scaled[:, 1:].ravel())
    last = market.truth.filter(market.truth["volatility"].is_not_null())
    assert found.keys.equals(last.select("entity", "time"))


@pytest.mark.parametrize(("execution", "wait"), [(Execution(delay=2), 2), (Execution(price="open", delay=2), 1)])
def test_horizon_and_execution_are_those_of_the_label(execution: Execution, wait: int) -> None:
    market = simulate(MarketRule(**PLAIN))
    found = design(market, noise=0, horizon=3, execution=execution)
    moves = market.paths.returns
    slow = [moves[s, k + wait + 1 : k + wait + 4].sum() for s in range(4) for k in range(3_000 - wait - 3)]
    assert np.allclose(found.returns, slow)
    closes = market.bars["close"].to_numpy().reshape(4, -1)
    assert np.allclose(found.returns[:50], np.log(closes[0, wait + 3 : wait + 53] / closes[0, wait : wait + 50]))


def test_only_listed_rows_are_there() -> None:
    market = simulate(MarketRule(symbols=6, bars=1_000, gaps=0.02))
    found = design(market, noise=1)
    assert len(found.X) == len(found.y) == found.keys.height == market.listed[:, :-1].sum()
    joined = found.keys.join(market.truth, on=["entity", "time"], how="left", maintain_order="left")
    assert np.allclose(joined["signal"], found.signal)


def test_noise_has_the_memory_of_the_feeds_and_knows_nothing() -> None:
    market = simulate(MarketRule(ic=0.3, symbols=10, bars=10_000, listings=0, delistings=0))
    found = design(market, noise=6)
    rows = found.X.reshape(10, -1, 9)
    memory = [np.corrcoef(rows[:, :-1, j].ravel(), rows[:, 1:, j].ravel())[0, 1] for j in range(9)]
    assert memory[3::2] == pytest.approx([0.95] * 3, abs=0.01)
    assert memory[4::2] == pytest.approx([0.90] * 3, abs=0.01)
    assert memory[:2] == pytest.approx([0.96, 0.92], abs=0.02)
    assert found.X[:, 3:].std(axis=0) == pytest.approx(np.ones(6), abs=0.05)
    known = [np.corrcoef(found.X[:, j], found.y)[0, 1] for j in range(9)]
    assert np.abs(known[3:]).max() < 4 / len(found.y) ** 0.5
    assert abs(known[0]) > 0.1
    assert np.abs(np.corrcoef(found.X[:, 3:].T)[np.triu_indices(6, 1)]).max() < 0.12


def test_activity_shows_the_regime_with_an_error() -> None:
    market = simulate(MarketRule(**PLAIN))
    error = design(market, noise=0).X[:, 2] - market.paths.regime[:, :-1].ravel()
    assert error.mean() == pytest.approx(0, abs=0.02)
    assert error.std() == pytest.approx(0.4, abs=0.02)
