"""What is left of a book at other costs and with more capital, against books that are traded again."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from assay.market.backtest import BacktestSetup, bars_per_year, performance, portfolio, run_ledger
from assay.market.backtest.stress import MULTIPLES, break_even, capacity, stress
from assay.market.costs import Costs, Funding
from assay.market.execution import Execution

HOUR = timedelta(hours=1)
CAPITAL = 1e6


def bars() -> pl.DataFrame:
    rng = np.random.default_rng(0)
    close = 100 * np.exp(rng.normal(0, 0.01, 400).cumsum())
    times = pl.Series([datetime(2024, 1, 1, tzinfo=UTC) + HOUR * n for n in range(400)])
    prices = dict.fromkeys(("open", "high", "low", "close"), close)
    table = pl.DataFrame({"entity": "A", "time": times, **prices, "volume": 1e6 * rng.uniform(0.5, 2, 400)})
    return table.with_columns(pl.col("time").cast(pl.Datetime("us", "UTC")))


def book(*, multiple: float = 1.0, capital: float | None = CAPITAL, right: float = 0.6, **costs: Any) -> pl.DataFrame:
    """A book that calls the next return right more often than not, at a multiple of the trading costs."""
    market = bars()
    up = market["close"].shift(-2) > market["close"].shift(-1)
    wrong = np.random.default_rng(1).random(len(up)) > right
    weight = (up.fill_null(value=True).cast(pl.Float64) * 2 - 1) * pl.Series(np.where(wrong, -1.0, 1.0))
    decisions = market.select("entity", "time", weight=weight)[60:]
    charged = {"fee_bp": 2.0, "half_spread_bp": 1.0, "impact": 0.5} | costs
    priced = Costs(borrow_bp=300, **{name: value * multiple for name, value in charged.items()})
    paid = Funding(kind="assumed", rate=1e-5, interval=8 * HOUR)
    setup = BacktestSetup(2, Execution(), priced, paid, capital=capital)
    return portfolio(run_ledger(market, decisions, setup=setup, settlements=None))


def test_the_curve_is_that_of_books_traded_at_each_multiple() -> None:
    year = bars_per_year(book()["time"])
    found = stress(book(), bars_per_year=year)
    assert [row["multiple"] for row in found] == list(MULTIPLES) == [0, 0.5, 1, 2, 3, 4]
    for row in found:
        multiple = row["multiple"]
        assert multiple is not None
        expected = performance(book(multiple=multiple), bars_per_year=year)
        assert row["sharpe"] == pytest.approx(expected["sharpe"])
        assert row["annual_return"] == pytest.approx(expected["annual_return"])
    falling = [row["sharpe"] for row in found]
    assert falling == sorted(falling, reverse=True)  # type: ignore[type-var]


def test_at_the_break_even_cost_the_book_ends_where_it_began() -> None:
    level = break_even(book())
    assert level is not None
    assert level > 0
    even = book(fee_bp=level, half_spread_bp=0.0, impact=0.0)
    assert even["ret"].sum() == pytest.approx(0, abs=1e-12)
    losing = break_even(book(right=0.3))
    assert losing is not None
    assert losing < 0


def test_at_its_capacity_impact_takes_all_that_the_book_earns() -> None:
    whole = book(right=0.8, fee_bp=0.5)
    found = capacity(whole, CAPITAL)
    assert f"{found['capital']:,.0f}" in found["said"]
    at_capacity = book(right=0.8, fee_bp=0.5, capital=found["capital"])
    assert whole["ret"].sum() > 0.01
    assert at_capacity["ret"].sum() == pytest.approx(0, abs=1e-9)


def test_without_impact_or_earnings_there_is_no_capacity() -> None:
    assert capacity(book(right=0.3), CAPITAL) == {
        "capital": None,
        "said": "None: the book loses before its trades move any price.",
    }
    for unknown in (capacity(book(capital=None), None), capacity(book(impact=0.0), CAPITAL)):
        assert unknown["capital"] is None
        assert unknown["said"].startswith("Not known")


def test_a_book_that_never_trades_has_no_break_even_cost() -> None:
    flat = book().with_columns(pl.lit(0.0).alias(name) for name in ("ret", "gross", "turnover", "fees", "slippage"))
    flat = flat.with_columns(pl.lit(0.0).alias(name) for name in ("impact", "borrow", "funding"))
    assert break_even(flat) is None
    assert {row["sharpe"] for row in stress(flat, bars_per_year=8766)} == {None}
