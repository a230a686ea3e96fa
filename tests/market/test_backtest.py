"""The ledger against its labels, a slow loop of tranches and its own accounts; the metrics against empyrical."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from assay.market.backtest import (
    BacktestSetup,
    buy_and_hold,
    performance,
    portfolio,
    run_ledger,
    traded_bars,
)
from assay.market.costs import Costs, Funding, check_funding, funding_schedule
from assay.market.errors import DataError
from assay.market.execution import Execution
from assay.market.labels import LabelRule, make_labels

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
TIME = pl.Datetime("us", "UTC")
FREE = Costs(fee_bp=0, half_spread_bp=0)
DEAR = Costs(fee_bp=5, half_spread_bp=2)
NONE = Funding(kind="none")
ASSUMED = Funding(kind="assumed", rate=1e-4, interval=8 * HOUR)
MARKETS = {
    "seed": st.integers(0, 10_000),
    "horizon": st.integers(1, 7),
    "delay": st.integers(1, 3),
    "price": st.sampled_from(["open", "close"]),
}


def market(seed: int = 0, lengths: tuple[int, ...] = (60, 35), *, faults: float = 0.0) -> pl.DataFrame:
    """Random walks of hourly bars; ``faults`` is the share of missing bars and null opens."""
    rng = np.random.default_rng(seed)
    tables = []
    for number, length in enumerate(lengths):
        close = 10.0 ** (number * 3) * np.exp(0.02 * rng.standard_normal(length).cumsum())
        opened = close * np.exp(0.005 * rng.standard_normal(length))
        hours = np.cumsum(np.where(rng.random(length) < faults, 4, 1)).tolist()
        tables.append(
            pl.DataFrame(
                {
                    "entity": f"E{number}",
                    "time": pl.Series([START + HOUR * h for h in hours], dtype=TIME),
                    "open": [None if rng.random() < faults else value for value in opened.tolist()],
                    "close": close,
                    "jump": False,
                }
            )
        )
    return pl.concat(tables)


def setup(**changes: Any) -> BacktestSetup:
    return replace(BacktestSetup(horizon=3, execution=Execution(), costs=DEAR, funding=NONE), **changes)


def random_decisions(bars: pl.DataFrame, seed: int, share: float = 0.7) -> pl.DataFrame:
    rng = np.random.default_rng(seed + 1)
    decided = bars.filter(pl.Series(rng.random(bars.height) < share)).select("entity", "time")
    return decided.with_columns(side=pl.Series(rng.integers(-1, 2, decided.height), dtype=pl.Int8))


def settled(bars: pl.DataFrame, seed: int, step: timedelta = 2 * HOUR) -> pl.DataFrame:
    """Settlements of all entities of ``bars`` at random rates, a little after each full step."""
    rng = np.random.default_rng(seed + 2)
    count = int((bars["time"].max() - START) / step) + 2
    return pl.DataFrame(
        [
            {"entity": entity, "event_time": START + step * n + timedelta(milliseconds=7), "rate": rng.normal(0, 1e-3)}
            for entity in bars["entity"].unique(maintain_order=True)
            for n in range(count)
        ],
        schema={"entity": pl.String, "event_time": TIME, "rate": pl.Float64},
    )


def slow_ledger(
    bars: pl.DataFrame, decisions: pl.DataFrame, s: BacktestSetup, rates: pl.DataFrame
) -> list[dict[str, Any]]:
    """Carry a list of open tranches from bar to bar, as a bookkeeper would."""
    sided = {(e, t): side for e, t, side in decisions.select("entity", "time", "side").iter_rows()}
    rows: list[dict[str, Any]] = []
    for entity in dict.fromkeys(bars["entity"]):
        begin = min((t for e, t in sided if e == entity), default=None)
        own = [b for b in bars.filter(entity=entity).to_dicts() if begin and b["time"] >= begin]
        due = rates.filter(entity=entity).to_dicts()
        open_tranches: list[tuple[int, float]] = []  # (row of the exit, quantity)
        equity, before, last = 1.0, 0.0, None
        for n, bar in enumerate(own):
            price = bar[s.execution.price] or bar["close"]
            gross = before * (price - last) if last is not None else 0.0
            open_tranches = [tranche for tranche in open_tranches if tranche[0] > n]
            if n >= s.execution.delay:
                side = sided.get((entity, own[n - s.execution.delay]["time"]), 0)
                open_tranches.append((n + s.horizon, side / s.horizon / price))
            if n == len(own) - 1:
                open_tranches = []
            after = sum(quantity for _, quantity in open_tranches)
            held = before if s.execution.price == "close" else after
            previous = own[n - 1]["time"] if n else bar["time"]
            rate = sum(
                d["rate"] for d in due if previous < d["event_time"].replace(second=0, microsecond=0) <= bar["time"]
            )
            row = {"gross": gross, "turnover": abs(after - before) * price, "funding": rate * held * bar["close"]}
            row |= {
                "fees": row["turnover"] * s.costs.fee_bp / 1e4,
                "slippage": row["turnover"] * s.costs.half_spread_bp / 1e4,
            }
            row["pnl"] = gross - row["fees"] - row["slippage"] - row["funding"]
            equity += row["pnl"]
            rows.append({"entity": entity, "time": bar["time"], "position": after * price, "equity": equity} | row)
            before, last = after, price
    return rows


@settings(deadline=None, max_examples=40)
@given(**MARKETS)
def test_ledger_equals_a_slow_list_of_tranches(seed: int, horizon: int, delay: int, price: Any) -> None:
    bars = market(seed, (50, 3, 30), faults=0.05)
    decisions, rates = random_decisions(bars, seed), settled(bars, seed)
    s = setup(horizon=horizon, execution=Execution(price=price, delay=delay), funding=Funding())
    ledger = run_ledger(bars, decisions, setup=s, settlements=rates)
    slow = slow_ledger(bars, decisions, s, rates)
    assert ledger.select("entity", "time").rows() == [(row["entity"], row["time"]) for row in slow]
    for name in ("position", "turnover", "fees", "slippage", "funding", "gross", "pnl", "equity"):
        assert ledger[name].to_list() == pytest.approx([row[name] for row in slow], rel=1e-9, abs=1e-12), name


@settings(deadline=None, max_examples=40)
@given(**MARKETS)
def test_perfect_foresight_earns_exactly_its_labels(seed: int, horizon: int, delay: int, price: Any) -> None:
    bars, execution = market(seed, (80, 45), faults=0.03), Execution(price=price, delay=delay)
    rule = LabelRule(kind="fixed_horizon", horizon=horizon, threshold=0.3, volatility_span=8, max_gap=2 * HOUR)
    labels = make_labels(bars, rule, execution=execution)[0].drop_nulls()
    decisions = labels.select("entity", "time", side="label")
    ledger = run_ledger(
        bars, decisions, setup=setup(horizon=horizon, execution=execution, costs=FREE), settlements=None
    )
    earned = ledger.group_by("entity", maintain_order=True).agg(pl.col("pnl").sum())
    owed = labels.group_by("entity", maintain_order=True).agg(
        (pl.col("label") * pl.col("forward_return")).sum() / horizon
    )
    assert dict(earned.iter_rows()) == pytest.approx(dict(owed.iter_rows()), rel=1e-12, abs=1e-15)


@settings(deadline=None, max_examples=25)
@given(**MARKETS)
def test_equity_changes_by_gross_minus_all_costs(seed: int, horizon: int, delay: int, price: Any) -> None:
    bars = market(seed, faults=0.05)
    s = setup(horizon=horizon, execution=Execution(price=price, delay=delay), funding=Funding())
    ledger = run_ledger(bars, random_decisions(bars, seed), setup=s, settlements=settled(bars, seed))
    for _, own in ledger.group_by("entity"):
        total = sum(own["gross"]) - sum(own["fees"]) - sum(own["slippage"]) - sum(own["funding"])
        assert own["equity"][-1] - 1 == pytest.approx(total, abs=1e-9)
        moved = own["equity"].diff().drop_nulls()
        assert moved.to_list() == pytest.approx(own["pnl"][1:].to_list(), abs=1e-9)
        assert own["position"][-1] == 0  # closed with the data
    assert ledger["gross"].to_list() == pytest.approx(gross_of_positions(bars, ledger, price), abs=1e-12)
    book = portfolio(ledger)
    assert book["ret"].sum() == pytest.approx(ledger["pnl"].sum() / 2, abs=1e-12)


def gross_of_positions(bars: pl.DataFrame, ledger: pl.DataFrame, price: str) -> list[float]:
    """Position into a bar times the return of the bar."""
    rows = ledger.join(bars, on=["entity", "time"]).with_columns(p=pl.coalesce(price, "close"))
    held = pl.col("position") * (pl.col("p").shift(-1) / pl.col("p") - 1)
    return rows.select(held.over("entity").shift(1).over("entity").fill_null(0)).to_series().to_list()


def test_the_price_that_was_decided_on_is_never_traded() -> None:
    with pytest.raises(ValidationError, match="delay"):
        Execution(delay=0)
    bars = market(lengths=(30,))
    decisions = bars.select("entity", "time", side=(pl.int_range(pl.len()) == 10).cast(pl.Int8))
    ledger = run_ledger(bars, decisions, setup=setup(), settlements=None)
    assert np.flatnonzero(ledger["turnover"]).tolist() == [11, 14]
    assert np.flatnonzero(ledger["gross"]).tolist() == [12, 13, 14]


def test_costs_only_ever_cost() -> None:
    bars = market()
    decisions = random_decisions(bars, 0)
    totals = [
        run_ledger(bars, decisions, setup=setup(costs=Costs(fee_bp=fee, half_spread_bp=spread)), settlements=None)[
            "pnl"
        ].sum()
        for fee, spread in ((0, 0), (1, 0), (1, 1), (4, 1), (4, 8))
    ]
    assert all(more < less for less, more in itertools.pairwise(totals))


@pytest.mark.parametrize(
    ("side", "rate", "sign"), [(1, 1e-3, 1), (-1, 1e-3, -1), (1, -1e-3, -1), (-1, -1e-3, 1), (0, 1e-3, 0)]
)
def test_longs_pay_positive_funding_and_shorts_receive_it(side: int, rate: float, sign: int) -> None:
    bars = market(lengths=(30,))
    decisions = bars.select("entity", "time", side=pl.lit(side, dtype=pl.Int8))
    rates = settled(bars, 0).with_columns(rate=pl.lit(rate))
    ledger = run_ledger(bars, decisions, setup=setup(funding=Funding()), settlements=rates)
    assert np.sign(ledger["funding"].sum()) == sign


def test_funding_is_paid_at_the_settlement_by_who_holds_then() -> None:
    bars = market(lengths=(30,))
    decisions = bars.select("entity", "time", side=(pl.int_range(pl.len()) == 10).cast(pl.Int8))
    times = bars["time"]
    quiet = Funding(kind="assumed", rate=0.0, interval=1000 * HOUR)

    def paid(settlement: datetime, price: Any = "close") -> float:
        s = setup(horizon=1, execution=Execution(price=price), funding=quiet)
        rates = pl.DataFrame({"entity": "E0", "event_time": pl.Series([settlement], dtype=TIME), "rate": 0.01})
        return run_ledger(bars, decisions, setup=s, settlements=rates)["funding"].sum()

    # Filled at the close of bar 11, closed at the close of bar 12: held in (11, 12].
    assert paid(times[11]) == 0
    assert paid(times[11] + HOUR / 2) == pytest.approx(0.01 * bars["close"][12] / bars["close"][11])
    assert paid(times[12]) == pytest.approx(0.01 * bars["close"][12] / bars["close"][11])
    assert paid(times[12] + timedelta(milliseconds=17)) == paid(times[12])  # stamped late, settled on the minute
    assert paid(times[12] + HOUR / 2) == 0
    # Filled at the open of bar 11, closed at the open of bar 12: held in (10, 11].
    assert paid(times[11], "open") == pytest.approx(0.01 * bars["close"][11] / bars["open"][11])
    assert paid(times[12], "open") == 0


def test_funding_that_is_required_but_missing_names_symbol_and_dates() -> None:
    bars = market(lengths=(200, 200))
    rates = settled(bars, 0, 8 * HOUR)
    decisions = random_decisions(bars, 0)
    hole = (pl.col("entity") == "E1") & pl.col("event_time").is_between(START + 50 * HOUR, START + 120 * HOUR)
    assert check_funding(bars, rates, Funding()) == "Funding is charged at the known settlements of 2 of 2 entities."
    with pytest.raises(DataError, match=r"(?s)E1 2024-01-03 to 2024-01-06.*backtest.funding.kind=assumed"):
        run_ledger(bars, decisions, setup=setup(funding=Funding()), settlements=rates.filter(~hole))
    with pytest.raises(DataError, match="E1 2024-01-01 to 2024-01-09"):
        check_funding(bars, rates.filter(entity="E0"), Funding())
    with pytest.raises(DataError, match=r"E0 2024-01-01 to 2024-01-09; E1 2024-01-01"):
        check_funding(bars, None, Funding())
    with pytest.raises(DataError, match=r"E0 2024-01-05 to 2024-01-09"):
        check_funding(bars, rates.filter(pl.col("event_time") < START + 100 * HOUR), Funding())
    with pytest.raises(DataError, match=r"columns \['rate'\] are missing"):
        check_funding(bars, rates.rename({"rate": "funding"}), Funding())
    short = rates.filter(~pl.col("event_time").is_between(START + 50 * HOUR, START + 70 * HOUR))
    assert funding_schedule(bars, short, Funding()).height == 2 * (25 - 2)  # two in a row are no hole


def test_assumed_funding_fills_what_is_not_known_and_says_so() -> None:
    bars = market(lengths=(200, 200))
    rates = settled(bars, 0, 8 * HOUR)
    half = rates.filter((pl.col("entity") == "E0") & (pl.col("event_time") < START + 100 * HOUR))
    schedule = funding_schedule(bars, half, ASSUMED)
    known = schedule.filter(~pl.col("assumed"))
    assert known["rate"].to_list() == half["rate"][1:].to_list()  # the first was settled before the first bar
    filled = schedule.filter("assumed")
    assert filled["rate"].unique().to_list() == [1e-4]
    assert filled.filter(entity="E0")["time"].to_list() == [START + 8 * HOUR * n for n in range(13, 26)]
    assert filled.filter(entity="E1")["time"].to_list() == [START + 8 * HOUR * n for n in range(1, 26)]
    hole = pl.col("event_time").is_between(START + 50 * HOUR, START + 120 * HOUR)
    inside = funding_schedule(bars, rates.filter(~hole), ASSUMED).filter("assumed").filter(entity="E0")
    assert inside["time"].to_list() == [START + 8 * HOUR * n for n in range(7, 15)]  # 120 h is known 7 ms later
    sentence = check_funding(bars, half, ASSUMED)
    assert sentence.startswith("Funding is assumed to be 1 bp every 8 h for 76% of the settlements (2 of 2 entities)")
    assert check_funding(bars, rates, ASSUMED).startswith("Funding is charged at the known")
    assert check_funding(bars, None, NONE) == "No funding is charged."
    assert funding_schedule(bars, rates, NONE).is_empty()


def test_a_revised_settlement_is_charged_once() -> None:
    bars = market(lengths=(60,))
    rates = settled(bars, 0).with_columns(available_time=pl.col("event_time"))
    late = rates.with_columns(pl.col("available_time") + HOUR, rate=pl.lit(0.5))
    schedule = funding_schedule(bars, pl.concat([late, rates]), Funding())
    assert schedule["rate"].unique().to_list() == [0.5]
    assert not schedule.select("entity", "time").is_duplicated().any()


@pytest.mark.parametrize("missing", ["rate", "interval"])
def test_an_assumption_must_be_complete(missing: str) -> None:
    given_values = {"kind": "assumed", "rate": 1e-4, "interval": "PT8H"} | {missing: None}
    with pytest.raises(ValidationError, match=r"give funding.rate .* and funding.interval"):
        Funding.model_validate(given_values)
    assert Funding.model_validate(given_values | {"kind": "required"}).kind == "required"


def test_decisions_without_a_bar_twice_or_of_another_side_are_errors() -> None:
    bars = market()
    good = random_decisions(bars, 0)
    off = good.with_columns(pl.col("time") + HOUR / 2)
    with pytest.raises(DataError, match=r"(?s)have no bar.*first: E0 at"):
        run_ledger(bars, off, setup=setup(), settlements=None)
    with pytest.raises(DataError, match=r"2 of .* more than once"):
        run_ledger(bars, pl.concat([good, good.head(1)]), setup=setup(), settlements=None)
    for side in (2, None):
        wrong = good.with_columns(side=pl.lit(side, dtype=pl.Int8))
        with pytest.raises(DataError, match="have a side that is none of"):
            run_ledger(bars, wrong, setup=setup(), settlements=None)


def test_a_ledger_without_trades_is_flat() -> None:
    bars = market()
    decisions = random_decisions(bars, 0).with_columns(side=pl.lit(0, dtype=pl.Int8))
    ledger = run_ledger(bars, decisions, setup=setup(funding=ASSUMED), settlements=None)
    assert ledger["equity"].unique().to_list() == [1.0]
    result = performance(portfolio(ledger), bars_per_year=8766)
    undefined = {"sharpe", "sortino", "win_rate", "profit_factor"}
    assert {name for name, value in result.items() if value is None} == undefined
    assert all(result[name] == 0 for name in result.keys() - undefined - {"bars"})


def test_ledger_begins_with_the_first_decision_of_each_entity() -> None:
    bars = market()
    decisions = pl.concat([bars.filter(entity="E0")[20:25], bars.filter(entity="E1")[7:9]])
    decisions = decisions.select("entity", "time", side=pl.lit(-1, dtype=pl.Int8))
    ledger = run_ledger(bars, decisions, setup=setup(), settlements=None)
    assert ledger.select("entity", "time").equals(traded_bars(bars, decisions).select("entity", "time"))
    assert dict(ledger.group_by("entity").len().iter_rows()) == {"E0": 40, "E1": 28}


def test_an_entity_without_data_lies_idle_in_the_portfolio() -> None:
    bars = market()
    ledger = run_ledger(bars, random_decisions(bars, 0), setup=setup(), settlements=None)
    book = portfolio(ledger)
    alone = ledger.filter(entity="E0").filter(pl.col("time") > ledger.filter(entity="E1")["time"].max())
    assert book.tail(alone.height)["ret"].to_list() == pytest.approx((alone["pnl"] / 2).to_list())
    assert book.tail(alone.height)["exposure"].to_list() == pytest.approx((alone["position"].abs() / 2).to_list())
    costs = book["fees"] + book["slippage"] + book["funding"]
    assert (book["gross"] - costs).to_list() == pytest.approx(book["ret"].to_list(), abs=1e-15)
    assert book["equity"][-1] - 1 == pytest.approx(book["ret"].sum())


@pytest.mark.parametrize("price", ["open", "close"])
def test_buy_and_hold_pays_once_and_earns_every_bar(price: Any) -> None:
    bars = market(lengths=(60, 35, 1))
    decisions = bars.select("entity", "time", side=pl.lit(0, dtype=pl.Int8))
    held = buy_and_hold(bars, decisions, setup=setup(execution=Execution(price=price, delay=2)), settlements=None)
    assert held.select("entity", "time").equals(bars.select("entity", "time"))
    for entity in ("E0", "E1"):
        own = bars.filter(entity=entity)[price]
        earned = sum(own[n] / own[n - 1] - 1 for n in range(3, len(own)))
        assert held.filter(entity=entity)["equity"][-1] - 1 == pytest.approx(earned - 7e-4, abs=1e-12)
    assert held["position"].round(12).unique().sort().to_list() == [0, 1]
    assert held["turnover"].sum() == pytest.approx(2)
    charged = buy_and_hold(bars, decisions, setup=setup(funding=ASSUMED), settlements=None)
    assert charged["funding"].sum() > 0
