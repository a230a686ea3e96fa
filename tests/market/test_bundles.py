"""Bundles: their identity, what the index says, and which one decides."""

import json
from typing import Any

import numpy as np
import polars as pl
import pytest

from assay.market.bundles import CHAMPION, bundle_id, crown_bundle, index_bundles, open_champions
from assay.market.errors import BundleError, ConfigurationError
from assay.market.models import Files, ModelParams
from assay.market.recipe import RecipePlan, fit_recipe
from assay.market.selection import SelectionRule, Task, select

Market = tuple[pl.DataFrame, pl.DataFrame]


@pytest.fixture(scope="module")
def market(toy_market: Any) -> Market:
    return toy_market(bars=120)


@pytest.fixture(scope="module")
def bundles(market: Market) -> dict[str, Files]:
    def dumped(kind: Any, model: str) -> Files:
        params = ModelParams.model_validate({"kind": model}).root
        plan = RecipePlan(params=params, kind=kind, feature_set_id="set-1")
        chosen = select(*market, SelectionRule(features=5, methods=("univariate",)), task=Task(kind))
        return fit_recipe(*market, plan, selection=chosen).dump()

    return {"signal": dumped("classification", "logistic"), "target": dumped("regression", "ridge")}


def test_the_bundle_id_changes_with_every_byte(bundles: dict[str, Files]) -> None:
    files = dict(bundles["signal"])
    name = min(files)
    assert bundle_id(files) == bundle_id(dict(reversed(files.items())))
    assert bundle_id(files | {name: files[name] + b" "}) != bundle_id(files)


def test_the_bundle_id_knows_where_a_file_ends() -> None:
    others = ({"a": b"12"}, {"a": b"1b 2"}, {"a": b"2", "b": b"1"}, {"a": b"1", "c": b"2"})
    assert bundle_id({"a": b"1", "b": b"2"}) not in [bundle_id(files) for files in others]


def test_the_crown_names_the_model_and_its_bundle(bundles: dict[str, Files]) -> None:
    crowned = crown_bundle(bundles, "signal")
    assert json.loads(crowned.pop(CHAMPION)) == {"model": "signal", "bundle_id": bundle_id(bundles["signal"])}
    assert crowned == bundles["signal"]


def test_a_primary_that_is_not_there_is_refused(bundles: dict[str, Files]) -> None:
    with pytest.raises(
        ConfigurationError, match=r"'primary.model': names a model .*\n.*signal, target\n.*found: other"
    ):
        crown_bundle(bundles, "other")


def test_champions_are_opened_by_name(bundles: dict[str, Files], market: Market) -> None:
    crowned = {head: crown_bundle({"signal": bundles["signal"], "target": bundles["target"]}, head) for head in bundles}
    champions = open_champions(**crowned, feature_set_id="set-1")
    assert (champions.signal.model, champions.target.model) == ("signal", "target")
    assert champions.target.bundle_id == bundle_id(bundles["target"])
    assert champions.signal.recipe.predict(market[0]).shape == (market[0].height, 3)
    assert np.isfinite(champions.target.recipe.predict(market[0])).all()


def test_a_champion_of_other_features_is_refused(bundles: dict[str, Files]) -> None:
    crowned = {head: crown_bundle({"m": files}, "m") for head, files in bundles.items()}
    with pytest.raises(BundleError, match="trained on another feature set"):
        open_champions(**crowned, feature_set_id="other")


def test_a_bundle_without_a_name_is_refused(bundles: dict[str, Files]) -> None:
    with pytest.raises(BundleError, match=r"champion: has no name on it"):
        open_champions(**bundles, feature_set_id="set-1")


def test_the_index_says_what_is_in_every_bundle(bundles: dict[str, Files]) -> None:
    first, second = index_bundles(bundles)
    assert (first["model"], first["kind"], first["params"]["kind"]) == ("signal", "classification", "logistic")
    assert (second["model"], second["kind"], second["params"]["kind"]) == ("target", "regression", "ridge")
    assert first["bundle_id"] == bundle_id(bundles["signal"])
    assert first["training"]["rows"] > 0
    assert first["weights"] == {"kind": "none", "decay": 1.0}
