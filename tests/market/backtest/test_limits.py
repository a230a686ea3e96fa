"""What limits and lots do to a book."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from assay.market.backtest import Limits, run_ledger
from assay.market.errors import ConfigurationError
from assay.market.execution import Execution

HOUR = timedelta(hours=1)


def steady(trade: SimpleNamespace, weight: float, **changes: Any) -> pl.DataFrame:
    """The books of a weight that is decided at every bar of two calm entities."""
    bars = trade.market().with_columns(close=pl.col("close").first().over("entity"))
    decisions = bars.select("entity", "time", weight=pl.lit(weight))
    return run_ledger(bars, decisions, setup=trade.setup(**changes), settlements=None)


def largest(ledger: pl.DataFrame) -> float:
    return float(ledger["position"].abs().max())


@pytest.mark.parametrize("weight", [1.0, -1.0, 0.2])
def test_no_position_beyond_its_limit(trade: SimpleNamespace, weight: float) -> None:
    free, bound = steady(trade, weight), steady(trade, weight, limits=Limits(max_position=0.5))
    assert largest(bound) == pytest.approx(min(0.5, abs(weight)))
    assert np.sign(bound["position"].sum()) == np.sign(weight)
    below = free["position"].abs() <= 0.5
    assert bound.filter(below)["position"].to_list() == free.filter(below)["position"].to_list()


def test_leverage_needs_no_leave_but_has_its_limit(trade: SimpleNamespace) -> None:
    assert largest(steady(trade, 3.0)) == pytest.approx(3)
    assert largest(steady(trade, 3.0, limits=Limits(max_position=2.0))) == pytest.approx(2)


def test_the_whole_book_has_a_limit_over_longs_and_shorts(trade: SimpleNamespace) -> None:
    bars = trade.market(lengths=(40, 40)).with_columns(close=pl.col("close").first().over("entity"))
    weight = pl.when(pl.col("entity") == "E0").then(1.0).otherwise(-0.5)
    decisions = bars.select("entity", "time", weight=weight)
    ledger = run_ledger(bars, decisions, setup=trade.setup(limits=Limits(max_gross=0.3)), settlements=None)
    total = ledger.group_by("time").agg(pl.col("position").abs().sum() / 2)["position"]
    assert total.max() == pytest.approx(0.3)
    by_entity = ledger.group_by("entity").agg(pl.col("position").abs().max())
    assert dict(by_entity.iter_rows()) == pytest.approx({"E0": 0.4, "E1": 0.2})  # scaled alike


def test_the_limit_of_the_book_counts_positions_within_theirs(trade: SimpleNamespace) -> None:
    bars = trade.market(lengths=(40, 40)).with_columns(close=pl.col("close").first().over("entity"))
    weight = pl.when(pl.col("entity") == "E0").then(3.0).otherwise(0.2)
    decisions = bars.select("entity", "time", weight=weight)
    limits = Limits(max_position=0.5, max_gross=0.35)
    ledger = run_ledger(bars, decisions, setup=trade.setup(limits=limits), settlements=None)
    assert dict(ledger.group_by("entity").agg(pl.col("position").max()).iter_rows()) == pytest.approx(
        {"E0": 0.5, "E1": 0.2}
    )


def test_an_entity_without_a_bar_keeps_its_room(trade: SimpleNamespace) -> None:
    """E1 has a bar every second hour; in between E0 gets what E1 leaves."""
    bars = trade.market(lengths=(40, 40)).with_columns(close=pl.col("close").first().over("entity"))
    hour = (pl.col("time") - trade.START).dt.total_hours()
    bars = bars.filter((pl.col("entity") == "E0") | (hour % 2 == 0))
    decisions = bars.select("entity", "time", weight=pl.lit(1.0))
    ledger = run_ledger(bars, decisions, setup=trade.setup(limits=Limits(max_gross=0.3)), settlements=None)
    held = ledger.pivot(on="entity", index="time", values="position").sort("time").with_columns(pl.all().forward_fill())
    total = held.select((pl.col("E0") + pl.col("E1")) / 2).to_series()[12:-2]
    assert total.to_list() == pytest.approx([0.3] * len(total))


@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 10_000),
    horizon=st.integers(1, 6),
    delay=st.integers(1, 3),
    price=st.sampled_from(["open", "close"]),
)
def test_limits_hold_at_the_prices_of_the_decision(
    trade: SimpleNamespace, seed: int, horizon: int, delay: int, price: Any
) -> None:
    """With a price that does not move after the decision, positions are within both limits."""
    bars = trade.market(seed, (40, 40, 40))
    still = ("open", "high", "low", "close")
    decided = trade.START + 20 * HOUR
    fixed = pl.when(pl.col("time") <= decided).then(pl.col("close"))
    bars = bars.with_columns(fixed.forward_fill().over("entity").alias(name) for name in still)
    limits = Limits(max_position=0.6, max_gross=0.35)
    s = trade.setup(horizon=horizon, execution=Execution(price=price, delay=delay), limits=limits)
    ledger = run_ledger(bars, trade.random_decisions(bars, seed), setup=s, settlements=None)
    after = ledger.filter(pl.col("time") >= decided + delay * HOUR)
    assert largest(after) <= 0.6 + 1e-12
    assert after.group_by("time").agg(pl.col("position").abs().sum() / 3)["position"].max() <= 0.35 + 1e-12


@pytest.mark.parametrize("lot", [0.5, {"E0": 2.0, "E1": 0.001}])
def test_positions_are_whole_lots_towards_zero(trade: SimpleNamespace, lot: Any) -> None:
    bars, capital = trade.market(), 1000.0
    decisions = trade.random_decisions(bars, 0)
    free = run_ledger(bars, decisions, setup=trade.setup(), settlements=None)
    s = trade.setup(limits=Limits(lot=lot), capital=capital)
    ledger = run_ledger(bars, decisions, setup=s, settlements=None)
    closes = ledger.join(bars, on=["entity", "time"], maintain_order="left")["close"]
    size = ledger["entity"].replace_strict(lot, return_dtype=pl.Float64) if isinstance(lot, dict) else lot
    lots = ledger["position"] * (capital / 2) / closes / size
    wanted = free["position"] * (capital / 2) / closes / size
    assert lots.to_list() == pytest.approx(lots.round().to_list(), abs=1e-6)
    assert lots.to_list() == pytest.approx(np.trunc(wanted.to_numpy() * (1 + 1e-9)).tolist(), abs=1e-6)
    assert (lots.abs() > 0.5).any()


def test_rounding_of_numbers_costs_no_lot(trade: SimpleNamespace) -> None:
    assert 0.3 / 0.1 < 3
    bars = trade.market(lengths=(30,)).with_columns(close=pl.lit(1.0))
    decisions = bars.select("entity", "time", weight=pl.lit(0.3))
    s = trade.setup(horizon=1, limits=Limits(lot=0.1), capital=1.0)
    assert largest(run_ledger(bars, decisions, setup=s, settlements=None)) == pytest.approx(0.3)


def test_a_larger_capital_rounds_less(trade: SimpleNamespace) -> None:
    bars = trade.market(lengths=(60,))
    decisions = trade.random_decisions(bars, 0)
    free = run_ledger(bars, decisions, setup=trade.setup(), settlements=None)

    def off(capital: float) -> float:
        s = trade.setup(limits=Limits(lot=1.0), capital=capital)
        return float(
            (run_ledger(bars, decisions, setup=s, settlements=None)["position"] - free["position"]).abs().max()
        )

    assert off(1e2) > 10 * off(1e4) > 100 * off(1e7)


def test_limits_that_cannot_be_kept_are_errors(trade: SimpleNamespace) -> None:
    bars = trade.market()
    decisions = trade.random_decisions(bars, 0)
    for field in ("max_position", "max_gross"):
        with pytest.raises(ValidationError, match=field):
            Limits.model_validate({field: 0})
    for lot in (-1.0, 0, float("nan"), {"E0": 1.0, "E1": 0.0}):
        with pytest.raises(ValidationError, match="lot"):
            Limits.model_validate({"lot": lot})
    with pytest.raises(ConfigurationError, match=r"limits.lot: no capital is stated"):
        trade.setup(limits=Limits(lot=1.0))
    for capital in (0.0, -1.0, float("inf"), float("nan")):
        with pytest.raises(ConfigurationError, match="capital: cannot be traded"):
            trade.setup(capital=capital)
    partial = trade.setup(limits=Limits(lot={"E0": 1.0}), capital=1.0)
    with pytest.raises(ConfigurationError, match=r"unknown for E1\n(.*\n)*  what to do: add the entity"):
        run_ledger(bars, decisions, setup=partial, settlements=None)
