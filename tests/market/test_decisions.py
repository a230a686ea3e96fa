"""Serving and bundles: the newest decisions, the replay, and which bundle decides."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from assay.market import decisions, features
from assay.market.bundles import CHAMPION, bundle_id, crown_bundle, index_bundles, open_champions
from assay.market.decisions import Champions, decide, live_features, replay
from assay.market.errors import BundleError, ConfigurationError
from assay.market.execution import Execution
from assay.market.features import FeatureRule
from assay.market.labels import LabelRule, make_labels
from assay.market.models import ModelParams
from assay.market.models.base import Files
from assay.market.preprocess import PreprocessRule
from assay.market.recipe import RecipePlan, fit_recipe

ROWS = 160
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


def test_a_decision_per_entity_at_its_newest_bar(panel: pl.DataFrame, champions: Champions, oos: pl.DataFrame) -> None:
    late = panel.filter(~((pl.col("entity") == "B") & (pl.col("time") == panel["time"].max())))
    decided = decide(live_features(late, RULE, timestamps=3), champions, oos, coverage=0.9)
    assert decided["entity"].to_list() == ["A", "B"]
    assert decided["feature_age"].to_list() == [0.0, 4.0]
    assert set(decided["signal"]) <= {"SHORT", "NEUTRAL", "LONG"}
    assert decided["confidence"].is_between(1 / 3, 1).all()


def test_the_interval_is_that_of_past_errors(panel: pl.DataFrame, champions: Champions, oos: pl.DataFrame) -> None:
    decided = decide(live_features(panel, RULE, timestamps=1), champions, oos, coverage=0.9)
    other = oos.with_columns(pl.lit("x").alias("model"), pl.col("y_true") * 9)
    same = decide(live_features(panel, RULE, timestamps=1), champions, pl.concat([oos, other]), coverage=0.9)
    assert np.allclose((decided["upper"] - decided["lower"]).to_numpy(), 0.18)
    assert same.equals(decided)


def test_the_bundle_id_changes_with_every_byte(bundles: dict[str, Files]) -> None:
    files = dict(bundles["signal"])
    name = min(files)
    assert bundle_id(files) == bundle_id(dict(reversed(files.items())))
    assert bundle_id(files | {name: files[name] + b" "}) != bundle_id(files)


def test_the_crown_names_the_model_and_its_bundle(bundles: dict[str, Files]) -> None:
    label = json.loads(crown_bundle(bundles, "signal")[CHAMPION])
    assert label == {"model": "signal", "bundle_id": bundle_id(bundles["signal"])}


def test_a_primary_that_is_not_there_is_refused(bundles: dict[str, Files]) -> None:
    with pytest.raises(
        ConfigurationError, match=r"'primary.model': names a model .*\n.*signal, target\n.*found: other"
    ):
        crown_bundle(bundles, "other")


def test_a_champion_of_other_features_is_refused(bundles: dict[str, Files]) -> None:
    crowned = {head: crown_bundle({"m": files}, "m") for head, files in bundles.items()}
    with pytest.raises(BundleError, match="trained on another feature set"):
        open_champions(**crowned, feature_set_id="other")


def test_a_bundle_without_a_name_is_refused(bundles: dict[str, Files], batch: Any) -> None:
    with pytest.raises(BundleError, match=r"champion: has no name on it"):
        open_champions(**bundles, feature_set_id=batch[1]["feature_set_id"])


def test_the_index_says_what_is_in_every_bundle(bundles: dict[str, Files]) -> None:
    first, second = index_bundles(bundles)
    assert (first["model"], first["kind"], first["params"]["kind"]) == ("signal", "classification", "logistic")
    assert (second["model"], second["kind"], second["params"]["kind"]) == ("target", "regression", "ridge")
    assert first["bundle_id"] == bundle_id(bundles["signal"])
    assert first["training"]["rows"] > 0
