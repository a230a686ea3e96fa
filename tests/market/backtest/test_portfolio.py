"""The books of all entities in one portfolio."""

from types import SimpleNamespace

import polars as pl
import pytest

from assay.market.backtest import performance, portfolio, run_ledger


def test_an_entity_without_data_lies_idle_in_the_portfolio(trade: SimpleNamespace) -> None:
    bars = trade.market()
    ledger = run_ledger(bars, trade.random_decisions(bars, 0), setup=trade.setup(), settlements=None)
    book = portfolio(ledger)
    alone = ledger.filter(entity="E0").filter(pl.col("time") > ledger.filter(entity="E1")["time"].max())
    assert book.tail(alone.height)["ret"].to_list() == pytest.approx((alone["pnl"] / 2).to_list())
    assert book.tail(alone.height)["exposure"].to_list() == pytest.approx((alone["position"].abs() / 2).to_list())
    costs = book.select("fees", "slippage", "impact", "borrow", "funding").sum_horizontal()
    assert (book["gross"] - costs).to_list() == pytest.approx(book["ret"].to_list(), abs=1e-15)
    assert book["equity"][-1] - 1 == pytest.approx(book["ret"].sum())


def test_a_portfolio_that_never_traded_has_no_ratios(trade: SimpleNamespace) -> None:
    bars = trade.market()
    decisions = trade.random_decisions(bars, 0).with_columns(weight=pl.lit(0.0))
    ledger = run_ledger(bars, decisions, setup=trade.setup(), settlements=None)
    result = performance(portfolio(ledger), bars_per_year=8766)
    undefined = {"sharpe", "lo_sharpe", "sortino", "calmar", "win_rate", "profit_factor"}
    assert {name for name, value in result.items() if value is None} == undefined
    assert all(result[name] == 0 for name in result.keys() - undefined - {"bars"})
