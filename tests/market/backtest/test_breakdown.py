"""Months, entities and episodes of a book, against slow loops."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.market.backtest.breakdown import by_entity, episodes, monthly

HOUR = timedelta(hours=1)


def test_a_month_ends_with_the_bar_that_closes_at_midnight() -> None:
    times = [datetime(2024, 1, 31, 22, tzinfo=UTC) + HOUR * n for n in range(4)] + [datetime(2024, 4, 9, tzinfo=UTC)]
    book = pl.DataFrame({"time": times, "ret": [0.1, 0.2, 0.4, 0.8, 1.6]})
    assert monthly(book) == [
        {"month": "2024-01", "ret": pytest.approx(0.7)},
        {"month": "2024-02", "ret": 0.8},
        {"month": "2024-04", "ret": 1.6},
    ]


def test_entities_are_told_on_their_own_capital() -> None:
    pnl = np.random.default_rng(0).normal(0, 0.01, (2, 50))
    ledger = pl.DataFrame({"entity": ["B"] * 50 + ["A"] * 50 + ["C"] * 50, "pnl": [*pnl.ravel(), *([0.0] * 50)]})
    found = by_entity(ledger, bars_per_year=100)
    assert [row["name"] for row in found] == ["B", "A", "C"]
    for row, own in zip(found, pnl, strict=False):
        assert row["ret"] == pytest.approx(own.sum())
        assert row["sharpe"] == pytest.approx(own.mean() / own.std(ddof=1) * 10)
    assert found[2] == {"name": "C", "ret": 0.0, "sharpe": None}


@settings(deadline=None, max_examples=50)
@given(exposures=st.lists(st.sampled_from([0.0, 1e-13, 0.1, 0.3, 1.0]), max_size=60), horizon=st.integers(1, 7))
def test_episodes_are_the_equal_bets_that_a_book_is_worth(exposures: list[float], horizon: int) -> None:
    risks, bets, free_from = [size**2 if size > 0.01 else 0.0 for size in exposures], [], 0
    for bar, risk in enumerate(risks):
        if risk > 0 and risk >= 0.1 * sum(risks) / len(risks) and bar >= free_from:
            bets.append(sum(risks[bar : bar + horizon]))
            free_from = bar + horizon
    worth = sum(bets) ** 2 / sum(bet**2 for bet in bets) if bets else 0.0
    book = pl.DataFrame({"exposure": exposures}, schema={"exposure": pl.Float64})
    assert episodes(book, horizon=horizon) == pytest.approx(worth, abs=0.5 + 1e-9)


def test_crumbs_between_a_few_large_bets_are_no_episodes() -> None:
    exposure = np.full(3000, 1e-4)
    for start in range(300, 2800, 500):
        exposure[start : start + 5] = 1.0
    assert episodes(pl.DataFrame({"exposure": exposure}), horizon=5) == 5


def test_a_single_decision_is_one_episode_and_a_full_book_one_per_horizon() -> None:
    book = pl.DataFrame({"exposure": [0.0] * 5 + [1.0] * 4 + [0.0] * 11})
    assert episodes(book, horizon=4) == 1
    assert episodes(book, horizon=2) == 2
    assert episodes(pl.DataFrame({"exposure": [1.0] * 20}), horizon=4) == 5
