"""The plan of a head: what it fixes, and that everything later takes it from there."""

import json
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from optuna.storages import InMemoryStorage

from assay.market.errors import ConfigurationError, DataError, SplitError
from assay.market.execution import Execution
from assay.market.models import ModelParams
from assay.market.parts import Seen
from assay.market.plan import Learning, Plan, Profile, choose_features, make_plan, training_parts
from assay.market.prepared import assemble
from assay.market.selection import SelectionRule, Task, select
from assay.market.splits import SplitRule, before_first_fold, holdout_tail, plan_folds, split_rows
from assay.market.tuning import Budget, inner_receipts
from assay.market.weights import WeightRule
from assay.market.workload import Head

HEAD = Head("signal", "classification", models=("lightgbm", "xgboost"), baselines=("class_prior",))
EXECUTION = Execution(price="open", delay=2)
MANIFEST = {"horizon": 3, "execution": EXECUTION.model_dump(mode="json"), "rows": 600, "absent": None}
WEIGHTS = WeightRule(kind="return_attribution", decay=0.5)
LEARNING = Learning(
    seed=5,
    splits=SplitRule(folds=3, embargo=2),
    tail=0.25,
    selection=SelectionRule(features=3, rounds=5),
    weights=WEIGHTS,
    standardise=False,
    profiles={"quick": Profile(tuning=Budget(inner_folds=2, min_train=0.6))},
)
PARTS = ["all", "fold 1", "fold 2", "fold 3", "inner 1", "inner 2"]


Market = tuple[pl.DataFrame, pl.DataFrame]


@pytest.fixture(scope="module")
def market(toy_market: Any) -> Market:
    return toy_market()


@pytest.fixture(scope="module")
def labels(market: Market) -> pl.DataFrame:
    return market[1]


@pytest.fixture(scope="module")
def draft(labels: pl.DataFrame) -> Plan:
    return make_plan(HEAD, labels, MANIFEST, "set-1", LEARNING)


@pytest.fixture(scope="module")
def plan(market: Market, draft: Plan) -> Plan:
    return choose_features(*market, draft)


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
    assert (recipe.weights, recipe.standardise) == (WEIGHTS, False)


def test_tuned_values_replace_those_of_the_configuration(plan: Plan) -> None:
    model = ModelParams.model_validate({"kind": "lightgbm", "num_leaves": 7, "max_depth": 3})
    tuned = plan.recipe(model, {"values": {"num_leaves": 9}, "trials": ["x/0"]})
    assert tuned.params.model_dump() == model.root.model_dump() | {"num_leaves": 9}
    assert tuned.tuned is None


def test_what_the_search_has_seen_goes_with_its_values(plan: Plan, labels: pl.DataFrame) -> None:
    seen = Seen.of("tuning", labels.drop_nulls())
    model = ModelParams.model_validate({"kind": "lightgbm"})
    assert plan.recipe(model, {"values": {}, "trials": [], "seen": seen.to_dict()}).tuned == seen
    assert plan.recipe(model, {"values": {}, "trials": [], "seen": None}).tuned is None


def test_labels_that_cannot_be_split_stop_the_plan(labels: pl.DataFrame) -> None:
    with pytest.raises(SplitError, match="too few timestamps"):
        make_plan(HEAD, labels, MANIFEST, "set-1", Learning(splits=SplitRule(folds=400)))


@pytest.mark.parametrize("knob", ["seed", "embargo"])
def test_what_the_search_takes_from_the_plan_cannot_be_set_twice(knob: str) -> None:
    with pytest.raises(ValueError, match="Extra inputs are not permitted"):
        Learning.model_validate({"profiles": {"quick": {"tuning": {knob: 1}}}})


def test_labels_are_weighted_by_uniqueness_unless_told_otherwise() -> None:
    assert Learning().weights == WeightRule(kind="uniqueness")


def test_a_draft_has_no_selections(draft: Plan) -> None:
    assert draft.selections == {}
    for needs in (draft.folds, lambda: draft.search(ModelParams.model_validate({"kind": "ridge"}), InMemoryStorage())):
        with pytest.raises(ConfigurationError, match=r"signal: has no selection of features for '(fold|inner) 1'"):
            needs()


def test_every_training_part_gets_a_selection_of_its_own(market: Market, draft: Plan, plan: Plan) -> None:
    features, labels = market
    parts = training_parts(labels, draft)
    assert list(plan.selections) == list(parts) == PARTS
    early = before_first_fold(labels, draft.receipts)
    inner = inner_receipts(labels.filter(early), LEARNING.tuning, embargo=2)
    for receipt in draft.receipts:
        np.testing.assert_array_equal(parts[f"fold {receipt.fold}"], split_rows(labels, receipt)[0])
    for receipt in inner:
        expected = labels.filter(early).filter(split_rows(labels.filter(early), receipt)[0])
        assert labels.filter(parts[f"inner {receipt.fold}"]).equals(expected)
    assert parts["all"].all()
    task = Task("classification", seed=5, tail=0.25, weights=WEIGHTS)
    for name, rows in parts.items():
        own = select(features.filter(rows), labels.filter(rows), LEARNING.selection, task=task)
        assert plan.selection(name) == own
        before_tail = labels.filter(rows).filter(holdout_tail(labels.filter(rows), 0.25)[0])
        assert (own.rows, own.last_time_seen) == (before_tail.height, before_tail["time"].max())
        assert own.last_label_end == before_tail["label_end"].max()
    assert len({plan.selection(name).rows for name in PARTS}) == len(PARTS)


@pytest.mark.parametrize("part", PARTS[1:])
def test_no_selection_sees_a_row_it_may_not(part: str, market: Market, draft: Plan, plan: Plan) -> None:
    """Spoil every value outside a training part, and in its tail: the selection may not change, ranks included."""
    features, labels = market
    rows = training_parts(labels, draft)[part]
    rows[np.flatnonzero(rows)] = holdout_tail(labels.filter(rows), LEARNING.tail)[0]
    unknown = pl.Series(~rows)
    rng = np.random.default_rng(0)
    spoiled = features.with_columns(
        pl.when(unknown).then(pl.Series(rng.choice([np.nan, 1e9, -7.0], len(unknown)))).otherwise(name).alias(name)
        for name in features.columns[2:]
    ).cast(dict(features.schema))
    labelled = unknown & labels["label"].is_not_null()
    lies = labels.with_columns(
        pl.when(labelled).then(pl.lit(1, pl.Int8)).otherwise("label").alias("label"),
        pl.when(labelled).then(9.0).otherwise("forward_return").alias("forward_return"),
    )
    assert choose_features(spoiled, lies, draft).selection(part) == plan.selection(part)


def test_folds_and_search_take_their_own_selections(plan: Plan) -> None:
    assert [(fold.receipt, fold.selection) for fold in plan.folds()] == [
        (receipt, plan.selections[f"fold {receipt.fold}"]) for receipt in plan.receipts
    ]
    storage, model = InMemoryStorage(), ModelParams.model_validate({"kind": "logistic"})
    search = plan.search(model, storage)
    assert search.selections == (plan.selections["inner 1"], plan.selections["inner 2"])
    assert (search.recipe, search.budget, search.embargo) == (plan.recipe(model, {}), LEARNING.tuning, 2)
    assert search.storage is storage


def test_features_are_chosen_for_the_kind_of_the_head(market: Market, plan: Plan) -> None:
    head = Head("target", "regression", models=("ridge",), baselines=())
    other = choose_features(*market, make_plan(head, market[1], MANIFEST, "set-1", LEARNING))
    task = Task("regression", seed=5, tail=0.25, weights=WEIGHTS)
    assert other.selection("all") == select(*market, LEARNING.selection, task=task) != plan.selection("all")


def test_progress_is_told_over_the_training_parts(market: Market, draft: Plan) -> None:
    told: list[tuple[list[str], str]] = []

    def track(items: Any, what: str) -> Any:
        told.append((list(items), what))
        return items

    choose_features(*market, draft, track=track)
    assert told == [(PARTS, "training parts")]


def test_features_and_labels_of_different_rows_are_refused(market: Market, draft: Plan) -> None:
    with pytest.raises(DataError, match="are not the same rows"):
        choose_features(market[0].reverse(), market[1], draft)


def test_a_plan_opens_only_what_it_was_made_for(market: Market, draft: Plan, plan: Plan) -> None:
    features, labels = market
    same = plan.open(assemble(features, labels))
    assert same[0].equals(features)
    name = features.columns[-1]
    for other in (
        assemble(features.with_columns(pl.col(name).shift(-1).over("entity")), labels),
        assemble(features, labels.with_columns(-pl.col("forward_return"))),
    ):
        with pytest.raises(
            DataError, match=r"is not the one that its plan was made for(.|\n)*run the stages leak_audit"
        ):
            plan.open(other)
    with pytest.raises(DataError, match="not of a draft"):
        draft.open(assemble(features, labels))
