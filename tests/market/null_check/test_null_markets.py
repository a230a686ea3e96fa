"""Simulated markets in raw tables: each mechanism is there when it is on, and gone when it is off."""

import datetime as dt

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest

from assay.market.errors import DataError
from assay.market.null_check import NullCheckRule, Task, WorkloadCheck, raw_tables
from assay.market.null_check.settings import market_rule
from assay.market.simulator import MarketRule, simulate

MARKET = MarketRule(symbols=3, bars=6_000, listings=0, delistings=0)
CHECK = WorkloadCheck(tables="perpetuals", market=MARKET)
RULE = NullCheckRule(workloads={"toy": CHECK})
NO_TIMES = pl.Series("time", [], dtype=pl.Datetime("us", "UTC"))


def returns_of(kind: str) -> npt.NDArray[np.float64]:
    """Log returns, shape (bars, symbols), the first bar of the history at midnight."""
    bars = raw_tables("perpetuals", market_rule(Task(0, kind, seed=3), RULE, CHECK), times=NO_TIMES)["bars_raw"]
    wide = bars.with_columns(move=(pl.col("close") / pl.col("open")).log()).pivot("entity", index="time", values="move")
    return wide.sort("time").drop("time").to_numpy()


def clustering(moves: npt.NDArray[np.float64]) -> float:
    size = np.abs(moves[:, 0])
    return float(np.corrcoef(size[:-24], size[24:])[0, 1])  # a day apart: a season would show here too


def season(moves: npt.NDArray[np.float64]) -> float:
    by_hour = np.log(np.abs(moves)).mean(axis=1).reshape(-1, 24).mean(axis=0)
    return float(np.ptp(by_hour))


def correlation(moves: npt.NDArray[np.float64]) -> float:
    return float(np.corrcoef(np.sign(moves).T)[0, 1])


@pytest.mark.parametrize("kind", ["clustering", "season", "correlation", "overlap", "together"])
def test_each_mechanism_is_measured_where_it_is_on_and_nowhere_else(kind: str) -> None:
    moves = returns_of(kind)
    on = {name: kind in (name, "together") for name in ("clustering", "season", "correlation")}
    assert (season(moves) > 0.35) == on["season"]
    assert (correlation(moves) > 0.2) == on["correlation"]
    assert (clustering(moves) > 0.1) == on["clustering"]


def test_perpetuals_are_the_tables_of_the_simulator() -> None:
    found, market = raw_tables("perpetuals", MARKET, times=NO_TIMES), simulate(MARKET)
    assert found["bars_raw"].equals(market.bars)
    assert found["funding_raw"].equals(market.funding)
    assert found["open_interest_raw"].equals(market.open_interest)


def sessions(count: int) -> pl.Series:
    """Closes in New York, twice each, as two entities have them."""
    days = [dt.datetime(2010, 1, 4, 21, tzinfo=dt.UTC) + dt.timedelta(days=day) for day in range(count)]
    return pl.Series("time", days * 2, dtype=pl.Datetime("us", "UTC"))


FIRST = dt.date(2010, 1, 4)
DAILY = MarketRule(symbols=2, bars=2_000, interval=dt.timedelta(days=1), listings=0, delistings=0, volatility=0.011)


def test_indices_have_the_newest_sessions_of_the_workload() -> None:
    found = raw_tables("indices", DAILY, times=sessions(2_500))
    days = found["bars_raw"]["date"].unique().sort()
    assert (days[0], days[-1], len(days)) == (FIRST + dt.timedelta(500), FIRST + dt.timedelta(2_499), 2_000)
    assert found["vix_raw"]["date"].equals(days)
    assert found["wti_raw"]["date"].equals(days)
    assert found["vix_raw"]["value"].is_finite().all()
    own = simulate(DAILY).bars
    assert found["bars_raw"]["close"].equals(own["close"])
    assert found["bars_raw"].group_by("entity").len()["len"].to_list() == [2_000, 2_000]


def test_the_volatility_index_gauges_the_next_bar_and_oil_knows_nothing() -> None:
    found = raw_tables("indices", DAILY, times=sessions(2_000))
    first = found["bars_raw"].filter(pl.col("entity") == "MOCK1").sort("date")
    move = np.diff(np.log(first["close"].to_numpy()))
    gauge, oil = (found[name]["value"].to_numpy()[:-1] for name in ("vix_raw", "wti_raw"))
    assert np.corrcoef(gauge, np.abs(move))[0, 1] > 0.3
    assert abs(np.corrcoef(gauge, move)[0, 1]) < 0.08
    assert abs(np.corrcoef(np.diff(oil), move[1:])[0, 1]) < 0.08
    assert 10 < np.median(gauge) < 30


def test_more_sessions_than_there_are_cannot_be_had() -> None:
    with pytest.raises(DataError, match=r"need more sessions(.|\n)*found: 1999"):
        raw_tables("indices", DAILY, times=sessions(1_999))
