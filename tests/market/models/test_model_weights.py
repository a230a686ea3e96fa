"""What sample weights do to each model family."""

from typing import Any

import numpy as np
import pytest

from assay.market.models import Model, ModelParams, build
from assay.market.workload import Kind

LEARNERS: dict[str, dict[str, Any]] = {
    "xgboost": {"n_estimators": 25, "max_depth": 3, "min_child_weight": 1, "threads": 1},
    "lightgbm": {"n_estimators": 25, "num_leaves": 6, "min_child_samples": 5, "threads": 1},
    "catboost": {"iterations": 25, "depth": 3, "threads": 1},
    "hist_gradient_boosting": {"max_iter": 25, "max_leaf_nodes": 6, "min_samples_leaf": 5, "threads": 1},
    "random_forest": {"n_estimators": 20, "min_samples_leaf": 5, "max_samples": 0.5, "threads": 1},
    "logistic": {"C": 1.0},
    "ridge": {"alpha": 1.0},
}
NAIVE = ("class_prior", "zero", "drift", "last_sign")
KINDS: tuple[Kind, ...] = ("classification", "regression", "binary")


def pairs(families: Any) -> list[tuple[str, Kind]]:
    heads = {family: ModelParams.model_validate({"kind": family}).root.heads for family in families}
    return [(family, kind) for family in families for kind in KINDS if kind in heads[family]]


def rows(kind: Kind, n: int = 500, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """The first half of the rows says the opposite of the second half."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 3)).astype(np.float32)
    y = X[:, 1] * np.where(np.arange(n) < n // 2, 1, -1) + 0.3 * rng.standard_normal(n)
    classes = {"classification": np.where(np.abs(y) > 0.5, np.sign(y), 0), "binary": y > 0}
    return X, classes[kind].astype(np.int8) if kind in classes else y


def fitted(family: str, kind: Kind, weight: np.ndarray | None, tail: Any = None) -> Model:
    params = ModelParams.model_validate({"kind": family} | LEARNERS.get(family, {})).root
    if missing := params.missing():
        pytest.skip(missing)
    model = build(params, kind, seed=0)
    model.fit(*rows(kind), tail, weight=weight)
    return model


def lean(model: Model, kind: Kind) -> float:
    """Correlation of the answer (long minus short, or the value) with the input that matters."""
    X, _ = rows(kind, 300, seed=1)
    out = model.predict(X)
    score = out[:, 2] - out[:, 0] if kind == "classification" else out
    return float(np.corrcoef(score, X[:, 1])[0, 1])


@pytest.mark.parametrize(("family", "kind"), pairs([*LEARNERS, *NAIVE]))
def test_equal_weights_are_no_weights(family: str, kind: Kind) -> None:
    X, _ = rows(kind, 100, seed=2)
    plain, equal = fitted(family, kind, None), fitted(family, kind, np.ones(500))
    np.testing.assert_allclose(equal.predict(X), plain.predict(X), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("family", "kind"), pairs(LEARNERS))
def test_a_model_believes_the_rows_that_weigh_more(family: str, kind: Kind) -> None:
    older = np.where(np.arange(500) < 250, 1.9, 0.1)
    assert lean(fitted(family, kind, older), kind) > 0.5
    assert lean(fitted(family, kind, older[::-1].copy()), kind) < -0.5


@pytest.mark.parametrize(("family", "kind"), pairs(LEARNERS))
def test_rows_of_no_weight_change_nothing_that_is_learned_from_the_others(family: str, kind: Kind) -> None:
    only_older = np.where(np.arange(500) < 250, 2.0, 0.0)
    assert lean(fitted(family, kind, only_older), kind) > 0.6


@pytest.mark.parametrize("family", ["xgboost", "lightgbm", "catboost", "hist_gradient_boosting"])
def test_weights_and_a_tail_go_together(family: str) -> None:
    older = np.where(np.arange(500) < 250, 1.9, 0.1)
    model = fitted(family, "regression", older, rows("regression", 200, seed=3))
    assert model.best_iteration is not None


@pytest.mark.parametrize(("family", "kind"), pairs(NAIVE))
def test_baselines_count_every_row_once(family: str, kind: Kind) -> None:
    X, _ = rows(kind, 20, seed=2)
    weight = np.linspace(0, 2, 500)
    np.testing.assert_array_equal(fitted(family, kind, weight).predict(X), fitted(family, kind, None).predict(X))


def test_a_forest_keeps_no_weights_of_its_rows() -> None:
    weight = np.random.default_rng(0).uniform(0, 2, 500)
    sizes = [len(fitted("random_forest", "regression", w).dump()["model.skops"]) for w in (None, weight)]
    assert sizes[1] < sizes[0] + 500 * 4
