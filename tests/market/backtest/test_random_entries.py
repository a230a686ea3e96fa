"""The same trades at other times: what is kept, what is lost, and how a book ranks among them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from assay.market.backtest import BacktestSetup, bars_per_year, buy_and_hold, performance, portfolio, run_ledger
from assay.market.backtest.benchmarks import Entries, always_flat, random_entries, sharpe_of_shifts
from assay.market.costs import Costs, Funding
from assay.market.execution import Execution

HOUR = timedelta(hours=1)
BARS, HORIZON = 400, 3
YEAR = 24 * 365.25
SETUP = BacktestSetup(
    HORIZON,
    Execution(),
    Costs(fee_bp=2, half_spread_bp=1, borrow_bp=200),
    Funding(kind="assumed", rate=1e-4, interval=8 * HOUR),
)


def bars(seed: int = 0, *, drift: float = 0.0) -> pl.DataFrame:
    """Two entities; the second lacks bars."""
    rng = np.random.default_rng(seed)
    times = pl.Series([datetime(2024, 1, 1, tzinfo=UTC) + HOUR * n for n in range(BARS)])
    tables = []
    for entity in ("A", "B"):
        close = 100 * np.exp(rng.normal(drift, 0.01, BARS).cumsum())
        table = pl.DataFrame({"entity": entity, "time": times, "close": close})
        tables.append(table.filter(pl.Series(rng.random(BARS) < (1.0 if entity == "A" else 0.9))))
    return pl.concat(tables).with_columns(pl.col("time").cast(pl.Datetime("us", "UTC")))


def books(market: pl.DataFrame, weight: pl.Expr) -> tuple[pl.DataFrame, pl.DataFrame]:
    decisions = market.select("entity", "time", weight=weight)
    kept = run_ledger(market, decisions, setup=SETUP, settlements=None)
    return kept, buy_and_hold(market, decisions, setup=SETUP, settlements=None)


def random_weight(market: pl.DataFrame, seed: int) -> pl.Expr:
    return pl.lit(pl.Series(np.random.default_rng(seed).choice([-1.0, 0.0, 1.0], market.height)))


def drawn(seed: int = 0, horizon: int = HORIZON) -> Entries:
    return Entries(horizon, seed, YEAR)


def matrices(book: pl.DataFrame, held: pl.DataFrame) -> tuple[Any, Any, Any]:
    """Positions, costs and returns by a loop over rows."""
    times = sorted(set(book["time"]))
    position, carried, cost = np.zeros((len(times), 2)), np.zeros((len(times), 2)), np.zeros(len(times))
    unit = {(row["entity"], row["time"]): row["gross"] - row["funding"] for row in held.to_dicts()}
    for column, entity in enumerate(("A", "B")):
        before = 0.0
        for row in book.filter(entity=entity).to_dicts():
            at = times.index(row["time"])
            position[at, column] = before / 2
            carried[at, column] = unit[entity, row["time"]]
            cost[at] += (row["fees"] + row["slippage"] + row["impact"] + row["borrow"]) / 2
            before = row["position"]
    return position, cost, carried


def test_a_book_that_is_not_moved_is_the_book() -> None:
    market = bars()
    book, held = books(market, random_weight(market, 1))
    own = sharpe_of_shifts(*matrices(book, held), np.zeros(1, dtype=np.int64))[0]
    assert own * YEAR**0.5 == pytest.approx(performance(portfolio(book), bars_per_year=YEAR)["sharpe"])


def test_books_are_moved_as_on_a_circle() -> None:
    rng = np.random.default_rng(2)
    held, cost, carried = rng.normal(size=(30, 2)), rng.random(30), rng.normal(size=(30, 2))
    for offset in (0, 1, 7, 29, 30):
        net = [sum(held[(t - offset) % 30] * carried[t]) - cost[(t - offset) % 30] for t in range(30)]
        expected = np.mean(net) / np.std(net, ddof=1)
        assert sharpe_of_shifts(held, cost, carried, np.array([offset]))[0] == pytest.approx(expected)


def test_quantiles_and_rank_are_those_of_all_offsets_of_a_short_history() -> None:
    market = bars()
    book, held = books(market, random_weight(market, 3))
    found = random_entries(book, held, drawn=drawn())
    parts = matrices(book, held)
    ratios = sharpe_of_shifts(*parts, np.arange(HORIZON, len(parts[0]) - HORIZON + 1)) * YEAR**0.5
    own = performance(portfolio(book), bars_per_year=YEAR)["sharpe"]
    assert found["entries"] == len(ratios) == BARS - 2 * HORIZON + 1
    assert found["beaten"] == pytest.approx((ratios < own).mean())
    assert list(found["sharpe"].values()) == pytest.approx(np.quantile(ratios, (0.025, 0.5, 0.975)).tolist())
    assert found["said"] == f"Better than {found['beaten']:.0%} of 395 books with the same trades at other times."


def test_a_thousand_offsets_are_drawn_with_a_seed() -> None:
    held, carried = np.random.default_rng(4).normal(size=(2, 1500))
    time = [datetime(2024, 1, 1, tzinfo=UTC) + HOUR * n for n in range(1500)]
    zeros = dict.fromkeys(("fees", "slippage", "impact", "borrow", "funding"), 0.0)
    book = pl.DataFrame({"entity": "A", "time": time, "position": held, "gross": 0.0} | zeros)
    market = book.with_columns(gross=pl.Series(carried))
    found = [random_entries(book, market, drawn=drawn(seed)) for seed in (0, 0, 1)]
    assert found[0]["entries"] == 1000
    assert found[0] == found[1]
    assert found[0]["sharpe"] != found[2]["sharpe"]
    far = random_entries(book, market, drawn=drawn(horizon=600))
    assert far["entries"] == 301  # offsets closer than a horizon are left out


def test_skill_in_timing_beats_the_same_trades_and_luck_does_not() -> None:
    market = bars()
    ahead = (pl.col("close").shift(-2) / pl.col("close").shift(-1)).log().sign().over("entity").fill_null(0.0)
    found = random_entries(*books(market, ahead), drawn=drawn())
    assert found["beaten"] == 1
    assert found["sharpe"]["low"] < found["sharpe"]["median"] < found["sharpe"]["high"]
    ranks = [random_entries(*books(market, random_weight(market, seed)), drawn=drawn())["beaten"] for seed in range(40)]
    assert 0.35 < np.mean(ranks) < 0.65


def test_a_lean_to_the_right_side_is_no_timing() -> None:
    """Always long on a rising market: the same trades at other times earn the same."""
    market = bars(drift=0.002).filter(entity="A")
    book, held = books(market, pl.lit(1.0))
    found = random_entries(book, held, drawn=drawn())
    own = performance(portfolio(book), bars_per_year=YEAR)["sharpe"]
    assert own is not None
    assert own > 3
    assert found["sharpe"]["median"] == pytest.approx(own, rel=0.05)
    assert found["beaten"] is None
    assert found["said"].startswith("The book hardly changes its positions")


def test_a_book_that_never_moves_has_no_rank() -> None:
    market = bars()
    book, held = books(market, pl.lit(0.0))
    found = random_entries(book, held, drawn=drawn())
    assert (found["entries"], found["beaten"], set(found["sharpe"].values())) == (0, None, {None})
    short = random_entries(*books(bars().head(4), pl.lit(1.0)), drawn=drawn())
    assert short["beaten"] is None


def test_always_flat_holds_trades_and_pays_nothing() -> None:
    market = bars()
    _, held = books(market, pl.lit(1.0))
    flat = always_flat(held)
    assert flat.select("entity", "time").equals(held.select("entity", "time"))
    assert flat.columns == held.columns
    numbers = flat.drop("entity", "time")
    assert numbers.drop("equity").sum().row(0) == (0.0,) * (numbers.width - 1)
    assert flat["equity"].unique().to_list() == [1.0]
    assert bars_per_year(flat["time"]) == bars_per_year(held["time"])
