"""The plan of a head: what it fixes, and that everything later takes it from there."""

import json
from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from assay.market.errors import SplitError
from assay.market.execution import Execution
from assay.market.models import ModelParams
from assay.market.plan import Learning, Plan, make_plan
from assay.market.preprocess import PreprocessRule
from assay.market.splits import SplitRule, plan_folds
from assay.market.tuning import Budget
from assay.market.workload import Head

HEAD = Head("signal", "classification", models=("lightgbm", "xgboost"), baselines=("class_prior",))
EXECUTION = Execution(price="open", delay=2)
MANIFEST = {"horizon": 3, "execution": EXECUTION.model_dump(mode="json"), "rows": 600}
LEARNING = Learning(
    seed=5, splits=SplitRule(folds=3, embargo=2), tail=0.25, preprocess=PreprocessRule(features=4), tuning=Budget()
)


@pytest.fixture(scope="module")
def labels(toy_market: Any) -> pl.DataFrame:
    return toy_market()[1]


@pytest.fixture(scope="module")
def plan(labels: pl.DataFrame) -> Plan:
    return make_plan(HEAD, labels, MANIFEST, "set-1", LEARNING)


def test_the_plan_holds_what_is_fixed_before_the_first_fit(plan: Plan, labels: pl.DataFrame) -> None:
    assert (plan.head, plan.kind, plan.horizon, plan.feature_set_id) == ("signal", "classification", 3, "set-1")
    assert plan.roles == {"lightgbm": "model", "xgboost": "model", "class_prior": "baseline"}
    assert plan.execution == EXECUTION
    assert plan.learning == LEARNING
    assert list(plan.receipts) == plan_folds(labels, LEARNING.splits)
    assert all(r.test_start - r.last_train_label_end > timedelta(hours=2) for r in plan.receipts)


def test_a_plan_survives_json(plan: Plan) -> None:
    assert Plan.model_validate(json.loads(json.dumps(plan.model_dump(mode="json")))) == plan


def test_a_recipe_takes_everything_from_the_plan(plan: Plan) -> None:
    model = ModelParams.model_validate({"kind": "lightgbm", "num_leaves": 7})
    recipe = plan.recipe(model, {})
    assert recipe.params == model.root
    assert (recipe.kind, recipe.feature_set_id, recipe.seed, recipe.tail) == ("classification", "set-1", 5, 0.25)
    assert recipe.preprocess == LEARNING.preprocess


def test_tuned_values_replace_those_of_the_configuration(plan: Plan) -> None:
    model = ModelParams.model_validate({"kind": "lightgbm", "num_leaves": 7, "max_depth": 3})
    tuned = plan.recipe(model, {"values": {"num_leaves": 9}, "trials": ["x/0"]})
    assert tuned.params.model_dump() == model.root.model_dump() | {"num_leaves": 9}


def test_labels_that_cannot_be_split_stop_the_plan(labels: pl.DataFrame) -> None:
    with pytest.raises(SplitError, match="too few timestamps"):
        make_plan(HEAD, labels, MANIFEST, "set-1", Learning(splits=SplitRule(folds=400)))


@pytest.mark.parametrize("knob", ["seed", "embargo"])
def test_what_the_search_takes_from_the_plan_cannot_be_set_twice(knob: str) -> None:
    with pytest.raises(ValueError, match="Extra inputs are not permitted"):
        Learning.model_validate({"tuning": {knob: 1}})
