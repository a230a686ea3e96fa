"""SHAP values of the models of the folds: on their own test rows, adding up, equal to an independent explainer."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest

from assay.market.errors import DataError
from assay.market.explanation import ExplanationRule, Explanations, explain_folds
from assay.market.explanation.folds import known
from assay.market.recipe import Recipe, open_recipe
from assay.market.splits import split_rows
from assay.market.tables import KEY, SHAP_VALUES
from assay.market.walk_forward import fold_bundle
from assay.market.workload import Kind

with warnings.catch_warnings():
    warnings.simplefilter("ignore", PendingDeprecationWarning)
    import shap

Fit = Callable[[Kind], Any]
ROWS = 24


def explained(fitted: Any, **rule: Any) -> Explanations:
    rule = {"rows": ROWS} | rule
    return explain_folds(
        fitted.model_input, fitted.plan, fold_models=fitted.fold_models, rule=ExplanationRule.model_validate(rule)
    )


def rows_of(found: Explanations, model: str) -> pl.DataFrame:
    return found.table.filter(pl.col("model") == model).select("fold", *KEY).unique(maintain_order=True)


def test_only_rows_of_the_test_part_of_their_fold_are_explained(fitted: Fit) -> None:
    head = fitted("classification")
    _, labels = head.plan.open(head.model_input)
    found = explained(head)
    for receipt in head.plan.receipts:
        tested = labels.filter(split_rows(labels, receipt)[1]).select(KEY)
        mine = rows_of(found, "xgboost").filter(pl.col("fold") == receipt.fold).select(KEY)
        assert mine.height == ROWS
        assert mine.join(tested, on=KEY, how="anti").is_empty()
        assert mine["entity"].n_unique() == 3
        assert mine["time"].max() - mine["time"].min() > 0.7 * (receipt.test_end - receipt.test_start)


def test_the_table_has_one_row_per_model_row_and_feature(fitted: Fit) -> None:
    found = explained(fitted("classification"))
    assert found.table.schema == pl.Schema(SHAP_VALUES)
    assert found.table.select("model", "fold", *KEY, "feature").is_unique().all()
    assert found.table.height == 4 * 3 * ROWS * 4  # models, folds, rows, features
    assert found.table["shap"].is_finite().all()


@pytest.mark.parametrize(
    ("kind", "model"), [("classification", m) for m in ("xgboost", "lightgbm", "logistic", "forest")]
)
def test_classes_add_up_to_the_answers_that_are_scored(fitted: Fit, kind: Kind, model: str) -> None:
    head = fitted(kind)
    sums = explained(head).table.filter(pl.col("model") == model).group_by("fold", *KEY).agg(pl.col("shap").sum())
    both = sums.join(head.predictions[model], on=("fold", *KEY), how="left")
    answer = pl.col("p_long") - pl.col("p_short") if model == "forest" else (pl.col("p_long") / pl.col("p_short")).log()
    rest = (
        both.select("fold", rest=answer - pl.col("shap"))
        .group_by("fold")
        .agg(pl.col("rest").max() - pl.col("rest").min())
    )
    assert rest["rest"].max() < 1e-5  # the base of the fold, and nothing else


@pytest.mark.parametrize("model", ["xgboost", "ridge"])
def test_returns_add_up_to_the_answers_that_are_scored(fitted: Fit, model: str) -> None:
    head = fitted("regression")
    sums = explained(head).table.filter(pl.col("model") == model).group_by("fold", *KEY).agg(pl.col("shap").sum())
    both = sums.join(head.predictions[model], on=("fold", *KEY), how="left")
    rest = both.group_by("fold").agg(
        gap=(pl.col("y_pred") - pl.col("shap")).max() - (pl.col("y_pred") - pl.col("shap")).min()
    )
    assert rest["gap"].max() < 1e-7
    assert both["y_pred"].std() > 1e-4


@pytest.mark.parametrize("model", ["xgboost", "lightgbm"])
def test_native_contributions_are_those_of_the_tree_explainer(fitted: Fit, model: str) -> None:
    """SHAP's own code on the trees of one class after the other; by itself it would ask the library for its values."""
    head = fitted("classification")
    features, _ = head.plan.open(head.model_input)
    found = explained(head).table.filter((pl.col("model") == model) & (pl.col("fold") == 2))
    recipe: Any = open_recipe(fold_bundle(head.fold_models[model], 2), feature_set_id="set-1")
    rows = found.select(KEY).unique().sort(KEY)
    matrix = recipe.inputs.transform(rows.join(features, on=KEY, how="left", maintain_order="left"))
    trees = shap.TreeExplainer(recipe.model._booster).model.trees
    explainers = {label: shap.TreeExplainer(trees[label::3]) for label in (0, 2)}
    assert {one.model.model_type for one in explainers.values()} == {"internal"}
    short, long = (explainers[label].shap_values(matrix.astype(float), check_additivity=False) for label in (0, 2))
    wide = found.pivot("feature", index=KEY, values="shap").sort(KEY)
    np.testing.assert_allclose(wide.select(recipe.inputs.columns).to_numpy(), long - short, atol=2e-6)
    assert np.abs(long - short).max() > 0.01


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_units_and_gaps_are_told(fitted: Fit, kind: Kind) -> None:
    accounts = explained(fitted(kind)).accounts
    units = {model: account.unit for model, account in accounts.items()}
    assert (
        units
        == {
            "classification": dict.fromkeys(("xgboost", "lightgbm", "logistic"), "log-odds")
            | {"forest": "probability"},
            "regression": dict.fromkeys(("xgboost", "ridge"), "return"),
        }[kind]
    )
    assert all(0 <= account.gap < 1e-5 for account in accounts.values())


def test_the_gap_of_an_explanation_that_does_not_add_up_is_told(fitted: Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    exact, wrong = Recipe.explain, iter([0.0, 0.125, 0.0])  # in the second fold only

    def without_one(recipe: Recipe, *of: Any) -> Any:
        told = exact(recipe, *of)
        if told is not None:
            told.values[0, 0] += np.array([0.0, 0.0, next(wrong)])
        return told

    monkeypatch.setattr(Recipe, "explain", without_one)
    head = fitted("classification")
    only = {"logistic": head.fold_models["logistic"]}
    found = explain_folds(head.model_input, head.plan, fold_models=only, rule=ExplanationRule())
    assert found.accounts["logistic"].gap == pytest.approx(0.125)


def test_values_are_those_of_the_features_table(fitted: Fit) -> None:
    head = fitted("classification")
    found = explained(head, rows=10_000).table.filter(pl.col("model") == "xgboost")
    features, _ = head.plan.open(head.model_input)
    own = features.unpivot(index=KEY, variable_name="feature", value_name="expected")
    both = found.join(own, on=(*KEY, "feature"), how="left")
    assert both["value"].equals(both["expected"], check_names=False)
    assert both.height


def test_a_value_that_is_no_number_is_unknown() -> None:
    table = pl.DataFrame({"a": [1.0, float("nan"), float("inf"), None]})
    assert table.select(known(["a"]))["a"].to_list() == [1.0, None, None, None]


def test_what_is_not_explained_has_a_reason(fitted: Fit) -> None:
    found = explained(fitted("classification"))
    assert found.left_out["lstm"] == "the package torch is not installed; `make torch` installs it"
    assert found.left_out["class_prior"].startswith("no feature is read")
    assert not set(found.left_out) & set(found.accounts)


def test_the_rows_are_seeded_and_common_to_the_models(fitted: Fit) -> None:
    head = fitted("classification")
    one, again, other = (rows_of(explained(head, seed=seed), "xgboost") for seed in (0, 0, 1))
    assert one.equals(again)
    assert not one.equals(other)
    assert one.equals(rows_of(explained(head), "logistic"))


def test_a_family_may_have_fewer_rows(fitted: Fit) -> None:
    found = explained(fitted("classification"), rows_by_kind={"random_forest": 5})
    assert rows_of(found, "forest").height == 3 * 5
    assert rows_of(found, "xgboost").height == 3 * ROWS


def test_where_nothing_is_explained_the_table_is_empty(fitted: Fit) -> None:
    head = fitted("classification")
    found = explain_folds(
        head.model_input,
        head.plan,
        fold_models={name: head.fold_models[name] for name in ("lstm", "class_prior")},
        rule=ExplanationRule(),
    )
    assert found.table.schema == pl.Schema(SHAP_VALUES)
    assert found.table.is_empty()
    assert found.accounts == {}


def test_other_rows_than_those_of_the_plan_are_refused(fitted: Fit) -> None:
    head = fitted("classification")
    with pytest.raises(DataError, match="is not the one that its plan was made for"):
        explain_folds(head.model_input[1:], head.plan, fold_models=head.fold_models, rule=ExplanationRule())


def test_progress_is_shown_over_the_models(fitted: Fit) -> None:
    head, seen = fitted("regression"), []

    def track(items: Any, what: str) -> Any:
        seen.append((list(items), what))
        return items

    explain_folds(head.model_input, head.plan, fold_models=head.fold_models, rule=ExplanationRule(rows=2), track=track)
    assert seen == [(["xgboost", "ridge", "zero", "lstm"], "models")]
