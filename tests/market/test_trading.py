"""Books of all models of a head: grain, figures and the records of the trial ledger."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from assay.market.backtest import bars_per_year, performance, portfolio
from assay.market.costs import Costs, Funding
from assay.market.execution import Execution
from assay.market.plan import Learning, Plan
from assay.market.trading import BUY_AND_HOLD, BacktestRule, measure, outer_trials, simulate

ROWS, HORIZON = 120, 3


@pytest.fixture
def bars() -> pl.DataFrame:
    rng = np.random.default_rng(5)
    start = datetime(2024, 1, 1, tzinfo=UTC)
    times = [start + timedelta(hours=4 * i) for i in range(ROWS)]
    tables = []
    for entity in ("A", "B"):
        close = 100 * np.exp(rng.normal(0, 0.01, ROWS).cumsum())
        prices = dict.fromkeys(("open", "high", "low", "close"), close)
        tables.append(pl.DataFrame({"entity": entity, "time": times, **prices, "volume": 1.0, "jump": False}))
    return pl.concat(tables).with_columns(pl.col("time").cast(pl.Datetime("us", "UTC")))


@pytest.fixture
def oos(bars: pl.DataFrame) -> pl.DataFrame:
    rng = np.random.default_rng(6)
    key = bars.select("entity", "time").filter(pl.col("time") >= bars["time"][40])
    classes = [rng.integers(-1, 2, key.height) for _ in range(2)]
    return pl.concat(
        key.select(pl.lit(model).alias("model"), pl.all()).with_columns(y_pred=pl.Series(y, dtype=pl.Int8))
        for model, y in zip(("one", "two"), classes, strict=True)
    )


def plan(**changed: Any) -> Plan:
    fixed = {
        "head": "signal",
        "kind": "classification",
        "roles": {"one": "model", "two": "baseline"},
        "horizon": HORIZON,
        "execution": Execution(),
        "feature_set_id": "f",
        "receipts": (),
        "learning": Learning(),
    }
    return Plan.model_validate(fixed | changed)


def rule(fee_bp: float = 2.0) -> BacktestRule:
    return BacktestRule(costs=Costs(fee_bp=fee_bp, half_spread_bp=1.0))


def told(bars: pl.DataFrame, ledger: pl.DataFrame, judged_by: BacktestRule | None = None) -> dict[str, Any]:
    return measure(bars, ledger, plan(), rule=judged_by or rule(), settlements=None)


def books(bars: pl.DataFrame, oos: pl.DataFrame, fee_bp: float = 2.0) -> pl.DataFrame:
    return simulate(bars, oos, plan(), rule=rule(fee_bp), settlements=None)


def test_every_model_and_the_market_have_one_row_per_entity_and_bar(bars: pl.DataFrame, oos: pl.DataFrame) -> None:
    ledger = books(bars, oos)
    assert ledger["model"].unique(maintain_order=True).to_list() == ["one", "two", BUY_AND_HOLD]
    assert set(ledger.group_by("model", "entity").len()["len"]) == {80}


def test_figures_are_those_of_the_model_alone(bars: pl.DataFrame, oos: pl.DataFrame) -> None:
    ledger = books(bars, oos)
    found, intervals = told(bars, ledger)["models"]["two"]["performance"], ("sharpe", "timing_sharpe")
    book = portfolio(ledger.filter(pl.col("model") == "two"))
    alone = performance(book, bars_per_year=bars_per_year(book["time"]))
    assert {k: v for k, v in found.items() if k not in intervals} == {k: v for k, v in alone.items() if k != "sharpe"}
    assert found["sharpe"]["value"] == pytest.approx(alone["sharpe"])
    assert found["sharpe"]["low"] < found["sharpe"]["value"] < found["sharpe"]["high"]


def test_the_interval_has_the_confidence_of_the_rule(bars: pl.DataFrame, oos: pl.DataFrame) -> None:
    ledger = books(bars, oos)
    ends = {}
    for confidence in (0.8, 0.95):
        judged_by = rule().model_copy(update={"confidence": confidence})
        found = told(bars, ledger, judged_by)["models"]["one"]["performance"]
        ends[confidence] = [found[name][end] for name in ("sharpe", "timing_sharpe") for end in ("low", "high")]
    wide, narrow = ends[0.95], ends[0.8]
    assert all(wide[i] < narrow[i] < narrow[i + 1] < wide[i + 1] for i in (0, 2))
    assert told(bars, ledger)["models"]["one"]["performance"]["sharpe"]["low"] == wide[0]


def test_a_book_that_is_always_long_has_no_timing(bars: pl.DataFrame, oos: pl.DataFrame) -> None:
    """Bars that rise on average: always LONG earns the drift, and nothing but costs and the start beyond it."""
    rising = bars.with_columns(pl.col("close") * (1 + 0.01 * pl.int_range(pl.len()).over("entity")))
    longs = oos.with_columns(pl.lit(1, dtype=pl.Int8).alias("y_pred"))
    found = told(rising, books(rising, longs))["models"]["one"]["performance"]
    assert found["sharpe"]["low"] > 1
    assert abs(found["timing_sharpe"]["value"]) < found["sharpe"]["value"] / 20


def test_constant_funding_is_drift_and_no_timing(bars: pl.DataFrame, oos: pl.DataFrame) -> None:
    """A holder who pays the same funding all the time is not a bad timer."""
    paid = Funding(kind="assumed", rate=0.01, interval=timedelta(hours=4))
    dear = rule().model_copy(update={"funding": paid})
    ledger = simulate(bars, oos, plan(), rule=dear, settlements=None)
    held = measure(bars, ledger, plan(), rule=dear, settlements=None)["models"][BUY_AND_HOLD]["performance"]
    assert held["sharpe"]["value"] < -10
    assert abs(held["timing_sharpe"]["value"]) < 2


def test_timing_is_the_covariance_of_position_and_return(bars: pl.DataFrame, oos: pl.DataFrame) -> None:
    ledger = books(bars, oos)
    found = told(bars, ledger)["models"]["one"]["performance"]["timing_sharpe"]["value"]
    excess = np.zeros(80)
    for entity in ("A", "B"):
        own, market = (
            ledger.filter((pl.col("model") == m) & (pl.col("entity") == entity)) for m in ("one", BUY_AND_HOLD)
        )
        held, r = np.append(0, own["position"].to_numpy()[:-1]), market["gross"].to_numpy()
        costs = (own["fees"] + own["slippage"]).to_numpy()
        excess += ((held - held.mean()) * (r - r.mean()) - costs) / 2
    year, net = bars_per_year(ledger["time"]), portfolio(ledger.filter(pl.col("model") == "one"))["ret"]
    assert found == pytest.approx(excess.mean() / net.std() * year**0.5)


def test_curve_ends_where_the_book_ends(bars: pl.DataFrame, oos: pl.DataFrame) -> None:
    found = told(bars, books(bars, oos))["models"]["one"]
    assert found["curve"]["equity"][-1] == pytest.approx(1 + found["performance"]["total_return"])
    assert min(found["curve"]["drawdown"]) == pytest.approx(found["performance"]["max_drawdown"])


def test_a_replay_is_no_new_trial_and_other_costs_are(bars: pl.DataFrame, oos: pl.DataFrame) -> None:
    first, again = (outer_trials(books(bars, oos), plan(), rule()) for _ in range(2))
    dearer = outer_trials(books(bars, oos, fee_bp=3.0), plan(), rule(3.0))
    assert [t["id"] for t in first] == [t["id"] for t in again]
    assert not {t["id"] for t in first} & {t["id"] for t in dearer}
    assert [t["model"] for t in first] == ["one", "two"]
    assert {t["scope"] for t in first} == {"outer"}
    judged = rule().model_copy(update={"seed": 1, "confidence": 0.8})  # how it is judged is no part of what was tried
    assert [t["id"] for t in outer_trials(books(bars, oos), plan(), judged)] == [t["id"] for t in first]
    assert {len(t["net_returns"]) for t in first} == {80}


def test_the_horizon_of_the_plan_is_the_holding_period(bars: pl.DataFrame, oos: pl.DataFrame) -> None:
    longer = simulate(bars, oos, plan(horizon=9), rule=rule(), settlements=None)
    assert longer["turnover"].sum() < books(bars, oos)["turnover"].sum()


def test_funding_is_told_in_words(bars: pl.DataFrame, oos: pl.DataFrame) -> None:
    assumed = Funding(kind="assumed", rate=0.0001, interval=timedelta(hours=8))
    with_funding = rule().model_copy(update={"funding": assumed})
    ledger = simulate(bars, oos, plan(), rule=with_funding, settlements=None)
    assert "1 bp every 8 h" in told(bars, ledger, with_funding)["funding"]
    assert told(bars, ledger)["funding"] == "No funding is charged."


def test_the_costs_are_told(bars: pl.DataFrame, oos: pl.DataFrame) -> None:
    assert told(bars, books(bars, oos))["costs"] == rule().costs.model_dump()
