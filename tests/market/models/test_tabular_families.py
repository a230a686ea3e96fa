"""What single families do beside what all promise: files they leave alone, tails, budgets, and missing packages."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from threadpoolctl import threadpool_limits

from assay.market.errors import BundleError, ConfigurationError
from assay.market.models import Model, ModelParams, ModelRule, build, restore
from assay.market.models.boosting import threads_for
from assay.market.workload import Kind

ROUNDS = {
    "xgboost": "n_estimators",
    "lightgbm": "n_estimators",
    "catboost": "iterations",
    "hist_gradient_boosting": "max_iter",
}


def params(family: str, **changes: Any) -> ModelRule:
    few: dict[str, Any] = {ROUNDS[family]: 20, "threads": 1} if family in ROUNDS else {}
    if family == "random_forest":
        few = {"n_estimators": 20, "max_samples": 0.5, "min_samples_leaf": 5, "threads": 1}
    rule = ModelParams.model_validate({"kind": family} | few | changes).root
    if missing := rule.missing():
        pytest.skip(missing)
    return rule


def rows(kind: Kind = "regression", n: int = 500, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 4)).astype(np.float32)
    y = 0.7 * X[:, 1] + 0.7 * rng.standard_normal(n)
    classes = {"classification": np.where(np.abs(y) > 0.5, np.sign(y), 0), "binary": y > 0}
    return X, classes[kind].astype(np.int8) if kind in classes else y


def fitted(rule: ModelRule, kind: Kind, data: Any, tail: Any = None) -> Model:
    model = build(rule, kind, seed=0)
    model.fit(*data, tail)
    return model


@pytest.mark.parametrize(
    ("family", "values", "search"),
    [
        (
            "xgboost",
            {},
            {"max_depth": (3, 10), "learning_rate": (0.01, 0.3), "n_estimators": (100, 500)},
        ),
        ("lightgbm", {"num_leaves": 31}, {"num_leaves": (20, 100)}),
        ("catboost", {}, {"depth": (4, 10), "iterations": (100, 500), "learning_rate": (0.01, 0.3)}),
    ],
)
def test_the_ranges_that_practice_asks_for_can_be_searched(
    family: str, values: dict[str, Any], search: dict[str, tuple[float, float]]
) -> None:
    ranges = {name: {"low": low, "high": high} for name, (low, high) in search.items()}
    rule = ModelParams.model_validate({"kind": family, "early_stopping_rounds": 50, **values, "search": ranges}).root
    for name, (low, high) in search.items():
        for value in (low, high):
            assert getattr(rule.with_values({name: value}), name) == value


def test_importing_the_models_imports_none_of_their_libraries() -> None:
    heavy = ("xgboost", "lightgbm", "catboost", "sklearn", "torch", "shap", "skops", "scipy")
    script = f"import sys, assay.market.models; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout == b"[]\n"


@pytest.mark.parametrize(("family", "hint"), [("catboost", "pip install catboost"), ("xgboost", "make run")])
def test_without_its_package_a_model_says_how_to_get_it(
    family: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = params(family)
    files = fitted(rule, "regression", rows()).dump()
    monkeypatch.setattr("assay.market.models.base.find_spec", lambda _: None)
    told = f"the package {family} is not installed; `{hint}` installs it"
    assert rule.missing() == told
    with pytest.raises(ConfigurationError, match=f"model {family}: cannot be fitted here: {told}"):
        build(rule, "regression", seed=0)
    with pytest.raises(BundleError, match=f"model {family}: cannot be opened here: {told}"):
        restore(rule, "regression", files)


@pytest.mark.parametrize("family", ["xgboost", "catboost", "hist_gradient_boosting", "random_forest", "ridge"])
def test_a_damaged_model_file_is_a_bundle_error(family: str) -> None:
    rule = params(family)
    files = {name: content[: len(content) // 2] for name, content in fitted(rule, "regression", rows()).dump().items()}
    with pytest.raises(BundleError, match=r"cannot be (opened|read)"):
        restore(rule, "regression", files)


@pytest.mark.parametrize("kind", ["classification", "regression", "binary"])
def test_catboost_writes_no_files_and_says_nothing(
    kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    rule = params("catboost")
    model = fitted(rule, kind, rows(kind), rows(kind, 100, seed=1))
    again = restore(rule, kind, model.dump())
    again.predict(rows(kind)[0])
    again.explain(rows(kind)[0])
    again.importance()
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("family", ["catboost", "hist_gradient_boosting"])
def test_a_tail_is_scored_by_the_classes_that_training_has_seen(family: str) -> None:
    X, y = rows("classification")
    X_new, y_new = rows("classification", 200, seed=1)
    sides = (X[y != 0], y[y != 0])
    rule = params(family, early_stopping_rounds=5)
    mixed = fitted(rule, "classification", sides, (X_new, y_new))
    alone = fitted(rule, "classification", sides, (X_new[y_new != 0], y_new[y_new != 0]))
    foreign = fitted(rule, "classification", sides, (X_new[y_new == 0], y_new[y_new == 0]))
    np.testing.assert_array_equal(mixed.predict(X), alone.predict(X))
    assert mixed.best_iteration == alone.best_iteration
    assert foreign.best_iteration is None


@pytest.mark.parametrize("family", list(ROUNDS))
def test_without_a_tail_all_rounds_and_rows_are_used(family: str) -> None:
    X, y = rows()
    patient, never = params(family, early_stopping_rounds=1), params(family, early_stopping_rounds=None)
    assert patient.stops_early
    assert not never.stops_early
    model = fitted(patient, "regression", (X, y))
    assert model.best_iteration is None
    np.testing.assert_array_equal(model.predict(X), fitted(never, "regression", (X, y)).predict(X))


def test_histogram_boosting_is_that_of_scikit_learn() -> None:
    X, y = rows()
    rule = params("hist_gradient_boosting", max_depth=3, early_stopping_rounds=4)
    names = ("max_iter", "learning_rate", "max_leaf_nodes", "max_depth", "min_samples_leaf", "l2_regularization")
    settings = rule.model_dump(include={*names, "max_features", "max_bins"})
    with threadpool_limits(1):
        theirs = HistGradientBoostingRegressor(**settings, early_stopping=False, random_state=0).fit(X, y)
    np.testing.assert_array_equal(fitted(rule, "regression", (X, y)).predict(X), theirs.predict(X))


def test_histogram_boosting_keeps_the_round_that_scores_best_on_the_tail() -> None:
    X, y = rows()
    X_new, y_new = rows(n=150, seed=1)
    rule = params("hist_gradient_boosting", max_iter=80, learning_rate=0.3, early_stopping_rounds=6)
    model = fitted(rule, "regression", (X, y), (X_new, y_new))
    settings = rule.model_dump(exclude={"kind", "search", "threads", "early_stopping_rounds"})
    with threadpool_limits(1):
        theirs = HistGradientBoostingRegressor(**settings, early_stopping=False, random_state=0).fit(X, y)
        errors = [float(((out - y_new) ** 2).mean()) for out in theirs.staged_predict(X_new)]
    assert model.best_iteration is not None
    assert model.best_iteration == int(np.argmin(errors[: model.best_iteration + 6])) + 1 < 80


def test_a_forest_draws_no_more_rows_than_its_budget() -> None:
    X, y = rows()
    rule = params("random_forest", max_samples=0.5, max_rows=120, min_samples_leaf=2, n_estimators=10)
    settings = rule.model_dump(include={"n_estimators", "max_depth", "max_features", "min_samples_leaf"})
    theirs = RandomForestRegressor(**settings, max_samples=120, random_state=0).fit(X, y)
    np.testing.assert_array_equal(fitted(rule, "regression", (X, y)).predict(X), theirs.predict(X))
    loose = fitted(rule.with_values({"max_rows": 250}), "regression", (X, y))
    free = fitted(rule.with_values({"max_rows": 10_000}), "regression", (X, y))
    np.testing.assert_array_equal(loose.predict(X), free.predict(X))


@pytest.mark.parametrize("family", [*ROUNDS, "random_forest", "logistic"])
def test_the_probability_of_one_is_that_of_the_second_class(family: str) -> None:
    X, y = rows("binary")
    out = fitted(params(family), "binary", (X, y)).predict(X)
    assert out[y == 1].mean() > out.mean() > out[y == 0].mean()
    assert out.mean() == pytest.approx(y.mean(), abs=0.03)


@pytest.mark.parametrize("family", [*ROUNDS, "random_forest", "ridge"])
def test_a_row_is_answered_alike_alone_and_among_others(family: str) -> None:
    X, y = rows()
    files = fitted(params(family), "regression", (X, y)).dump()
    model = restore(params(family, **({} if family == "ridge" else {"threads": 2})), "regression", files)
    together = model.predict(X)
    alone = np.concatenate([model.predict(X[row : row + 1]) for row in range(20)])
    np.testing.assert_allclose(alone, together[:20], rtol=1e-12)
    np.testing.assert_array_equal(model.predict(X), together)


def test_few_rows_are_predicted_by_one_thread() -> None:
    assert [threads_for(rows, 4) for rows in (1, 64, 65)] == [1, 1, 4]
    assert threads_for(1000, 0) == 0
