"""Serving: the newest decisions, and the replay that holds them against the batch."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from assay.market import decisions, features
from assay.market.bundles import Champions, crown_bundle, open_champions
from assay.market.decisions import decide, live_features, replay
from assay.market.execution import Execution
from assay.market.features import FeatureRule
from assay.market.labels import LabelRule, make_labels
from assay.market.models import ModelParams, called
from assay.market.models.base import Files, Floats, Matrix
from assay.market.preprocess import PreprocessRule
from assay.market.recipe import RecipePlan, fit_recipe
from assay.market.tables import CLASS_NAMES

ROWS = 160
TIES = np.array([[0.4, 0.2, 0.4], [0.4, 0.4, 0.2]])  # for both of them the most probable class comes first
RULE = FeatureRule(families=("momentum", "volatility"))


@pytest.fixture(scope="module")
def panel() -> pl.DataFrame:
    rng = np.random.default_rng(1)
    start = datetime(2024, 1, 1, tzinfo=UTC)
    tables = []
    for entity in ("A", "B"):
        close = 100 * np.exp(rng.normal(0, 0.01, ROWS).cumsum())
        wick = np.abs(rng.normal(0, 0.004, ROWS))
        tables.append(
            pl.DataFrame(
                {
                    "entity": entity,
                    "time": [start + timedelta(hours=4 * i) for i in range(ROWS)],
                    "open": close * (1 + rng.normal(0, 0.002, ROWS)),
                    "high": close * (1 + wick + 0.006),
                    "low": close * (1 - wick - 0.006),
                    "close": close,
                    "volume": rng.uniform(1, 2, ROWS),
                    "jump": False,
                }
            )
        )
    return pl.concat(tables).with_columns(pl.col("time").cast(pl.Datetime("us", "UTC")))


@pytest.fixture(scope="module")
def batch(panel: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, Any]]:
    return features.engineer(panel, RULE)


@pytest.fixture(scope="module")
def bundles(panel: pl.DataFrame, batch: tuple[pl.DataFrame, dict[str, Any]]) -> dict[str, Files]:
    table, catalogue = batch
    labels, _ = make_labels(panel, LabelRule(horizon=2, max_gap=timedelta(days=1)), execution=Execution())

    def dumped(kind: Any, model: str) -> Files:
        recipe = RecipePlan(
            params=ModelParams.model_validate({"kind": model}).root,
            kind=kind,
            preprocess=PreprocessRule(features=5),
            feature_set_id=catalogue["feature_set_id"],
        )
        return fit_recipe(table, labels, recipe).dump()

    return {"signal": dumped("classification", "logistic"), "target": dumped("regression", "ridge")}


@pytest.fixture(scope="module")
def champions(bundles: dict[str, Files], batch: tuple[pl.DataFrame, dict[str, Any]]) -> Champions:
    crowned = {head: crown_bundle({"m": files}, "m") for head, files in bundles.items()}
    return open_champions(**crowned, feature_set_id=batch[1]["feature_set_id"])


@pytest.fixture(scope="module")
def oos() -> pl.DataFrame:
    errors = np.linspace(-0.1, 0.1, 201)
    return pl.DataFrame({"model": ["m"] * 201, "y_true": errors, "y_pred": np.zeros(201)})


def test_served_features_equal_the_batch(panel: pl.DataFrame, batch: Any, champions: Champions) -> None:
    live = live_features(panel, RULE, timestamps=4)
    assert live["time"].n_unique() == 4
    assert replay(live, batch[0], champions) == {
        "rows": 8,
        "timestamps": 4,
        "features_equal": True,
        "predictions_equal": True,
    }


def test_a_look_ahead_shows_in_the_replay(
    panel: pl.DataFrame, champions: Champions, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = features.engineer

    def leaking(known: pl.DataFrame, rule: FeatureRule) -> tuple[pl.DataFrame, dict[str, Any]]:
        table, catalogue = honest(known, rule)
        return table.with_columns(pl.col("return_1").shift(-1).over("entity")), catalogue

    monkeypatch.setattr(decisions, "engineer", leaking)
    found = replay(live_features(panel, RULE, timestamps=4), leaking(panel, RULE)[0], champions)
    assert found["features_equal"] is False


class Undecided:
    """A model that finds two classes equally probable, in turn LONG or NEUTRAL beside SHORT."""

    def predict(self, X: Matrix) -> Floats:
        return np.resize(TIES, (len(X), 3))


def undecided(champions: Champions) -> Champions:
    recipe = replace(champions.signal.recipe, model=Undecided())  # type: ignore[arg-type]
    return replace(champions, signal=replace(champions.signal, recipe=recipe))


def test_a_tie_is_served_as_the_batch_calls_it(
    panel: pl.DataFrame, batch: Any, champions: Champions, oos: pl.DataFrame
) -> None:
    live = live_features(panel, RULE, timestamps=2)
    decided = decide(live, undecided(champions), oos, coverage=0.9)
    assert decided["signal"].to_list() == [CLASS_NAMES[code + 1] for code in called(TIES)] == ["NEUTRAL", "NEUTRAL"]
    assert decided["confidence"].to_list() == [0.2, 0.4]
    assert replay(live, batch[0], undecided(champions))["predictions_equal"] is True


def test_a_signal_served_by_another_rule_shows_in_the_replay(
    panel: pl.DataFrame, batch: Any, champions: Champions, monkeypatch: pytest.MonkeyPatch
) -> None:
    def most_probable(probabilities: Floats) -> tuple[list[str], Floats]:
        return [CLASS_NAMES[code] for code in probabilities.argmax(axis=1)], probabilities.max(axis=1)

    monkeypatch.setattr(decisions, "_signals", most_probable)
    found = replay(live_features(panel, RULE, timestamps=2), batch[0], undecided(champions))
    assert (found["features_equal"], found["predictions_equal"]) == (True, False)


def test_a_decision_per_entity_at_its_newest_bar(panel: pl.DataFrame, champions: Champions, oos: pl.DataFrame) -> None:
    late = panel.filter(~((pl.col("entity") == "B") & (pl.col("time") == panel["time"].max())))
    decided = decide(live_features(late, RULE, timestamps=3), champions, oos, coverage=0.9)
    assert decided["entity"].to_list() == ["A", "B"]
    assert decided["feature_age"].to_list() == [0.0, 4.0]
    assert set(decided["signal"]) <= {"SHORT", "NEUTRAL", "LONG"}
    assert decided["confidence"].is_between(1 / 3, 1).all()  # of the single most probable of three


def test_the_interval_is_that_of_past_errors(panel: pl.DataFrame, champions: Champions, oos: pl.DataFrame) -> None:
    decided = decide(live_features(panel, RULE, timestamps=1), champions, oos, coverage=0.9)
    other = oos.with_columns(pl.lit("x").alias("model"), pl.col("y_true") * 9)
    same = decide(live_features(panel, RULE, timestamps=1), champions, pl.concat([oos, other]), coverage=0.9)
    assert np.allclose((decided["upper"] - decided["lower"]).to_numpy(), 0.18)
    assert same.equals(decided)
