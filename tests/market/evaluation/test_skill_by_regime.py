from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.signal import lfilter

from assay.market.evaluation import EvaluationRule, evaluate
from assay.market.metrics.forecasts import Array

START = datetime(2024, 1, 1, tzinfo=UTC)
ROLES = {"ridge": "model", "zero": "baseline"}
RULE = EvaluationRule(common_from_fold=1, replications=1000)
Facts = dict[str, Any]


def head(returns: Array, predicted: Array) -> pl.DataFrame:
    """Predictions (timestamps, entities) of one fold; the volatility is high in the last third of the time."""
    timestamps, entities = returns.shape
    times = pl.datetime_range(START, START + timedelta(hours=timestamps - 1), "1h", eager=True)
    base = pl.DataFrame(
        {
            "entity": np.tile([f"E{i}" for i in range(entities)], timestamps),
            "time": times.gather(np.repeat(np.arange(timestamps), entities)),
            "fold": np.ones(returns.size, dtype=np.int32),
            "forward_return": returns.ravel(),
            "y_true": returns.ravel(),
            "scale": np.repeat(np.arange(timestamps) + 1.0, entities),
        }
    )
    forecasts = {"ridge": predicted.ravel(), "zero": np.zeros(returns.size)}
    tables = [base.select(pl.lit(m).alias("model"), pl.all()).with_columns(y_pred=p) for m, p in forecasts.items()]
    return pl.concat(tables)


def told(returns: Array, predicted: Array, rule: EvaluationRule = RULE, horizon: int = 1) -> Facts:
    return evaluate(head(returns, predicted), kind="regression", roles=ROLES, horizon=horizon, rule=rule)


@pytest.fixture(scope="module")
def drawn() -> tuple[Array, Array]:
    """Skill in the last third only; some forecasts are zero."""
    random = np.random.default_rng(1)
    common = lfilter([1], [1, -0.6], random.standard_normal((900, 1)), axis=0)
    returns = common + random.standard_normal((900, 3))
    skill = np.where(np.arange(900) >= 600, 0.4, 0.0)[:, None]
    predicted = skill * returns + random.standard_normal((900, 3))
    return returns, np.where(random.random((900, 3)) < 0.1, 0.0, predicted)


def centred(predicted: Array) -> Array:
    return predicted - (np.cumsum(predicted.sum(axis=1)) / (3 * np.arange(1, 901)))[:, None]


def test_each_group_is_measured_on_its_own_rows(drawn: tuple[Array, Array]) -> None:
    returns, predicted = drawn
    parts = told(returns, predicted)["breakdown"]["ridge"]["volatility"]
    assert [part["name"] for part in parts] == ["low", "medium", "high"]
    for part, rows in zip(parts, (slice(0, 300), slice(300, 600), slice(600, 900)), strict=True):
        expected = np.corrcoef(centred(predicted)[rows].ravel(), returns[rows].ravel())[0, 1]
        called = predicted[rows] != 0
        assert (part["rows"], part["timestamps"]) == (900, 300)
        assert part["ic"]["value"] == pytest.approx(expected)
        right = np.sign(predicted[rows]) == np.sign(returns[rows])
        assert part["accuracy"]["value"] == pytest.approx(right[called].mean())
    assert parts[0]["ic"]["low"] < 0 < parts[0]["ic"]["high"]
    assert parts[2]["ic"]["low"] > 0.1
    assert parts[2]["accuracy"]["low"] > 0.5


def test_entities_are_told_apart(drawn: tuple[Array, Array]) -> None:
    returns, predicted = drawn
    parts = told(returns, predicted)["breakdown"]["ridge"]["entity"]
    assert [(part["name"], part["rows"]) for part in parts] == [("E0", 900), ("E1", 900), ("E2", 900)]
    expected = np.corrcoef(centred(predicted)[:, 1], returns[:, 1])[0, 1]
    assert parts[1]["ic"]["value"] == pytest.approx(expected)


def test_without_drawing_the_intervals_are_those_that_are_drawn(drawn: tuple[Array, Array]) -> None:
    """A single entity is one group with all rows, so both ways measure the same."""
    returns, predicted = (side[:, :1] for side in drawn)
    result = told(returns, predicted, EvaluationRule(common_from_fold=1, replications=4000))
    (part,) = result["breakdown"]["ridge"]["entity"]
    metrics = result["models"]["ridge"]["metrics"]
    for mine, drawn_one in ((part["ic"], metrics["ic"]), (part["accuracy"], metrics["directional_accuracy"])):
        width = drawn_one["high"] - drawn_one["low"]
        assert mine["value"] == pytest.approx(drawn_one["value"])
        assert mine["high"] - mine["low"] == pytest.approx(width, rel=0.06)
        assert mine["low"] == pytest.approx(drawn_one["low"], abs=0.06 * width)


def test_confidence_and_horizon_reach_the_groups(drawn: tuple[Array, Array]) -> None:
    def width(**given: Any) -> float:
        ic = told(*drawn, **given)["breakdown"]["ridge"]["entity"][0]["ic"]
        return ic["high"] - ic["low"]

    assert width(rule=EvaluationRule(common_from_fold=1, confidence=0.8)) < 0.7 * width()
    assert width(horizon=60) != width()


def test_a_group_that_says_nothing_or_once_has_no_interval() -> None:
    random = np.random.default_rng(2)
    returns, predicted = random.standard_normal((2, 300, 2))
    predicted[:, 0] = 0.0
    predicted[:, 1] = np.where(np.arange(300) == 250, 5.0, 0.0)
    silent, once = told(returns, predicted)["breakdown"]["ridge"]["entity"]
    assert silent["accuracy"] == {"value": None, "low": None, "high": None}
    assert once["accuracy"]["value"] in (0.0, 1.0)
    assert once["accuracy"]["low"] is once["accuracy"]["high"] is None
    assert once["ic"]["low"] is None


def test_shares_and_correlations_keep_to_their_limits() -> None:
    returns = np.random.default_rng(3).standard_normal((40, 1))
    (part,) = told(returns, returns + 0.1)["breakdown"]["ridge"]["entity"]
    assert part["ic"]["high"] <= 1.0
    assert part["accuracy"]["high"] <= 1.0


def test_baselines_are_not_broken_down(drawn: tuple[Array, Array]) -> None:
    assert set(told(*drawn)["breakdown"]) == {"ridge"}
