"""Books of all models of a head: grain, figures and the records of the trial ledger."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from assay.market.backtest import Limits, Policy, bars_per_year, benchmarks, performance, portfolio
from assay.market.costs import Costs, Funding
from assay.market.errors import ConfigurationError
from assay.market.execution import Execution
from assay.market.plan import Learning, Plan
from assay.market.splits import Receipt
from assay.market.trading import ALWAYS_FLAT, BUY_AND_HOLD, BacktestRule, measure, simulate

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
        tables.append(pl.DataFrame({"entity": entity, "time": times, **prices, "volume": 1e4, "jump": False}))
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


def test_timing_is_what_the_average_position_so_far_would_not_have_earned(
    bars: pl.DataFrame, oos: pl.DataFrame
) -> None:
    ledger = books(bars, oos)
    found = told(bars, ledger)["models"]["one"]["performance"]["timing_sharpe"]["value"]
    excess = np.zeros(80)
    for entity in ("A", "B"):
        own, market = (
            ledger.filter((pl.col("model") == m) & (pl.col("entity") == entity)) for m in ("one", BUY_AND_HOLD)
        )
        held, r = np.append(0, own["position"].to_numpy()[:-1]), market["gross"].to_numpy()
        costs = (own["fees"] + own["slippage"]).to_numpy()
        first = int(np.flatnonzero(held)[0])
        so_far = np.array([held[first : n + 1].mean() if n >= first else 0.0 for n in range(80)])
        excess += ((held - so_far) * r - costs) / 2
    year, net = bars_per_year(ledger["time"]), portfolio(ledger.filter(pl.col("model") == "one"))["ret"]
    assert found == pytest.approx(excess.mean() / net.std() * year**0.5)


def test_every_book_is_told_in_whole(bars: pl.DataFrame, oos: pl.DataFrame) -> None:
    found = told(bars, books(bars, oos))["models"]
    assert list(found) == ["one", "two", BUY_AND_HOLD, ALWAYS_FLAT]
    keys = {"performance", "curve", "monthly", "by_entity", "episodes", "stress", "break_even_bp", "capacity"}
    for name, book in found.items():
        assert set(book) == keys | {"random", "policy"}
        assert book["monthly"][0]["month"] == "2024-01"
        assert [row["name"] for row in book["by_entity"]] == ["A", "B"]
        assert sum(month["ret"] for month in book["monthly"]) == pytest.approx(book["performance"]["total_return"])
        assert (book["random"] is None) == (book["policy"] is None) == (name in (BUY_AND_HOLD, ALWAYS_FLAT))
    assert found["one"]["random"]["entries"] == 80 - 2 * HORIZON + 1
    assert found["one"]["stress"][2]["annual_return"] == found["one"]["performance"]["annual_return"]
    assert 0 < found["one"]["episodes"] <= 80 / HORIZON
    json.dumps(found, allow_nan=False)


def test_doing_nothing_earns_nothing(bars: pl.DataFrame, oos: pl.DataFrame) -> None:
    flat = told(bars, books(bars, oos))["models"][ALWAYS_FLAT]
    assert flat["performance"]["total_return"] == 0
    assert flat["performance"]["sharpe"] == {"value": None, "low": None, "high": None}
    assert (flat["episodes"], flat["break_even_bp"]) == (0, None)
    assert set(flat["curve"]["equity"]) == set(flat["curve"]["low"]) == {1.0}


def test_the_band_surrounds_the_end_of_the_curve(bars: pl.DataFrame, oos: pl.DataFrame) -> None:
    ledger = books(bars, oos)
    curve = told(bars, ledger)["models"]["one"]["curve"]
    assert len(curve["low"]) == len(curve["high"]) == len(curve["equity"]) == 80
    assert curve["low"][-1] < curve["equity"][-1] < curve["high"][-1]
    other = rule().model_copy(update={"seed": 1})
    assert told(bars, ledger, other)["models"]["one"]["curve"]["low"] != curve["low"]


def test_random_entries_are_drawn_with_the_seed_of_the_rule(
    bars: pl.DataFrame, oos: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benchmarks, "ENTRIES", 20)
    ledger = books(bars, oos)
    other = rule().model_copy(update={"seed": 1})
    first, again, others = (told(bars, ledger, by)["models"]["one"]["random"] for by in (rule(), rule(), other))
    assert first == again
    assert first["sharpe"] != others["sharpe"]


def test_blocks_of_the_intervals_are_as_long_as_positions_are_held(bars: pl.DataFrame, oos: pl.DataFrame) -> None:
    ledger = books(bars, oos)
    short, long = (
        measure(bars, ledger, plan(horizon=horizon), rule=rule(), settlements=None)["models"]["one"]["performance"]
        for horizon in (HORIZON, 30)
    )
    assert short["sharpe"]["value"] == long["sharpe"]["value"]
    assert short["sharpe"]["low"] != long["sharpe"]["low"]


def test_the_sizing_of_the_policy_is_traded_and_told(bars: pl.DataFrame, oos: pl.DataFrame) -> None:
    half = rule().model_copy(update={"policy": Policy.model_validate({"sizing": {"kind": "fixed", "size": 0.5}})})
    ledger = simulate(bars, oos, plan(), rule=half, settlements=None)
    own = pl.col("model") == "one"
    whole = books(bars, oos).filter(own)["position"].to_list()
    assert ledger.filter(own)["position"].to_list() == pytest.approx([position / 2 for position in whole])
    assert "0.5 of the capital" in told(bars, ledger, half)["models"]["one"]["policy"]["said"]


def test_ranks_that_nobody_can_fill_are_refused(bars: pl.DataFrame, oos: pl.DataFrame) -> None:
    ranked = rule().model_copy(update={"policy": Policy.model_validate({"sizing": {"kind": "rank_long_short"}})})
    with pytest.raises(
        ConfigurationError, match=r"too few entities to rank(.*\n)+.*at least min_entities = 5\n.*found: 2"
    ):
        simulate(bars, oos, plan(), rule=ranked, settlements=None)


def test_lots_without_a_capital_are_refused_before_anything_runs() -> None:
    given = rule().model_dump() | {"limits": {"lot": 0.1}}
    with pytest.raises(ValidationError, match="no capital is stated"):
        BacktestRule.model_validate(given)
    assert BacktestRule.model_validate(given | {"capital": 1e6}).limits.lot == 0.1


def test_an_optimised_policy_is_told_fold_by_fold(bars: pl.DataFrame, oos: pl.DataFrame) -> None:
    rng = np.random.default_rng(3)
    fold = pl.when(pl.col("time") < bars["time"][80]).then(1).otherwise(2).alias("fold")
    shares = pl.DataFrame(rng.dirichlet((2, 2, 2), oos.height), schema=["p_short", "p_neutral", "p_long"])
    searched = Policy.model_validate(
        {"sizing": {"kind": "threshold", "probability": 0.9}, "optimise": {"grid": {"probability": [0.0, 0.4]}}}
    )
    by_fold = rule().model_copy(update={"policy": searched})
    start, known = bars["time"][80], bars["time"][39]
    receipt = Receipt(2, known, known, bars["time"][41], start, bars["time"][119], 1, 1, 0, 0)
    planned = plan(receipts=(receipt,))
    ledger = simulate(
        bars, pl.concat([oos.with_columns(fold), shares], how="horizontal"), planned, rule=by_fold, settlements=None
    )
    found = measure(bars, ledger, planned, rule=by_fold, settlements=None)["models"]["two"]["policy"]["folds"]
    assert [(fold["fold"], fold["bars"]) for fold in found] == [(2, 40)]
    assert found[0]["chosen"]["probability"] in (0.0, 0.4, 0.9)
    assert ledger.filter(pl.col("model") == BUY_AND_HOLD)["choice"].unique().to_list() == [0]


def test_years_are_counted_before_the_first_decision(bars: pl.DataFrame, oos: pl.DataFrame) -> None:
    """Bars of four hours before it: one of the same scale takes the share that four-hour bars ask for."""
    target = {"sizing": {"kind": "volatility_target", "target": 0.1, "cap": 10.0}}
    by_target = rule(0.0).model_copy(update={"policy": Policy.model_validate(target)})
    before = pl.col("time") < oos["time"].min()
    oos = oos.filter(pl.col("time").rank("dense").over("entity") % 2 == 1)  # every other bar from the first on
    bars = bars.filter(before | pl.col("time").is_in(oos["time"].implode()))
    scaled = oos.with_columns(scale=pl.lit(0.03))
    ledger = simulate(bars, scaled, plan(), rule=by_target, settlements=None).filter(pl.col("model") == "one")
    fixed = books(bars, oos).filter(pl.col("model") == "one")
    share = 0.1 / 0.03 / (6 * 365.25 / HORIZON) ** 0.5
    assert ledger["position"].to_list() == pytest.approx((fixed["position"] * share).to_list())


def test_an_impact_needs_capital() -> None:
    with pytest.raises(ValidationError, match="how much of the volume a trade is"):
        BacktestRule(costs=Costs(fee_bp=2, half_spread_bp=1, impact=0.5))


def test_limits_and_capital_of_the_rule_are_those_of_the_ledger(bars: pl.DataFrame, oos: pl.DataFrame) -> None:
    longs = oos.with_columns(pl.lit(1, dtype=pl.Int8).alias("y_pred"))
    limited = rule().model_copy(update={"limits": Limits(max_position=0.2)})
    ledger = simulate(bars, longs, plan(), rule=limited, settlements=None).filter(pl.col("model") == "one")
    assert ledger["position"].max() < 0.25
    assert books(bars, longs)["position"].max() > 0.9  # type: ignore[operator]
    moving = BacktestRule(costs=Costs(fee_bp=2, half_spread_bp=1, impact=0.5), capital=1e5)
    charged = simulate(bars, longs, plan(), rule=moving, settlements=None)
    assert charged.filter(pl.col("model") == "one")["impact"].sum() > 0
    found = told(bars, charged, moving)
    assert "at 100,000" in found["said"]
    assert (
        found["models"]["one"]["capacity"]["said"] != told(bars, books(bars, oos))["models"]["one"]["capacity"]["said"]
    )


def test_positions_may_leave_when_their_label_ends(bars: pl.DataFrame, oos: pl.DataFrame) -> None:
    longs = oos.with_columns(pl.lit(1, dtype=pl.Int8).alias("y_pred"))
    soon = longs.with_columns(label_end=pl.col("time") + timedelta(hours=8))  # one bar after the fill
    early = rule().model_copy(update={"holding": "label_end"})
    left, held = (
        simulate(bars, soon, plan(), rule=holding, settlements=None).filter(pl.col("model") == "one")
        for holding in (early, rule())
    )
    assert held.equals(books(bars, longs).filter(pl.col("model") == "one"))
    assert left["position"].max() == pytest.approx(1 / HORIZON)
    assert held["position"].max() > 0.9  # type: ignore[operator]


def test_curve_ends_where_the_book_ends(bars: pl.DataFrame, oos: pl.DataFrame) -> None:
    found = told(bars, books(bars, oos))["models"]["one"]
    assert found["curve"]["equity"][-1] == pytest.approx(1 + found["performance"]["total_return"])
    assert min(found["curve"]["drawdown"]) == pytest.approx(found["performance"]["max_drawdown"])


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
