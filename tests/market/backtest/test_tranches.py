"""The ledger against a slow bookkeeper, its labels and its own accounts."""

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from assay.market.backtest import Limits, buy_and_hold, run_ledger, traded_bars
from assay.market.costs import Costs, Funding
from assay.market.errors import DataError
from assay.market.execution import Execution
from assay.market.labels import LabelRule, make_labels

HOUR = timedelta(hours=1)
EVERY_COST = Costs(fee_bp=5, half_spread_bp=2, maker_bp=-1, maker_share=0.3, impact=0.8, borrow_bp=400)
PAID = ("fees", "slippage", "impact", "borrow", "funding")
MARKETS = {
    "seed": st.integers(0, 10_000),
    "horizon": st.integers(1, 7),
    "delay": st.integers(1, 3),
    "price": st.sampled_from(["open", "close"]),
}
LIMITS = st.builds(
    Limits,
    max_position=st.sampled_from([None, 0.5]),
    max_gross=st.sampled_from([None, 0.4]),
    lot=st.sampled_from([None, 0.01, {"E0": 0.02, "E1": 0.001, "E2": 1e-6}]),
)


@settings(deadline=None, max_examples=60)
@given(**MARKETS, holding=st.sampled_from(["horizon", "label_end"]), limits=LIMITS)
def test_ledger_equals_a_slow_bookkeeper(
    trade: SimpleNamespace, seed: int, horizon: int, delay: int, **more: Any
) -> None:
    bars = trade.market(seed, (50, 5, 30), faults=0.05)
    execution = Execution(price=more.pop("price"), delay=delay)
    s = trade.setup(horizon=horizon, execution=execution, funding=Funding(), costs=EVERY_COST, capital=90.0, **more)
    decisions = trade.resting(bars, trade.random_decisions(bars, seed, after=3), s, seed)
    rates = trade.settled(bars, seed)
    ledger = run_ledger(bars, decisions, setup=s, settlements=rates)
    slow = trade.slow_ledger(bars, decisions, s, rates)
    assert ledger.select("entity", "time").rows() == [(row["entity"], row["time"]) for row in slow]
    for name in ("position", "turnover", *PAID, "gross", "pnl", "equity"):
        assert ledger[name].to_list() == pytest.approx([row[name] for row in slow], rel=1e-9, abs=1e-12), name


@settings(deadline=None, max_examples=40)
@given(**MARKETS, holding=st.sampled_from(["horizon", "label_end"]))
def test_perfect_foresight_earns_exactly_its_labels(
    trade: SimpleNamespace, seed: int, horizon: int, delay: int, price: Any, holding: Any
) -> None:
    bars, execution = trade.market(seed, (80, 45), faults=0.03), Execution(price=price, delay=delay)
    rule = LabelRule(kind="fixed_horizon", horizon=horizon, threshold=0.3, volatility_span=8, max_gap=2 * HOUR)
    labels = make_labels(bars, rule, execution=execution)[0].drop_nulls()
    decisions = labels.select("entity", "time", weight=pl.col("label").cast(pl.Float64), exit="label_end")
    s = trade.setup(horizon=horizon, execution=execution, costs=trade.FREE, holding=holding)
    assert earned(bars, decisions, s) == pytest.approx(owed(labels, labels["label"], horizon), rel=1e-12, abs=1e-14)


@settings(deadline=None, max_examples=60)
@given(**MARKETS, barriers=st.sampled_from([(0.5, 0.5), (1.0, None), (0.3, 1.5)]))
def test_positions_held_to_their_barriers_earn_exactly_their_labels(
    trade: SimpleNamespace, seed: int, horizon: int, delay: int, price: Any, barriers: tuple[float, float | None]
) -> None:
    bars, execution = trade.market(seed, (80, 45), faults=0.03), Execution(price=price, delay=delay)
    profit, loss = barriers
    given_rule = {"horizon": horizon, "profit_take": profit, "stop_loss": loss, "volatility_span": 8, "max_gap": "PT2H"}
    labels, manifest = make_labels(
        bars, LabelRule.model_validate({"kind": "triple_barrier", **given_rule}), execution=execution
    )
    labels = labels.drop_nulls()
    assert manifest["touches"]["profit"] > 0
    weight = pl.Series("weight", np.random.default_rng(seed).uniform(-1, 1, labels.height))
    for weighed in (weight, labels["forward_return"].sign().alias("weight")):
        decisions = labels.select("entity", "time", weighed, exit="label_end", exit_return="forward_return")
        s = trade.setup(horizon=horizon, execution=execution, costs=trade.FREE, holding="label_end")
        assert earned(bars, decisions, s) == pytest.approx(owed(labels, weighed, horizon), rel=1e-11, abs=1e-13)


def earned(bars: pl.DataFrame, decisions: pl.DataFrame, s: Any) -> dict[str, float]:
    ledger = run_ledger(bars, decisions, setup=s, settlements=None)
    return dict(ledger.group_by("entity").agg(pl.col("pnl").sum()).iter_rows())


def owed(labels: pl.DataFrame, weight: pl.Series, horizon: int) -> dict[str, float]:
    worth = labels.with_columns(worth=weight * labels["forward_return"] / horizon)
    return dict(worth.group_by("entity").agg(pl.col("worth").sum()).iter_rows())


@settings(deadline=None, max_examples=25)
@given(**MARKETS, limits=LIMITS)
def test_equity_changes_by_gross_minus_all_costs(
    trade: SimpleNamespace, seed: int, horizon: int, delay: int, price: Any, limits: Limits
) -> None:
    bars = trade.market(seed, (60, 35, 20), faults=0.05)
    s = trade.setup(horizon=horizon, execution=Execution(price=price, delay=delay), limits=limits, capital=90.0)
    s = replace(s, costs=EVERY_COST, funding=Funding())
    decisions = trade.random_decisions(bars, seed, after=3)
    ledger = run_ledger(bars, decisions, setup=s, settlements=trade.settled(bars, seed))
    for _, own in ledger.group_by("entity"):
        total = sum(own["gross"]) - sum(sum(own[name]) for name in PAID)
        assert own["equity"][-1] - 1 == pytest.approx(total, abs=1e-9)
        assert own["equity"].diff()[1:].to_list() == pytest.approx(own["pnl"][1:].to_list(), abs=1e-9)
        assert own["position"][-1] == 0  # closed with the data
    assert ledger["gross"].to_list() == pytest.approx(gross_of_positions(bars, ledger, price), abs=1e-12)
    assert (ledger.select(PAID[1:4]).min_horizontal() >= 0).all()


def gross_of_positions(bars: pl.DataFrame, ledger: pl.DataFrame, price: str) -> list[float]:
    """Position into a bar times the return of the bar."""
    rows = ledger.join(bars, on=["entity", "time"]).with_columns(p=pl.coalesce(price, "close"))
    held = pl.col("position") * (pl.col("p").shift(-1) / pl.col("p") - 1)
    return rows.select(held.over("entity").shift(1).over("entity").fill_null(0)).to_series().to_list()


@settings(deadline=None, max_examples=25)
@given(**MARKETS, cut=st.integers(8, 40), limits=LIMITS)
def test_books_do_not_know_the_future(
    trade: SimpleNamespace, seed: int, horizon: int, delay: int, price: Any, cut: int, limits: Limits
) -> None:
    """Everything but the closing at the end of the data is the same without the later bars."""
    bars = trade.market(seed, (60, 45))
    s = trade.setup(horizon=horizon, execution=Execution(price=price, delay=delay), limits=limits, capital=90.0)
    decisions = trade.random_decisions(bars, seed, share=1.0, after=3)
    ends = pl.col("time") <= trade.START + cut * HOUR
    whole = run_ledger(bars, decisions, setup=s, settlements=None)
    part = run_ledger(bars.filter(ends), decisions.filter(ends), setup=s, settlements=None)
    last = pl.col("time") == pl.col("time").max().over("entity")
    before = part.filter(~last)
    assert before.height > 0
    assert before.rows() == whole.join(before, on=["entity", "time"], how="semi").rows()


def test_the_price_that_was_decided_on_is_never_traded(trade: SimpleNamespace) -> None:
    with pytest.raises(ValidationError, match="delay"):
        Execution(delay=0)
    bars = trade.market(lengths=(30,))
    ledger = run_ledger(bars, once(bars), setup=trade.setup(), settlements=None)
    assert np.flatnonzero(ledger["turnover"]).tolist() == [11, 14]
    assert np.flatnonzero(ledger["gross"]).tolist() == [12, 13, 14]


def once(bars: pl.DataFrame, weight: float = 1.0, **columns: Any) -> pl.DataFrame:
    """One decision, at bar 10."""
    numbered = pl.when(pl.int_range(pl.len()) == 10).then(weight).otherwise(0.0)
    return bars.select("entity", "time", weight=numbered, **columns)


def test_a_tranche_has_its_share_of_the_capital(trade: SimpleNamespace) -> None:
    bars = trade.market(lengths=(30,))
    ledger = run_ledger(bars, once(bars, -0.75), setup=trade.setup(horizon=4), settlements=None)
    assert ledger["position"][11] == pytest.approx(-0.75 / 4)
    assert ledger["position"][14] == pytest.approx(-0.75 / 4 * bars["close"][14] / bars["close"][11])


@pytest.mark.parametrize(
    ("price", "ahead", "row"),
    # bar 11 fills; an exit at the close of bar 13 is known after its open, so that an open fill waits for bar 14
    [
        ("close", 3.0, 13),
        ("close", 2.5, 13),
        ("close", 9.0, 16),
        ("open", 3.0, 14),
        ("open", 2.5, 13),
        ("open", 9.0, 16),
    ],
)
def test_exits_are_made_at_the_first_price_after_them(
    trade: SimpleNamespace, price: Any, ahead: float, row: int
) -> None:
    bars = trade.market(lengths=(30,))
    decisions = once(bars, exit=pl.col("time") + ahead * HOUR)
    s = trade.setup(horizon=5, execution=Execution(price=price), holding="label_end")
    ledger = run_ledger(bars, decisions, setup=s, settlements=None)
    assert np.flatnonzero(ledger["turnover"]).tolist() == [11, row]
    held = trade.setup(horizon=5, execution=Execution(price=price))
    assert np.flatnonzero(run_ledger(bars, decisions, setup=held, settlements=None)["turnover"]).tolist() == [11, 16]


def test_a_resting_exit_is_filled_at_its_own_price_and_not_netted(trade: SimpleNamespace) -> None:
    bars = trade.market(lengths=(30,))
    entry, leave = bars["close"][11], (bars["high"][13] + bars["close"][13]) / 2
    decisions = once(bars, exit=pl.col("time") + 3 * HOUR, exit_return=pl.lit(leave / entry - 1))
    # a second decision enters at the close of the bar inside which the first one leaves
    decisions = decisions.with_columns(weight=pl.when(pl.int_range(pl.len()) == 12).then(1.0).otherwise("weight"))
    decisions = decisions.with_columns(
        pl.when(pl.int_range(pl.len()) == 10).then(pl.col(name)).alias(name) for name in ("exit", "exit_return")
    )
    s = trade.setup(horizon=2, costs=trade.FREE, holding="label_end")
    ledger = run_ledger(bars, decisions, setup=s, settlements=None)
    assert ledger["gross"][:14].sum() == pytest.approx((leave / entry - 1) / 2)
    assert ledger["turnover"][13] == pytest.approx(leave / entry / 2 + 1 / 2)


def test_an_exit_at_the_price_of_its_row_is_netted(trade: SimpleNamespace) -> None:
    bars = trade.market(lengths=(30,))
    exits = {
        "exit": pl.col("time") + 2 * HOUR,
        "exit_return": pl.col("close").shift(-2) / pl.col("close").shift(-1) - 1,
    }
    decisions = bars.select("entity", "time", weight=pl.lit(1.0), **exits)
    s = trade.setup(horizon=4, holding="label_end")
    ledger = run_ledger(bars, decisions, setup=s, settlements=None)
    plain = run_ledger(bars, decisions.drop("exit_return"), setup=s, settlements=None)
    assert ledger["turnover"].to_list() == pytest.approx(plain["turnover"].to_list(), abs=1e-12)
    assert ledger["turnover"][15] < 0.05  # what leaves is bought again


def test_an_exit_beyond_the_data_is_made_with_them(trade: SimpleNamespace) -> None:
    bars = trade.market(lengths=(30, 30))
    decisions = bars.select("entity", "time", weight=pl.lit(1.0), exit=pl.col("time") + 30 * HOUR, exit_return=0.5)
    free, ends = trade.setup(horizon=50), trade.setup(horizon=50, holding="label_end")
    ledger = run_ledger(bars, decisions, setup=ends, settlements=None)
    assert ledger.equals(run_ledger(bars, decisions, setup=free, settlements=None))


def test_decisions_that_cannot_be_booked_are_errors(trade: SimpleNamespace) -> None:
    bars, s = trade.market(), trade.setup()
    good = trade.random_decisions(bars, 0)

    def refused(decisions: pl.DataFrame, match: str, setup: Any = s) -> None:
        with pytest.raises(DataError, match=match):
            run_ledger(bars, decisions, setup=setup, settlements=None)

    refused(good.with_columns(pl.col("time") + HOUR / 2), r"(?s)have no bar.*first: E0 at")
    refused(good.with_columns(pl.col("time") + 1000 * HOUR), "have no bar")
    refused(good.with_columns(entity=pl.lit("E7")), r"(?s)have no bar.*first: E7 at")
    refused(pl.concat([good, good.head(1)]), r"2 of .* more than once")
    for weight in (None, float("nan"), float("inf")):
        refused(good.with_columns(weight=pl.lit(weight, dtype=pl.Float64)), "have a weight that is no finite number")
    ends = trade.setup(holding="label_end")
    refused(good.drop("exit"), "column exit is missing", ends)
    refused(good.with_columns(exit="time"), "leave before they enter", ends)


def test_an_exit_at_a_price_that_was_never_traded_is_an_error(trade: SimpleNamespace) -> None:
    bars, s = trade.market(lengths=(30,)), trade.setup(holding="label_end")
    for far in (0.3, -0.3):
        decisions = once(bars, exit=pl.col("time") + 3 * HOUR, exit_return=pl.lit(far))
        with pytest.raises(DataError, match=r"(?s)price that their bar has not traded at.*first: E0 at 2024-01"):
            run_ledger(bars, decisions, setup=s, settlements=None)
        with pytest.raises(DataError, match=r"columns \['high', 'low'\] are missing"):
            run_ledger(bars.drop("high", "low"), decisions, setup=s, settlements=None)


@pytest.mark.parametrize("price", ["open", "close"])
def test_buy_and_hold_pays_once_and_earns_every_bar(trade: SimpleNamespace, price: Any) -> None:
    bars = trade.market(lengths=(60, 35, 1))
    decisions = bars.select("entity", "time", weight=pl.lit(0.0))
    s = trade.setup(execution=Execution(price=price, delay=2))
    held = buy_and_hold(bars, decisions, setup=s, settlements=None)
    assert held.select("entity", "time").equals(bars.select("entity", "time"))
    for entity in ("E0", "E1"):
        own = bars.filter(entity=entity)[price]
        earned_by_hand = sum(own[n] / own[n - 1] - 1 for n in range(3, len(own)))
        assert held.filter(entity=entity)["equity"][-1] - 1 == pytest.approx(earned_by_hand - 7e-4, abs=1e-12)
    assert held["position"].round(12).unique().sort().to_list() == [0, 1]
    assert held["turnover"].sum() == pytest.approx(2)
    assumed = Funding(kind="assumed", rate=1e-4, interval=8 * HOUR)
    charged = buy_and_hold(bars, decisions, setup=trade.setup(funding=assumed), settlements=None)
    assert charged["funding"].sum() > 0
    assert held.columns == run_ledger(bars, decisions, setup=s, settlements=None).columns


def test_ledger_begins_with_the_first_decision_of_each_entity(trade: SimpleNamespace) -> None:
    bars = trade.market()
    decisions = pl.concat([bars.filter(entity="E0")[20:25], bars.filter(entity="E1")[7:9]])
    decisions = decisions.select("entity", "time", weight=pl.lit(-1.0))
    ledger = run_ledger(bars, decisions, setup=trade.setup(), settlements=None)
    assert ledger.select("entity", "time").equals(traded_bars(bars, decisions).select("entity", "time"))
    assert dict(ledger.group_by("entity").len().iter_rows()) == {"E0": 40, "E1": 28}


def test_a_ledger_without_trades_is_flat_and_one_without_decisions_empty(trade: SimpleNamespace) -> None:
    bars, s = trade.market(), trade.setup(funding=Funding(kind="assumed", rate=1e-4, interval=HOUR))
    decisions = trade.random_decisions(bars, 0).with_columns(weight=pl.lit(0.0))
    ledger = run_ledger(bars, decisions, setup=s, settlements=None)
    assert ledger["equity"].unique().to_list() == [1.0]
    assert (ledger.select("turnover", *PAID).sum_horizontal() == 0).all()
    empty = run_ledger(bars, decisions.clear(), setup=s, settlements=None)
    assert empty.is_empty()
    assert empty.schema == ledger.schema


def test_the_order_of_decisions_does_not_matter(trade: SimpleNamespace) -> None:
    bars = trade.market()
    decisions = trade.random_decisions(bars, 0)
    s = trade.setup(holding="label_end")
    sorted_books = run_ledger(bars, decisions, setup=s, settlements=None)
    assert run_ledger(bars, decisions.sample(fraction=1, shuffle=True, seed=3), setup=s, settlements=None).equals(
        sorted_books
    )


@pytest.mark.parametrize("step", [HOUR, 4 * HOUR, 24 * HOUR])
def test_bars_of_all_time_frames_work_alike(trade: SimpleNamespace, step: timedelta) -> None:
    """The same bars further apart earn and trade the same; what is paid by time grows with it."""
    hourly, bars = trade.market(), trade.market(step=step)
    times = step / HOUR
    s = trade.setup(costs=EVERY_COST, capital=90.0)
    books = [
        run_ledger(table, trade.random_decisions(table, 0, after=3), setup=s, settlements=None)
        for table in (hourly, bars)
    ]
    for name in ("position", "turnover", "fees", "slippage", "impact", "gross"):
        assert books[1][name].to_list() == books[0][name].to_list(), name
    assert books[1]["borrow"].to_list() == pytest.approx((books[0]["borrow"] * times).to_list())
    assert books[0]["borrow"].sum() > 0


@pytest.mark.parametrize(("hours", "settlements"), [(1, [0] * 7 + [1]), (4, [0, 1]), (24, [3])])
def test_a_bar_pays_the_settlements_inside_it(trade: SimpleNamespace, hours: int, settlements: list[int]) -> None:
    bars = trade.market(lengths=(60,), step=hours * HOUR)
    decisions = bars.select("entity", "time", weight=pl.lit(1.0))
    rates = trade.settled(bars, 0, 8 * HOUR).with_columns(rate=pl.lit(1e-4))
    paid = run_ledger(bars, decisions, setup=trade.setup(funding=Funding()), settlements=rates)
    held = paid["position"].shift(1) * bars["close"] / bars["close"].shift(1)
    count = (paid["funding"] / held / 1e-4)[2:]
    first = round((bars["time"][2] - trade.START) / HOUR / hours) - 1
    expected = [settlements[(first + n) % len(settlements)] for n in range(len(count))]
    assert count.to_list() == pytest.approx(expected, abs=1e-9)
