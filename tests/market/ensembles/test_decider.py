"""What decides, as files: packed, opened again, and answering as the ensemble did out of sample."""

import json
from typing import Any

import numpy as np
import polars as pl
import pytest

from assay.market.ensembles import EnsembleRules, combine
from assay.market.ensembles.decider import ENSEMBLE, Single, Stock, inside, leaves, pack, unpack
from assay.market.ensembles.meta import hold_back, judge
from assay.market.ensembles.pools import Pool
from assay.market.errors import BundleError
from assay.market.models import Files, ModelParams
from assay.market.models.base import Lookback
from assay.market.prepared import split_input
from assay.market.recipe import RecipePlan, fit_recipe, open_recipe
from assay.market.selection import SelectionRule, Task, select

RULES = {
    "stack": {"kind": "stacking", "members": ["logistic", "last_sign"], "min_rows": 50},
    "mean": {"kind": "mean", "members": ["stack", "logistic"]},
    "meta": {"kind": "meta", "base": "mean", "model": {"kind": "logistic"}, "min_rows": 50},
    "young": {"kind": "meta", "base": "logistic", "model": {"kind": "logistic"}, "min_rows": 9_999},
}


@pytest.fixture(scope="module")
def features(validated: Any) -> pl.DataFrame:
    return split_input(validated("classification", {"logistic": 0.4, "last_sign": 0.1})[1])[0]


@pytest.fixture(scope="module")
def stock(validated: Any) -> Stock:
    raw_oos, model_input, plan = validated("classification", {"logistic": 0.4, "last_sign": 0.1})
    features, labels = split_input(model_input)
    chosen = select(features, labels, SelectionRule(features=5, methods=("univariate",)), task=Task("classification"))

    def bundle(kind: str) -> Files:
        params = ModelParams.model_validate({"kind": kind}).root
        recipe = RecipePlan(params=params, kind="classification", feature_set_id="set-1")
        return fit_recipe(features, labels, recipe, selection=chosen).dump()

    made = combine(raw_oos, model_input, plan=plan, rules=EnsembleRules.model_validate(RULES), left_out={})
    document = json.loads(json.dumps(made.document, sort_keys=True))  # as the catalog hands it on
    return Stock({name: bundle(name) for name in ("logistic", "last_sign")}, document, made.files)


def test_a_model_is_its_own_bundle(stock: Stock, features: pl.DataFrame) -> None:
    files = pack("logistic", stock)
    assert files == stock.bundles["logistic"]
    opened = unpack(files, feature_set_id="set-1")
    expected = open_recipe(files, feature_set_id="set-1").predict(features)
    np.testing.assert_array_equal(opened.answer(features).values, expected)
    assert np.isnan(opened.answer(features).right).all()


def test_an_ensemble_answers_by_its_members_and_its_final_weights(stock: Stock, features: pl.DataFrame) -> None:
    files = pack("stack", stock)
    assert {name.split("/")[0] for name in files} == {ENSEMBLE, "logistic", "last_sign"}
    told = json.loads(files[ENSEMBLE])
    assert told["weights"] == stock.ensembles["contenders"]["stack"]["final"]["weights"]
    assert told["pool"] == "log"
    members = {name: open_recipe(files, feature_set_id="set-1") for name, files in stock.bundles.items()}
    expected = Pool.from_dict(told).apply({name: recipe.predict(features) for name, recipe in members.items()})
    np.testing.assert_array_equal(unpack(files, feature_set_id="set-1").answer(features).values, expected)


def test_a_second_stage_decides_on_the_calls_of_its_base(stock: Stock, features: pl.DataFrame) -> None:
    files = pack("meta", stock)
    rows = np.arange(features.height) % 3 == 0
    base = unpack(pack("mean", stock), feature_set_id="set-1").answer(features, rows).values
    stage = open_recipe(inside(stock.second_stages, "meta/final"), feature_set_id="set-1")
    right = judge(stage, features.filter(rows), base)
    answers = unpack(files, feature_set_id="set-1").answer(features, rows)
    np.testing.assert_array_equal(answers.values, hold_back(base, right, 0.5))
    np.testing.assert_array_equal(answers.right, np.where(right >= 0.5, right, np.nan))
    assert 0 < (right < 0.5).sum() < rows.sum()
    assert np.nanmin(answers.right) >= 0.5


def test_a_second_stage_that_never_learned_passes_every_call(stock: Stock, features: pl.DataFrame) -> None:
    answers = unpack(pack("young", stock), feature_set_id="set-1").answer(features)
    base = unpack(stock.bundles["logistic"], feature_set_id="set-1").answer(features)
    np.testing.assert_array_equal(answers.values, base.values)
    assert np.isnan(answers.right).all()


def test_leaves_are_the_models_behind_it(stock: Stock) -> None:
    assert leaves("meta", stock.ensembles) == ["logistic", "last_sign"]
    assert leaves("logistic", stock.ensembles) == ["logistic"]


def test_an_ensemble_looks_back_as_far_as_its_members(stock: Stock, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: Any = unpack(pack("meta", stock), feature_set_id="set-1")
    assert opened.lookback == 1
    deepest = opened.base.members["stack"].members["last_sign"]
    monkeypatch.setattr(type(deepest.recipe), "history", property(lambda recipe: lookback_of(recipe.plan.params.kind)))
    assert opened.lookback == 50
    assert isinstance(deepest, Single)
    assert deepest.lookback == 50


def lookback_of(kind: str) -> Lookback | None:
    return Lookback(50) if kind == "last_sign" else None


@pytest.mark.parametrize("name", ["stack", "meta"])
def test_members_of_other_features_are_refused(stock: Stock, name: str) -> None:
    with pytest.raises(BundleError, match="trained on another feature set"):
        unpack(pack(name, stock), feature_set_id="set-2")


@pytest.mark.parametrize(
    "broken", [b"{", b"[]", b'{"kind": "stacking"}', b'{"kind": "meta", "threshold": null, "members": []}']
)
def test_a_damaged_ensemble_is_refused(stock: Stock, broken: bytes) -> None:
    with pytest.raises(BundleError, match=r"ensemble: ensemble.json cannot be read"):
        unpack(pack("stack", stock) | {ENSEMBLE: broken}, feature_set_id="set-1")


def test_a_member_that_is_missing_is_refused(stock: Stock) -> None:
    files = {name: content for name, content in pack("stack", stock).items() if not name.startswith("last_sign/")}
    with pytest.raises(BundleError, match="a file is missing"):
        unpack(files, feature_set_id="set-1")
