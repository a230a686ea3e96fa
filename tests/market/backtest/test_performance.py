"""Figures of a book against empyrical, against slow loops, and by hand.

Our convention is a fixed notional: returns add up and nothing is reinvested. Mean, deviation, Sharpe and Sortino do not
depend on that. empyrical compounds its annual return, its drawdowns and its Calmar ratio; fed with the growth of our
additive equity it agrees on what remains comparable.
"""

import itertools
import math
import warnings
from datetime import UTC, datetime, timedelta
from types import ModuleType

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.market.backtest import bars_per_year, performance, portfolio
from assay.market.errors import DataError
from assay.market.significance.sharpe import annualised_sharpe
from assay.market.tables import CHARGES

START = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def empyrical() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import empyrical
    module: ModuleType = empyrical
    return module


def book_of(ret: list[float]) -> pl.DataFrame:
    costs = {name: pl.lit(number / 100) for number, name in enumerate(CHARGES)}
    return pl.DataFrame({"ret": ret}, schema={"ret": pl.Float64}).with_columns(
        gross="ret", turnover=pl.lit(0.25), exposure=pl.lit(0.5), equity=1 + pl.col("ret").cum_sum(), **costs
    )


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10_000), size=st.integers(2, 300))
def test_metrics_equal_empyrical(empyrical: ModuleType, seed: int, size: int) -> None:
    ret = np.random.default_rng(seed).normal(0.0002, 0.01, size)
    result = performance(book_of(ret.tolist()), bars_per_year=252)
    assert result["annual_volatility"] == pytest.approx(empyrical.annual_volatility(ret), rel=1e-9)
    assert result["sharpe"] == pytest.approx(empyrical.sharpe_ratio(ret), rel=1e-9)
    if (ret < 0).any():
        assert result["sortino"] == pytest.approx(empyrical.sortino_ratio(ret), rel=1e-9)
    equity = [0.0, *itertools.accumulate(ret.tolist())]
    falls = [later - earlier for n, earlier in enumerate(equity) for later in equity[n:]]
    assert result["max_drawdown"] == pytest.approx(min(falls), abs=1e-12)
    assert result["annual_return"] == pytest.approx(ret.mean() * 252)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10_000))
def test_compounded_figures_of_empyrical_follow_from_the_additive_equity(empyrical: ModuleType, seed: int) -> None:
    """A drawdown of ours is a share of the notional, one of empyrical's a share of the peak."""
    ret = np.random.default_rng(seed).normal(0.0002, 0.01, 200)
    result, equity = performance(book_of(ret.tolist()), bars_per_year=252), 1 + ret.cumsum()
    growth = ret / np.concatenate(([1.0], equity[:-1]))
    assert result["total_return"] == pytest.approx(empyrical.cum_returns_final(growth), abs=1e-12)
    peaks = np.maximum.accumulate(np.concatenate(([1.0], equity)))[1:]
    share_of_peak = min(0.0, ((equity - peaks) / peaks).min())
    assert share_of_peak == pytest.approx(empyrical.max_drawdown(growth), abs=1e-12)
    lowest, highest = result["max_drawdown"], peaks.max()
    assert lowest is not None
    assert lowest / peaks.min() - 1e-12 <= share_of_peak <= lowest / highest + 1e-12
    assert result["calmar"] == pytest.approx(ret.mean() * 252 / -lowest)


def test_metrics_of_a_series_one_can_check_by_hand() -> None:
    result = performance(book_of([0.1, -0.2, 0.05, 0.0, 0.2, -0.1]), bars_per_year=12)
    assert result["total_return"] == pytest.approx(0.05)
    assert (result["max_drawdown"], result["max_drawdown_bars"]) == (pytest.approx(-0.2), 4)
    assert result["calmar"] == pytest.approx(0.05 / 6 * 12 / 0.2)
    assert result["win_rate"] == pytest.approx(3 / 5)
    assert result["profit_factor"] == pytest.approx(0.35 / 0.3)
    assert (result["turnover_per_year"], result["exposure"], result["bars"]) == (3.0, 0.5, 6)
    assert [result[name] for name in CHARGES] == pytest.approx([6 * number / 100 for number in range(len(CHARGES))])
    open_end = performance(book_of([0.1, -0.2, 0.05]), bars_per_year=12)
    assert (open_end["max_drawdown"], open_end["max_drawdown_bars"]) == (pytest.approx(-0.2), 2)


def test_a_trending_book_has_less_sharpe_than_its_root_of_time() -> None:
    noise = np.random.default_rng(0).normal(0.001, 0.01, 3000)
    trending = [0.0]
    for value in noise:
        trending.append(0.4 * trending[-1] + value)
    result = performance(book_of(trending), bars_per_year=252)
    assert result["lo_sharpe"] == annualised_sharpe(np.array(trending), bars_per_year=252)
    assert 0 < result["lo_sharpe"] < 0.8 * result["sharpe"]  # type: ignore[operator]


@pytest.mark.parametrize("ret", [[0.0], [0.1], [0.1] * 3, [-0.1] * 3])
def test_what_is_undefined_is_none(ret: list[float]) -> None:
    result = performance(book_of(ret), bars_per_year=252)
    assert result["sharpe"] is None
    assert result["lo_sharpe"] is None
    assert not any(isinstance(value, float) and math.isnan(value) for value in result.values())
    with pytest.raises(DataError, match="no rows"):
        performance(book_of([]), bars_per_year=252)


def test_bars_per_year_counts_unique_times() -> None:
    hourly = pl.Series([START + timedelta(hours=n) for n in range(500)] * 2)
    assert bars_per_year(hourly) == pytest.approx(24 * 365.25)
    with pytest.raises(DataError, match="too few timestamps"):
        bars_per_year(hourly.head(1))


def test_a_portfolio_averages_every_kind_of_cost() -> None:
    rows = {"entity": ["A", "A", "B"], "time": [1, 2, 2], "pnl": [0.1, 0.2, 0.4], "gross": [1.0, 2.0, 3.0]}
    numbers = {name: [number * 1.0, number * 2.0, number * 4.0] for number, name in enumerate(CHARGES, start=1)}
    ledger = pl.DataFrame(rows | numbers | {"turnover": [1.0, 0.0, 1.0], "position": [1.0, -0.5, 1.0]})
    book = portfolio(ledger)
    assert book["ret"].to_list() == pytest.approx([0.05, 0.3])
    assert book["exposure"].to_list() == pytest.approx([0.5, 0.75])
    for number, name in enumerate(CHARGES, start=1):
        assert book[name].to_list() == [number * 0.5, number * 3.0]
