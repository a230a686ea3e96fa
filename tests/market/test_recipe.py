"""Recipes: what a fit may see, and what a bundle promises."""

import hashlib
import json
import pickle
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from assay.market import recipe as recipes
from assay.market.errors import AssayError, BundleError, ConfigurationError, DataError, SplitError
from assay.market.models import ModelParams
from assay.market.models.lightgbm import LightGBMModel
from assay.market.parts import Seen
from assay.market.preprocess import Preprocessor
from assay.market.recipe import Recipe, RecipePlan, open_recipe
from assay.market.selection import Selection, SelectionRule, Task, select
from assay.market.splits import holdout_tail
from assay.market.weights import WeightRule, sample_weights
from assay.market.workload import Kind

FAST: dict[str, dict[str, Any]] = {
    "xgboost": {"n_estimators": 20, "max_depth": 2, "threads": 1},
    "lightgbm": {"n_estimators": 20, "num_leaves": 4, "threads": 1},
    "catboost": {"iterations": 10, "depth": 2, "threads": 1},
    "hist_gradient_boosting": {"max_iter": 10, "max_leaf_nodes": 4, "threads": 1},
    "random_forest": {"n_estimators": 5, "max_samples": 0.5, "threads": 1},
}
PAIRS: list[tuple[str, Kind]] = [
    ("xgboost", "classification"),
    ("xgboost", "regression"),
    ("catboost", "classification"),
    ("hist_gradient_boosting", "regression"),
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
    if missing := params.missing():
        pytest.skip(missing)
    settings = {"feature_set_id": "set-1", "seed": 3} | changes
    return RecipePlan(params=params, kind=kind, **settings)


def chosen(table: pl.DataFrame, labels: pl.DataFrame, plan: RecipePlan, **rule: Any) -> Selection:
    limits = SelectionRule(**({"methods": ("univariate",)} | rule))
    return select(table, labels, limits, task=Task(plan.kind, plan.seed, plan.tail, plan.weights))


def fit_recipe(features: pl.DataFrame, labels: pl.DataFrame, plan: RecipePlan) -> Recipe:
    return recipes.fit_recipe(features, labels, plan, selection=chosen(features, labels, plan))


def prepare(features: pl.DataFrame, labels: pl.DataFrame, plan: RecipePlan) -> recipes.Design:
    return recipes.prepare(features, labels, plan, selection=chosen(features, labels, plan))


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
    assert again.selection == recipe.selection
    assert again.fits == recipe.fits


@pytest.mark.parametrize(("family", "kind"), PAIRS)
def test_fitting_twice_gives_the_same_files(family: str, kind: Kind, market: Any) -> None:
    first, second = (fit_recipe(*market, plan(family, kind)).dump() for _ in range(2))
    assert first == second
    assert not any(name.endswith((".pkl", ".pickle", ".joblib")) for name in first)
    needs_preprocessing = family not in ("class_prior", "zero", "last_sign")
    assert ("preprocess.json" in first) == needs_preprocessing


def test_tuned_parameters_say_what_their_search_has_seen(market: Any) -> None:
    early = market[1].drop_nulls()[:100]
    tuned = fit_recipe(*market, plan(tuned=Seen.of("tuning", early)))
    assert [seen.what for seen in tuned.fits] == ["tuning", "selection", "preprocess", "weights", "model"]
    assert tuned.fits[0].last_label_end == early["label_end"].max()
    again = open_recipe(tuned.dump(), feature_set_id="set-1")
    assert (again.fits, again.plan) == (tuned.fits, tuned.plan)


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
    assert card["weights"] == {"kind": "none", "decay": 1.0}
    assert card["standardise"] is True
    assert card["selection"]["kept"] == list(recipe.inputs.columns)
    assert card["selection"]["dropped"]["constant"] == "constant"
    assert (card["selection"]["ranks"], card["selection"]["consensus"]) == ({}, {})
    assert [seen["what"] for seen in card["fits"]] == ["selection", "preprocess", "weights", "model"]
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
    bare = features.select("entity", "time")
    selection = chosen(*market, plan())
    out = recipes.fit_recipe(bare, labels, plan("class_prior"), selection=selection).predict(features)
    shares = [(labels["label"].drop_nulls() == label).mean() for label in (-1, 0, 1)]
    np.testing.assert_allclose(out[0], shares)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"seed": 4}, {}),
        ({"params": {"subsample": 0.4}}, {}),
        ({"weights": WeightRule(kind="return_attribution")}, {}),
        ({}, {"features": 2}),
    ],
)
def test_the_plan_and_the_selection_decide(changes: dict[str, Any], rule: dict[str, Any], market: Any) -> None:
    selection = chosen(*market, plan(), **rule)
    base = fit_recipe(*market, plan()).predict(market[0])
    changed = recipes.fit_recipe(*market, plan(**changes), selection=selection).predict(market[0])
    assert not np.array_equal(base, changed)


def test_standardising_is_part_of_the_plan(market: Any) -> None:
    raw, scaled = (prepare(*market, plan("ridge", "regression", standardise=flag)) for flag in (False, True))
    np.testing.assert_allclose(scaled.X.std(axis=0), 1, rtol=1e-5)
    known = market[1]["label"].is_not_null()
    np.testing.assert_array_equal(raw.X, market[0].filter(known).select(raw.inputs.columns).fill_null(raw_median(raw)))


def raw_median(design: recipes.Design) -> float:
    assert isinstance(design.inputs, Preprocessor)
    return design.inputs.medians[design.inputs.columns.index("noise_3")]


def test_the_model_reads_the_selected_columns_only(market: Any) -> None:
    features, labels = market
    selection = chosen(features, labels, plan(), features=2)
    recipe = recipes.fit_recipe(features, labels, plan(), selection=selection)
    assert recipe.inputs.columns == selection.kept
    assert len(selection.kept) == 2
    assert recipe.selection == selection.summary()
    assert recipe.feature_columns == tuple(features.columns[2:])


@pytest.mark.parametrize("family", ["lightgbm", "logistic"])
def test_rows_are_weighted_within_the_rows_of_the_fit(family: str, market: Any) -> None:
    features, labels = market
    rule = WeightRule(kind="uniqueness", decay=0.5)
    design = prepare(features, labels, plan(family, weights=rule))
    known = labels.filter(pl.col("label").is_not_null())
    fit = known.filter(holdout_tail(known, 0.15)[0]) if family == "lightgbm" else known
    np.testing.assert_array_equal(design.weight, sample_weights(fit, rule))
    assert design.weight.std() > 0.05
    assert len(design.weight) == len(design.X) == design.training.rows


def test_weights_reach_the_model(market: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    design = prepare(*market, plan("logistic", weights=WeightRule(kind="uniqueness", decay=0.5)))
    got: list[Any] = []
    model = recipes.fit_model(design, plan("logistic"))
    monkeypatch.setattr(type(model), "fit", lambda *_, weight: got.append(weight))
    recipes.fit_model(design, plan("logistic"))
    assert got[0] is design.weight


@pytest.mark.parametrize(("family", "early"), [("lightgbm", True), ("logistic", False)])
def test_every_fit_says_how_far_it_saw(family: str, early: bool, market: Any) -> None:
    features, labels = market
    known = labels.filter(pl.col("label").is_not_null())
    older = known.filter(holdout_tail(known, 0.15)[0])
    seen = {fit.what: fit for fit in prepare(features, labels, plan(family)).fits}
    rows = {"selection": older, "preprocess": older if early else known, "weights": older if early else known}
    for what, table in (rows | {"model": known}).items():
        assert (seen[what].last_time_seen, seen[what].last_label_end) == (
            table["time"].max(),
            table["label_end"].max(),
        ), what


def test_models_with_columns_of_their_own_ignore_the_selection(market: Any) -> None:
    design = recipes.prepare(*market, plan("last_sign"), selection=chosen(*[part.head(200) for part in market], plan()))
    assert design.inputs.columns == ("return_1",)
    assert design.selection is None
    assert [seen.what for seen in design.fits] == ["weights", "model"]


def test_a_selection_of_other_rows_is_refused(market: Any) -> None:
    features, labels = market
    early = pl.Series(labels["time"] < labels["time"].sort()[400])
    part = features.filter(early), labels.filter(early)
    for kept, told in ((market, "was not made on this training part"), (part, "stage selection")):
        other = part if kept is market else market
        with pytest.raises(SplitError, match=told):
            recipes.prepare(*other, plan(), selection=chosen(*kept, plan()))


@pytest.mark.parametrize("family", ["lightgbm", "logistic"])
@pytest.mark.parametrize("field", ["rows", "last_time_seen", "last_label_end"])
def test_a_selection_that_saw_another_row_is_refused(field: str, family: str, market: Any) -> None:
    selection = chosen(*market, plan(family))
    later = getattr(selection, field) + (1 if field == "rows" else timedelta(microseconds=1))
    with pytest.raises(SplitError, match=r"selection of features: was not made on this training part before its tail"):
        recipes.prepare(*market, plan(family), selection=selection.model_copy(update={field: later}))


def test_a_selection_that_saw_the_tail_is_refused(market: Any) -> None:
    longer = chosen(*market, plan(tail=0.05))
    with pytest.raises(SplitError, match="before its tail"):
        recipes.prepare(*market, plan(), selection=longer)


def test_trials_on_one_design_bin_its_rows_once(market: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made, datasets = [], LightGBMModel._datasets
    monkeypatch.setattr(LightGBMModel, "_datasets", lambda *given, **named: made.append(1) or datasets(*given, **named))
    design = prepare(*market, plan())
    trials = [plan(params={"num_leaves": leaves}) for leaves in (3, 4, 5, 4)]
    files = [recipes.fit_model(design, trial).dump() for trial in trials]
    assert len(made) == 1
    assert files[1] == files[3] != files[0]
    assert files[0] == recipes.fit_model(prepare(*market, trials[0]), trials[0]).dump()
    assert len(made) == 2


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
        ("recipe.json", b'{"feature_set_id": "set-1"}', "cannot be opened .'files'"),
        ("recipe.json", b'{"feature_set_id": "set-1", "files": [1]}', "other files than it was made with"),
        ("preprocess.json", None, "other files than it was made with"),
        ("model.ubj", None, "other files than it was made with"),
        ("model.pkl", b"more", "other files than it was made with"),
        ("model.ubj", b"nonsense", "model.ubj: has another size"),
    ],
)
def test_a_damaged_bundle_is_refused(name: str, content: bytes | None, message: str, market: Any) -> None:
    files = fit_recipe(*market, plan("xgboost")).dump()
    files = {key: value for key, value in files.items() if key != name} | ({name: content} if content else {})
    with pytest.raises(BundleError, match=message):
        open_recipe(files, feature_set_id="set-1")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"params": None}, "cannot be opened"),
        ({"params": {"kind": "magic"}}, "cannot be opened [\\s\\S]*magic"),
        ({"params": {"kind": "ridge"}}, "cannot predict a classification head"),
        ({"training": {}}, "cannot be opened .'first_time'"),
    ],
)
def test_a_card_that_makes_no_sense_is_refused(changes: dict[str, Any], message: str, market: Any) -> None:
    files = fit_recipe(*market, plan("xgboost")).dump()
    card = json.dumps(json.loads(files["recipe.json"]) | changes).encode()
    with pytest.raises(AssayError, match=message):
        open_recipe(files | {"recipe.json": card}, feature_set_id="set-1")


@pytest.mark.parametrize(("family", "kind"), PAIRS)
def test_no_library_sees_a_file_that_was_changed(
    family: str, kind: Kind, market: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = fit_recipe(*market, plan(family, kind)).dump()
    monkeypatch.setattr("assay.market.recipe.restore", lambda *_: pytest.fail("a library was asked to open it"))
    for name in set(files) - {"recipe.json"}:
        middle = len(files[name]) // 2
        altered = files[name][:middle] + bytes([files[name][middle] ^ 1]) + files[name][middle + 1 :]
        with pytest.raises(BundleError, match=f"{name}: was altered"):
            open_recipe(files | {name: altered}, feature_set_id="set-1")
        with pytest.raises(BundleError, match=f"{name}: has another size"):
            open_recipe(files | {name: files[name][:-1]}, feature_set_id="set-1")
        with pytest.raises(BundleError, match="another feature set"):
            open_recipe(files | {name: altered}, feature_set_id="set-2")


def test_a_pickle_is_refused_even_when_its_card_vouches_for_it(market: Any) -> None:
    files = fit_recipe(*market, plan("ridge", "regression")).dump()
    content = pickle.dumps({"estimator": None})
    sealed = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    card = json.loads(files["recipe.json"])
    card["files"]["model.skops"] = sealed
    swapped = files | {"model.skops": content, "recipe.json": json.dumps(card).encode()}
    with pytest.raises(BundleError, match=r"holds a pickle[\s\S]*found: model.skops"):
        open_recipe(swapped, feature_set_id="set-1")


def test_features_and_labels_must_be_the_same_rows(market: Any) -> None:
    features, labels = market
    selection = chosen(features, labels, plan())
    with pytest.raises(DataError, match="features and labels: are not the same rows"):
        recipes.fit_recipe(features, labels.reverse(), plan(), selection=selection)
    with pytest.raises(DataError, match="are not the same rows"):
        recipes.fit_recipe(features.head(50), labels, plan(), selection=selection)


def test_a_single_class_cannot_be_learned(market: Any) -> None:
    features, labels = market
    flat = labels.with_columns(pl.when(pl.col("label").is_not_null()).then(pl.lit(0, pl.Int8)).alias("label"))
    selection = chosen(*market, plan())
    with pytest.raises(SplitError, match=r"holds a single class[\s\S]*of \[0\]"):
        recipes.fit_recipe(features, flat, plan(), selection=selection)
    prior = recipes.fit_recipe(features, flat, plan("class_prior"), selection=selection)
    assert prior.predict(features)[0].tolist() == [0, 1, 0]


def test_a_constant_return_is_no_division_by_zero(market: Any) -> None:
    features, labels = market
    flat = labels.with_columns(pl.when(pl.col("label").is_not_null()).then(0.25).alias("forward_return"))
    np.testing.assert_allclose(fit_recipe(features, flat, plan("ridge", "regression")).predict(features), 0.25)


def test_a_model_of_another_kind_is_refused(market: Any) -> None:
    with pytest.raises(ConfigurationError, match="model ridge: cannot predict a classification head"):
        fit_recipe(*market, plan("ridge"))


def test_a_mask_of_rows_is_a_training_part(market: Any) -> None:
    features, labels = market
    rows = (labels["time"] < labels["time"].max() - timedelta(hours=80)).to_numpy()
    part, known = features.filter(pl.Series(rows)), labels.filter(pl.Series(rows))
    kept = chosen(part, known, plan())
    masked = recipes.fit_recipe(features, labels, plan(), selection=kept, rows=rows)
    cut = recipes.fit_recipe(part, known, plan(), selection=kept)
    assert masked.dump() == cut.dump()
    np.testing.assert_array_equal(masked.predict(features, ~rows), cut.predict(features.filter(pl.Series(~rows))))


@pytest.mark.parametrize(("family", "kind"), [("xgboost", "classification"), ("lightgbm", "regression")])
def test_explanations_add_up_in_the_unit_of_the_answer(family: str, kind: Kind, market: Any) -> None:
    features, labels = market
    recipe = fit_recipe(features, labels, plan(family, kind))
    rows = (labels["time"] > labels["time"].max() - timedelta(hours=20)).to_numpy()
    told, answers = recipe.explain(features, rows), recipe.predict(features, rows)
    assert told is not None
    assert told.values.shape[:2] == (rows.sum(), len(recipe.inputs.columns))
    total = told.values.sum(axis=1) + told.base
    if kind == "classification":
        total = np.exp(total) / np.exp(total).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(total, answers, atol=2e-6)


def test_a_model_that_reads_no_features_has_nothing_to_explain(market: Any) -> None:
    features, labels = market
    assert fit_recipe(features, labels, plan("class_prior")).explain(features) is None
