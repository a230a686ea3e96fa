"""What a ledger charges for trading and holding."""

import itertools
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from assay.market.backtest import run_ledger
from assay.market.costs import Costs, Funding, liquidity
from assay.market.errors import DataError
from assay.market.execution import Execution

HOUR = timedelta(hours=1)
TIME = pl.Datetime("us", "UTC")


def once(bars: pl.DataFrame, weight: float = 1.0) -> pl.DataFrame:
    """One decision, at bar 10."""
    return bars.select("entity", "time", weight=pl.when(pl.int_range(pl.len()) == 10).then(weight).otherwise(0.0))


def costs(**changes: Any) -> Costs:
    return Costs.model_validate({"fee_bp": 0, "half_spread_bp": 0} | changes)


def test_every_cost_only_ever_costs(trade: SimpleNamespace) -> None:
    bars = trade.market()
    decisions = trade.random_decisions(bars, 0, after=3)
    ladder = ({}, {"fee_bp": 1}, {"half_spread_bp": 1}, {"borrow_bp": 100}, {"impact": 0.5})
    steps = [costs(**dict(itertools.chain(*(step.items() for step in ladder[: n + 1])))) for n in range(len(ladder))]
    totals = [
        run_ledger(bars, decisions, setup=trade.setup(costs=step, capital=90.0), settlements=None)["pnl"].sum()
        for step in steps
    ]
    assert all(more < less for less, more in itertools.pairwise(totals))


def test_passive_fills_pay_the_maker_fee_and_no_spread(trade: SimpleNamespace) -> None:
    bars = trade.market(lengths=(30,))

    def rate(**changes: Any) -> tuple[float, float]:
        s = trade.setup(costs=costs(fee_bp=4, half_spread_bp=2, maker_bp=-1, **changes))
        ledger = run_ledger(bars, once(bars), setup=s, settlements=None)
        paid = ledger.select("fees", "slippage").sum() / ledger["turnover"].sum() * 1e4
        return paid.row(0)

    assert rate() == pytest.approx((4, 2))
    assert rate(maker_share=0.25) == pytest.approx((0.75 * 4 - 0.25, 0.75 * 2))
    assert rate(maker_share=1) == pytest.approx((-1, 0))


@pytest.mark.parametrize("price", ["open", "close"])
def test_shorts_pay_for_the_time_they_are_held(trade: SimpleNamespace, price: Any) -> None:
    bars = trade.market(lengths=(40,))
    bars = bars.filter(pl.int_range(pl.len()) != 13)  # one bar is missing: the position is held through two hours
    s = trade.setup(horizon=4, costs=costs(borrow_bp=100), execution=Execution(price=price))
    ledger = run_ledger(bars, once(bars, -1), setup=s, settlements=None)
    quantity = -ledger["position"][11] / bars[price][11]
    year = timedelta(days=365.25) / HOUR
    bar_ends = {"close": [12, 13, 14, 15], "open": [11, 12, 13, 14]}[price]
    hours = [2 if n == 13 else 1 for n in bar_ends]
    expected = [quantity * bars["close"][n] * 0.01 * h / year for n, h in zip(bar_ends, hours, strict=True)]
    assert np.flatnonzero(ledger["borrow"]).tolist() == bar_ends
    assert ledger["borrow"].gather(bar_ends).to_list() == pytest.approx(expected)
    assert run_ledger(bars, once(bars), setup=s, settlements=None)["borrow"].sum() == 0


def test_impact_follows_the_square_root_of_the_share_of_the_volume(trade: SimpleNamespace) -> None:
    bars = trade.market(lengths=(30,))
    known = liquidity(bars)

    def charged(capital: float | None = 50.0, **changes: Any) -> list[float]:
        s = trade.setup(costs=costs(**{"impact": 0.8} | changes), capital=capital)
        ledger = run_ledger(bars, once(bars), setup=s, settlements=None)
        return ledger["impact"].gather([11, 14]).to_list()

    first = 1 / 3
    last = first * bars["close"][14] / bars["close"][11]
    expected = [
        turnover * 0.8 * known["sigma"][n] * (turnover * 50 / known["usual_volume"][n]) ** 0.5
        for turnover, n in ((first, 11), (last, 14))
    ]
    assert charged() == pytest.approx(expected)
    assert charged(capital=200.0) == pytest.approx([2 * cost for cost in expected])
    assert charged(impact=1.6) == pytest.approx([2 * cost for cost in expected])
    assert charged(capital=None) == charged(impact=None) == [0, 0]


def test_the_capital_is_that_of_all_entities(trade: SimpleNamespace) -> None:
    bars = trade.market(lengths=(30, 30))
    both = bars.select("entity", "time", weight=pl.when(pl.col("entity") == "E0").then(1.0).otherwise(0.0))
    s = trade.setup(costs=costs(impact=1), capital=100.0)
    half = trade.setup(costs=costs(impact=1), capital=50.0)
    late = pl.col("time") > trade.START + 5 * HOUR
    shared = run_ledger(bars, both.filter(late), setup=s, settlements=None).filter(entity="E0")
    alone = run_ledger(bars, both.filter(late, entity="E0"), setup=half, settlements=None)
    assert shared["impact"].to_list() == alone["impact"].to_list()
    assert alone["impact"].sum() > 0


def test_impact_that_nobody_can_price_is_an_error(trade: SimpleNamespace) -> None:
    bars = trade.market()
    s = trade.setup(costs=costs(impact=1), capital=100.0)
    decisions = bars.select("entity", "time", weight=pl.lit(1.0))
    with pytest.raises(DataError, match=r"(?s)trades cannot be priced.*first: E0 at 2024-01-01 0[12]"):
        run_ledger(bars, decisions, setup=s, settlements=None)  # before the second move
    later = decisions.filter(pl.col("time") > trade.START + 5 * HOUR)
    assert run_ledger(bars, later, setup=s, settlements=None)["impact"].sum() > 0
    silent = bars.with_columns(volume=pl.when(pl.col("entity") == "E0").then("volume").otherwise(0.0))
    with pytest.raises(DataError, match=r"(?s)trades cannot be priced.*first: E1 at 2024"):
        run_ledger(silent, later, setup=s, settlements=None)
    with pytest.raises(DataError, match="no volume, so impact cannot be priced"):
        run_ledger(bars.drop("volume"), later, setup=s, settlements=None)
    small = trade.setup(costs=costs(impact=1))
    assert run_ledger(bars.drop("volume"), later, setup=small, settlements=None)["impact"].sum() == 0


@pytest.mark.parametrize(
    ("weight", "rate", "sign"), [(1, 1e-3, 1), (-1, 1e-3, -1), (1, -1e-3, -1), (-1, -1e-3, 1), (0, 1e-3, 0)]
)
def test_longs_pay_positive_funding_and_shorts_receive_it(
    trade: SimpleNamespace, weight: float, rate: float, sign: int
) -> None:
    bars = trade.market(lengths=(30,))
    decisions = bars.select("entity", "time", weight=pl.lit(weight))
    rates = trade.settled(bars, 0).with_columns(rate=pl.lit(rate))
    ledger = run_ledger(bars, decisions, setup=trade.setup(funding=Funding()), settlements=rates)
    assert np.sign(ledger["funding"].sum()) == sign


def test_funding_is_paid_at_the_settlement_by_who_holds_then(trade: SimpleNamespace) -> None:
    bars = trade.market(lengths=(30,))
    times = bars["time"]
    quiet = Funding(kind="assumed", rate=0.0, interval=1000 * HOUR)

    def paid(settlement: datetime, price: Any = "close") -> float:
        s = trade.setup(horizon=1, execution=Execution(price=price), funding=quiet)
        rates = pl.DataFrame({"entity": "E0", "event_time": pl.Series([settlement], dtype=TIME), "rate": 0.01})
        return float(run_ledger(bars, once(bars), setup=s, settlements=rates)["funding"].sum())

    # Filled at the close of bar 11, closed at the close of bar 12: held in (11, 12].
    assert paid(times[11]) == 0
    assert paid(times[11] + HOUR / 2) == pytest.approx(0.01 * bars["close"][12] / bars["close"][11])
    assert paid(times[12]) == pytest.approx(0.01 * bars["close"][12] / bars["close"][11])
    assert paid(times[12] + timedelta(milliseconds=17)) == paid(times[12])  # stamped late, settled on the minute
    assert paid(times[12] + HOUR / 2) == 0
    # Filled at the open of bar 11, closed at the open of bar 12: held in (10, 11].
    assert paid(times[11], "open") == pytest.approx(0.01 * bars["close"][11] / bars["open"][11])
    assert paid(times[12], "open") == 0


def test_funding_that_is_required_but_missing_stops_the_ledger(trade: SimpleNamespace) -> None:
    bars = trade.market(lengths=(200, 200))
    rates = trade.settled(bars, 0, 8 * HOUR)
    gap = pl.col("event_time").is_between(trade.START + 50 * HOUR, trade.START + 120 * HOUR)
    hole = (pl.col("entity") == "E1") & gap
    with pytest.raises(DataError, match=r"(?s)E1 2024-01-03 to 2024-01-06.*backtest.funding.kind=assumed"):
        run_ledger(
            bars, trade.random_decisions(bars, 0), setup=trade.setup(funding=Funding()), settlements=rates.filter(~hole)
        )
