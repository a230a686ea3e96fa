"""Recipes: what a fit may see, and what a bundle promises."""

import json
from typing import Any

import numpy as np
import polars as pl
import pytest

from assay.market.errors import BundleError, ConfigurationError, DataError, SplitError
from assay.market.models import ModelParams
from assay.market.preprocess import Preprocessor, PreprocessRule
from assay.market.recipe import RecipePlan, fit_recipe, open_recipe, prepare
from assay.market.splits import holdout_tail
from assay.market.workload import Kind

FAST: dict[str, dict[str, Any]] = {
    "xgboost": {"n_estimators": 20, "max_depth": 2, "threads": 1},
    "lightgbm": {"n_estimators": 20, "num_leaves": 4, "threads": 1},
    "random_forest": {"n_estimators": 5, "max_samples": 0.5, "threads": 1},
}
PAIRS: list[tuple[str, Kind]] = [
    ("xgboost", "classification"),
    ("xgboost", "regression"),
    ("lightgbm", "classification"),
    ("lightgbm", "regression"),
    ("random_forest", "classification"),
    ("random_forest", "regression"),
    ("logistic", "classification"),
    ("ridge", "regression"),
    ("class_prior", "classification"),
    ("zero", "regression"),
    ("last_sign", "classification"),
    ("last_sign", "regression"),
]


def plan(family: str = "lightgbm", kind: Kind = "classification", **changes: Any) -> RecipePlan:
    params = ModelParams.model_validate({"kind": family} | FAST.get(family, {}) | changes.pop("params", {})).root
    settings = {"preprocess": PreprocessRule(), "feature_set_id": "set-1", "seed": 3} | changes
    return RecipePlan(params=params, kind=kind, **settings)


@pytest.fixture(scope="module")
def market(toy_market: Any) -> tuple[pl.DataFrame, pl.DataFrame]:
    return toy_market()


@pytest.mark.parametrize(("family", "kind"), PAIRS)
def test_a_reopened_recipe_is_the_same(family: str, kind: Kind, market: Any) -> None:
    features, labels = market
    recipe = fit_recipe(features, labels, plan(family, kind))
    again = open_recipe(recipe.dump(), feature_set_id="set-1")
    np.testing.assert_array_equal(again.predict(features), recipe.predict(features))
    assert again.dump()["recipe.json"] == recipe.dump()["recipe.json"]
    assert again.plan == recipe.plan
    assert again.importance() == recipe.importance()
    assert again.training == recipe.training


@pytest.mark.parametrize(("family", "kind"), PAIRS)
def test_fitting_twice_gives_the_same_files(family: str, kind: Kind, market: Any) -> None:
    first, second = (fit_recipe(*market, plan(family, kind)).dump() for _ in range(2))
    assert first == second
    assert not any(name.endswith((".pkl", ".pickle", ".joblib")) for name in first)
    needs_preprocessing = family not in ("class_prior", "zero", "last_sign")
    assert ("preprocess.json" in first) == needs_preprocessing


def test_the_card_says_what_was_fitted(market: Any) -> None:
    features, labels = market
    params = {"search": {"num_leaves": {"low": 2, "high": 8}}}
    recipe = fit_recipe(features, labels, plan(params=params))
    card = json.loads(recipe.dump()["recipe.json"])
    known = labels.filter(pl.col("label").is_not_null())
    assert card["kind"] == "classification"
    assert card["params"]["kind"] == "lightgbm"
    assert card["params"]["num_leaves"] == 4
    assert "search" not in card["params"]
    assert card["feature_set_id"] == "set-1"
    assert card["seed"] == 3
    assert card["feature_columns"] == features.columns[2:]
    assert card["training"]["first_time"] == known["time"].min().isoformat()
    assert card["training"]["last_time"] == known["time"].max().isoformat()
    assert card["training"]["last_label_end"] == known["label_end"].max().isoformat()
    fit, tail = holdout_tail(labels, 0.15)
    assert (card["training"]["rows"], card["training"]["tail_rows"]) == (fit.sum(), tail.sum())
    assert set(card["versions"]) == {"numpy", "polars", "lightgbm"}
    assert card["best_iteration"] >= 1
    assert sum(card["importance"].values()) == pytest.approx(1)
    assert max(card["importance"], key=card["importance"].get) == "signal"


def test_importance_is_all_zero_without_a_split(market: Any) -> None:
    recipe = fit_recipe(*market, plan(params={"min_child_samples": 100_000}))
    assert set(recipe.importance().values()) == {0.0}


def test_preprocessing_never_sees_the_tail(market: Any) -> None:
    features, labels = market
    tail = holdout_tail(labels, 0.15)[1]
    poisoned = features.with_columns(
        pl.when(pl.Series(tail)).then(1e6).otherwise(pl.col(name)).cast(pl.Float32).alias(name)
        for name in features.columns[2:]
    )
    clean, dirty = (prepare(table, labels, plan()) for table in (features, poisoned))
    assert isinstance(clean.inputs, Preprocessor)
    assert clean.inputs == dirty.inputs
    np.testing.assert_array_equal(clean.X, dirty.X)
    assert clean.tail is not None
    assert dirty.tail is not None
    assert not np.array_equal(clean.tail[0], dirty.tail[0])
    assert clean.inputs.last_time_seen < labels.filter(pl.Series(tail))["time"].min()


def test_early_stopping_watches_the_tail_of_the_recipe(market: Any) -> None:
    features, labels = market
    tail = pl.Series(holdout_tail(labels, 0.15)[1])
    flipped = labels.with_columns(pl.when(tail).then(-pl.col("label")).otherwise("label").alias("label"))
    kept = [fit_recipe(features, table, plan()).model.best_iteration or 0 for table in (labels, flipped)]
    assert kept[0] > 5
    assert kept[1] == 1


def test_the_tail_share_is_a_parameter(market: Any) -> None:
    small, large = (prepare(*market, plan(tail=share)).training for share in (0.1, 0.3))
    assert large.tail_rows == pytest.approx(3 * small.tail_rows, rel=0.1)


@pytest.mark.parametrize("changes", [{"family": "random_forest"}, {"params": {"early_stopping_rounds": None}}])
def test_models_that_do_not_stop_early_train_on_all_labelled_rows(changes: dict[str, Any], market: Any) -> None:
    design = prepare(*market, plan(**changes))
    assert design.tail is None
    assert design.training.rows == len(design.X) == market[1]["label"].count()


@pytest.mark.parametrize("family", ["xgboost", "lightgbm", "random_forest", "ridge", "last_sign"])
def test_the_unit_of_returns_does_not_matter(family: str, market: Any) -> None:
    features, labels = market
    params = {"xgboost": {"gamma": 1.0}, "lightgbm": {"reg_alpha": 1.0}}.get(family, {})
    percent = labels.with_columns(pl.col("forward_return") * 64)
    small, large = (
        fit_recipe(features, table, plan(family, "regression", params=params)).predict(features)
        for table in (labels, percent)
    )
    np.testing.assert_allclose(large, 64 * small, rtol=1e-9)
    assert small.std() > 1e-4


def test_last_sign_needs_the_last_return(market: Any) -> None:
    features, labels = market
    recipe = fit_recipe(features, labels, plan("last_sign"))
    side = np.sign(features["return_1"].to_numpy())
    np.testing.assert_array_equal(recipe.predict(features)[:, 2] - recipe.predict(features)[:, 0], side / 4)
    with pytest.raises(DataError, match="return_1"):
        fit_recipe(features.drop("return_1"), labels, plan("last_sign"))


def test_baselines_work_without_any_feature(market: Any) -> None:
    features, labels = market
    out = fit_recipe(features.select("entity", "time"), labels, plan("class_prior")).predict(features)
    shares = [(labels["label"].drop_nulls() == label).mean() for label in (-1, 0, 1)]
    np.testing.assert_allclose(out[0], shares)


@pytest.mark.parametrize(
    "changes", [{"seed": 4}, {"preprocess": PreprocessRule(features=2)}, {"params": {"subsample": 0.4}}]
)
def test_the_plan_decides(changes: dict[str, Any], market: Any) -> None:
    base, changed = (fit_recipe(*market, plan(**fields)).predict(market[0]) for fields in ({}, changes))
    assert not np.array_equal(base, changed)


def test_another_feature_set_is_refused(market: Any) -> None:
    files = fit_recipe(*market, plan("ridge", "regression")).dump()
    with pytest.raises(
        BundleError, match=r"another feature set\n +expected: set-1\n +found: set-2\n +what to do: train"
    ):
        open_recipe(files, feature_set_id="set-2")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("recipe.json", None, "a file is missing"),
        ("recipe.json", b"{", "recipe.json cannot be read"),
        ("recipe.json", b"{}", "recipe.json cannot be read"),
        ("recipe.json", b'{"feature_set_id": "set-1"}', "cannot be opened .'params'"),
        ("recipe.json", b'{"feature_set_id": "set-1", "params": {"kind": "magic"}}', "cannot be opened [\\s\\S]*magic"),
        ("preprocess.json", None, "a file is missing"),
        ("model.ubj", None, "a file is missing"),
        ("model.ubj", b"nonsense", "cannot be opened"),
    ],
)
def test_a_damaged_bundle_is_refused(name: str, content: bytes | None, message: str, market: Any) -> None:
    files = fit_recipe(*market, plan("xgboost")).dump()
    files = {key: value for key, value in files.items() if key != name} | ({name: content} if content else {})
    with pytest.raises(BundleError, match=message):
        open_recipe(files, feature_set_id="set-1")


def test_features_and_labels_must_be_the_same_rows(market: Any) -> None:
    features, labels = market
    with pytest.raises(DataError, match="features and labels: are not the same rows"):
        fit_recipe(features, labels.reverse(), plan())
    with pytest.raises(DataError, match="are not the same rows"):
        fit_recipe(features.head(50), labels, plan())


def test_a_single_class_cannot_be_learned(market: Any) -> None:
    features, labels = market
    flat = labels.with_columns(pl.when(pl.col("label").is_not_null()).then(pl.lit(0, pl.Int8)).alias("label"))
    with pytest.raises(SplitError, match=r"holds a single class[\s\S]*of \[0\]"):
        fit_recipe(features, flat, plan())
    assert fit_recipe(features, flat, plan("class_prior")).predict(features)[0].tolist() == [0, 1, 0]


def test_a_constant_return_is_no_division_by_zero(market: Any) -> None:
    features, labels = market
    flat = labels.with_columns(pl.when(pl.col("label").is_not_null()).then(0.25).alias("forward_return"))
    np.testing.assert_allclose(fit_recipe(features, flat, plan("ridge", "regression")).predict(features), 0.25)


def test_a_model_of_another_kind_is_refused(market: Any) -> None:
    with pytest.raises(ConfigurationError, match="model ridge: cannot predict a classification head"):
        fit_recipe(*market, plan("ridge"))
