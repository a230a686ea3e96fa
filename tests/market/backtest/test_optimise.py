"""The sizing that is chosen anew in every fold reads the books of earlier folds, and nothing else."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from assay.market.backtest import BacktestSetup, Policy, portfolio, run_ledger
from assay.market.backtest.optimise import CHOICE, choose, policy_book, policy_told
from assay.market.backtest.sizing import Setting
from assay.market.costs import Costs, Funding
from assay.market.execution import Execution
from assay.market.splits import Receipt

HOUR = timedelta(hours=1)
START = datetime(2024, 1, 1, tzinfo=UTC)
BARS, FOLDS, HORIZON = 240, 4, 3
GRID = {"probability": (0.0, 0.5, 0.7)}
SETUP = BacktestSetup(HORIZON, Execution(), Costs(fee_bp=2, half_spread_bp=0), Funding(kind="none"))


def policy(objective: str = "sharpe", **grid: Any) -> Policy:
    sizing = {"kind": "threshold", "probability": 0.9}
    return Policy.model_validate({"sizing": sizing, "optimise": {"grid": grid or GRID, "objective": objective}})


def bars(seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    times = [START + HOUR * n for n in range(BARS)]
    close = {e: 100 * np.exp(rng.normal(0, 0.01, BARS).cumsum()) for e in ("A", "B")}
    return pl.concat(pl.DataFrame({"entity": e, "time": times, "close": c}) for e, c in close.items()).with_columns(
        pl.col("time").cast(pl.Datetime("us", "UTC"))
    )


def predictions(seed: int = 1) -> pl.DataFrame:
    """One model: it is right more often where it is sure."""
    rng = np.random.default_rng(seed)
    key = bars().select("entity", "time")
    fold = (key["time"] - START).dt.total_hours() * FOLDS // BARS + 1
    sure = rng.uniform(0.4, 1.0, key.height)
    side = rng.choice([-1, 1], key.height)
    other = (1 - sure) / 2
    return key.with_columns(
        fold=fold,
        y_pred=pl.Series(side, dtype=pl.Int8),
        p_short=pl.Series(np.where(side < 0, sure, other)),
        p_neutral=pl.Series(other),
        p_long=pl.Series(np.where(side > 0, sure, other)),
    )


def book(market: pl.DataFrame, table: pl.DataFrame, rule: Policy) -> pl.DataFrame:
    keep = partial(run_ledger, market, setup=SETUP, settlements=None)
    return policy_book(table, rule, Setting("classification", HORIZON, pl.Series([START])), keep=keep)


def choices(ledger: pl.DataFrame) -> list[int]:
    """The candidate of each fold."""
    per_fold = ledger.filter(entity="A")[CHOICE].to_numpy().reshape(FOLDS, -1)
    assert (per_fold == per_fold[:, :1]).all()
    return per_fold[:, 0].tolist()


@pytest.mark.parametrize("objective", ["sharpe", "net_return"])
def test_each_fold_follows_the_best_book_of_the_bars_before_it(objective: Any) -> None:
    rng = np.random.default_rng(2)
    returns = rng.normal(0, (0.01, 0.02, 0.03, 0.0), (300, 4)).T + np.array([[0.001], [0.0015], [0.001], [0.0]])
    known = [0, 1, 20, 90, 300]
    expected = []
    for count in known:
        scores = []
        for candidate in returns[:, :count] if count > 1 else ():
            mean = sum(candidate) / count
            spread = (sum((r - mean) ** 2 for r in candidate) / count) ** 0.5
            scores.append(sum(candidate) if objective == "net_return" else mean / spread if spread else 0.0)
        expected.append(scores.index(max(scores)) if scores else 0)
    assert choose(returns, known, objective) == expected
    assert len(set(expected)) > 1


def test_the_objectives_differ_and_doing_nothing_beats_losing() -> None:
    steady, bold, flat = [0.01, 0.011, 0.01, 0.011], [0.05, -0.03, 0.05, -0.02], [0.0] * 4
    books = np.array([bold, steady, flat])
    assert choose(books, [4], "sharpe") == [1]
    assert choose(books, [4], "net_return") == [0]
    assert choose(-np.abs(books), [4], "sharpe") == [2]
    assert choose(np.array([steady, steady]), [4], "sharpe") == [0]


def test_a_book_is_that_of_the_sizing_each_fold_has_chosen() -> None:
    market, table, rule = bars(), predictions(), policy()
    found = book(market, table, rule)
    levels = [sizing.probability for sizing in rule.candidates()]  # type: ignore[union-attr]
    assert levels == [0.9, *GRID["probability"]]
    kept = [book(market, table, Policy.model_validate({"sizing": sizing})) for sizing in rule.candidates()]
    returns = np.stack([portfolio(one)["ret"].to_numpy() for one in kept])
    expected = choose(returns, [BARS * fold // FOLDS for fold in range(FOLDS)], "sharpe")
    assert choices(found) == expected
    assert expected[0] == 0
    assert len(set(expected)) > 1
    sure = pl.max_horizontal("p_short", "p_neutral", "p_long")
    level = table["fold"].replace_strict(list(range(1, FOLDS + 1)), [levels[n] for n in expected])
    decisions = table.select("entity", "time", weight=pl.col("y_pred") * (sure >= level).cast(pl.Float64))
    assert found.drop(CHOICE).equals(run_ledger(market, decisions, setup=SETUP, settlements=None))
    assert CHOICE not in kept[0].columns


@pytest.mark.parametrize("fold", [2, 3, 4])
def test_nothing_of_a_fold_or_later_tells_in_its_choice(fold: int) -> None:
    market, table, rule = bars(), predictions(), policy()
    begin = START + HOUR * (BARS * (fold - 1) // FOLDS)
    later = pl.col("time") >= begin
    # A leap at the first bar of the fold would turn every score that reads it.
    leaps = [pl.when(later).then(bars(9)["close"] * by).otherwise("close").alias("close") for by in (9.0, 1 / 9)]
    turned = table.with_columns(y_pred=pl.when(later).then(-pl.col("y_pred")).otherwise("y_pred").cast(pl.Int8))
    expected = choices(book(market, table, rule))[:fold]
    assert [choices(book(market.with_columns(leap), turned, rule))[:fold] for leap in leaps] == [expected] * 2


def test_what_came_before_a_fold_tells_in_its_choice() -> None:
    """The guard of the test above: with other prices before them folds choose otherwise."""
    found = {tuple(choices(book(bars(seed), predictions(), policy()))) for seed in range(4)}
    assert len(found) > 1


def receipt(fold: int) -> Receipt:
    start = START + HOUR * (BARS * (fold - 1) // FOLDS)
    past = start - 10 * HOUR
    return Receipt(fold, past, past, past + HOUR, start, start + HOUR, 1, 1, 0, 0)


def test_every_fold_leaves_a_receipt() -> None:
    ledger, rule = book(bars(), predictions(), policy()), policy()
    told = policy_told(ledger, rule, [receipt(fold) for fold in range(1, FOLDS + 1)])
    values = [rule.candidates()[n].probability for n in choices(ledger)]  # type: ignore[union-attr]
    assert [fold["chosen"] for fold in told["folds"]] == [{"probability": value} for value in values]
    assert [fold["bars"] for fold in told["folds"]] == [0, 60, 120, 180]
    assert [fold["until"] for fold in told["folds"]][:2] == [None, (START + 59 * HOUR).isoformat()]
    assert told["folds"][1]["test_start"] == (START + 60 * HOUR).isoformat()
    assert told["sizing"]["probability"] == 0.9
    assert "probability are those with the best Sharpe ratio on the bars before each fold" in told["said"]
    plain = policy_told(ledger, Policy(), [])
    assert (plain["folds"], plain["said"]) == ([], "Every call takes 1 of the capital of its entity.")


def test_a_grid_is_checked_before_anything_runs() -> None:
    assert len(policy(probability=(0.4, 0.9), size=(1.0, 2.0)).candidates()) == 4  # 0.9 at size 1 is the one given
    for grid in ({"probabilty": (0.5,)}, {"probability": (1.5,)}, {"cap": (1.0,)}):
        with pytest.raises(ValidationError, match=r"optimise\.grid"):
            policy(**grid)
    with pytest.raises(
        ValidationError, match=r"grid: threshold\.probability: Input should be .*; a value was 1\.5 "
    ) as told:
        policy(probability=(0.5, 1.5))
    assert "tagged-union" not in str(told.value)
    with pytest.raises(ValidationError, match="grid"):
        Policy.model_validate({"optimise": {"grid": {}}})
