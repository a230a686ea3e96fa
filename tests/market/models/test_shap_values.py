"""SHAP values of every family: they add up to the answer, and are those of shap, or of the definition."""

import json
import warnings
from itertools import combinations
from math import factorial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.market.models import Model, ModelParams, build, restore
from assay.market.models.base import Explained
from assay.market.models.margins import NEVER, by_class, softmax
from assay.market.workload import Kind

with warnings.catch_warnings():
    warnings.simplefilter("ignore", PendingDeprecationWarning)
    import shap

FAST: dict[str, dict[str, Any]] = {
    "xgboost": {"n_estimators": 12, "max_depth": 3, "min_child_weight": 2, "threads": 1},
    "lightgbm": {"n_estimators": 12, "num_leaves": 6, "min_child_samples": 5, "threads": 1},
    "catboost": {"iterations": 12, "depth": 3, "threads": 1},
    "hist_gradient_boosting": {"max_iter": 12, "max_leaf_nodes": 6, "min_samples_leaf": 5, "threads": 1},
    "random_forest": {"n_estimators": 5, "max_depth": 4, "min_samples_leaf": 5, "max_samples": 0.5, "threads": 1},
    "logistic": {"C": 1.0},
    "ridge": {"alpha": 3.0},
}
KINDS: tuple[Kind, ...] = ("classification", "regression", "binary")
PAIRS: list[tuple[str, Kind]] = [
    (family, kind)
    for family in FAST
    for kind in KINDS
    if kind in ModelParams.model_validate({"kind": family}).root.heads
]
NATIVE = [(family, kind) for family, kind in PAIRS if family in ("xgboost", "lightgbm", "catboost")]


def rows(kind: Kind, n: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = (rng.standard_normal((n, 4)) + np.array([0.5, 0, -1, 0])).astype(np.float32)
    y = X[:, 1] * np.where(X[:, 0] > 0, 1, -0.5) + 0.5 * X[:, 2] + 0.5 * rng.standard_normal(n)
    classes = {"classification": np.where(np.abs(y) > 0.5, np.sign(y), 0), "binary": y > 0}
    return X, classes[kind].astype(np.int8) if kind in classes else y


def fitted(family: str, kind: Kind, data: Any = None, **changes: Any) -> Model:
    params = ModelParams.model_validate({"kind": family} | FAST[family] | changes).root
    if missing := params.missing():
        pytest.skip(missing)
    model = build(params, kind, seed=0)
    model.fit(*(data or rows(kind)))
    return model


def explained(model: Model, X: np.ndarray) -> Explained:
    found = model.explain(X)
    assert found is not None
    return found


def answer(family: str, kind: Kind, margins: np.ndarray) -> np.ndarray:
    """What the model answers when its margins are these."""
    if family == "random_forest" or kind == "regression":
        return margins
    return softmax(margins) if kind == "classification" else 1 / (1 + np.exp(-margins))


@pytest.mark.parametrize(("family", "kind"), PAIRS)
def test_values_and_base_add_up_to_the_answer(family: str, kind: Kind) -> None:
    model, X = fitted(family, kind), rows(kind, 50, seed=1)[0]
    found = explained(model, X)
    width = (3,) if kind == "classification" else ()
    assert found.values.shape == (50, 4, *width)
    assert np.shape(found.base) == width
    assert found.values.dtype == np.float64
    margins = found.values.sum(axis=1) + found.base
    np.testing.assert_allclose(answer(family, kind, margins), model.predict(X), atol=1e-5)
    assert np.abs(found.values[:, 1]).mean() > 1.5 * np.abs(found.values[:, 3]).mean()


@pytest.mark.parametrize(("family", "kind"), PAIRS)
def test_a_reopened_model_explains_alike(family: str, kind: Kind) -> None:
    model, X = fitted(family, kind), rows(kind, 20, seed=1)[0]
    again = restore(ModelParams.model_validate({"kind": family}).root, kind, model.dump())
    np.testing.assert_array_equal(explained(again, X).values, explained(model, X).values)
    np.testing.assert_array_equal(explained(again, X).base, explained(model, X).base)


def levels(booster: Any, tmp_path: Path) -> dict[str, Any]:
    """CatBoost's trees as shap reads trees of any origin; each asks one question per level, the last one first."""
    booster.save_model(str(tmp_path / "model.json"), format="json")
    document = json.loads((tmp_path / "model.json").read_text())
    trees = []
    for tree in document["oblivious_trees"]:
        inner, leaves = len(tree["leaf_weights"]) - 1, len(tree["leaf_weights"])
        # shap wants every leaf visited, but two questions about one input can leave a leaf that no row can reach.
        weights = [0.0] * inner + [max(weight, 1e-12) for weight in tree["leaf_weights"]]
        for node in reversed(range(inner)):
            weights[node] = weights[2 * node + 1] + weights[2 * node + 2]
        values = np.array(tree["leaf_values"]).reshape(leaves, -1)
        nodes, no_child = np.arange(inner), np.full(leaves, -1)
        asked = [split for level, split in enumerate(reversed(tree["splits"] or [])) for _ in range(2**level)]
        trees.append(
            {
                "children_left": np.concatenate([2 * nodes + 1, no_child]),
                "children_right": np.concatenate([2 * nodes + 2, no_child]),
                "children_default": np.concatenate([2 * nodes + 1, no_child]),
                "features": np.array([split["float_feature_index"] for split in asked] + [-1] * leaves),
                "thresholds": np.array([split["border"] for split in asked] + [0.0] * leaves),
                "values": np.concatenate([np.zeros((inner, values.shape[1])), values]),
                "node_sample_weight": np.array(weights),
            }
        )
    bias = np.array(document["scale_and_bias"][1])
    return {"trees": trees, "base_offset": bias, "tree_output": "raw_value", "objective": "squared_error"}


def by_tree_explainer(model: Model, family: str, X: np.ndarray, tmp_path: Path) -> np.ndarray:
    """SHAP values by shap's own algorithm: left to itself it hands the rows to the library."""
    booster = model._booster  # type: ignore[attr-defined]
    if family == "lightgbm":  # of whose boosters shap reads the trees of all classes as those of one
        info, outputs = booster.dump_model()["tree_info"], booster.num_model_per_iteration()
        parts: list[Any] = [{"trees": info[output::outputs], "tree_output": "raw_value"} for output in range(outputs)]
    else:
        parts = [levels(booster, tmp_path) if family == "catboost" else booster]
    explainers = [shap.TreeExplainer(part, feature_perturbation="tree_path_dependent") for part in parts]
    for explainer in explainers:
        explainer.model.model_type = "internal"
    values = [explainer.shap_values(X, check_additivity=False) for explainer in explainers]
    return values[0] if len(values) == 1 else np.stack(values, axis=-1)


@pytest.mark.parametrize(("family", "kind"), NATIVE)
def test_native_contributions_are_those_of_the_tree_explainer(family: str, kind: Kind, tmp_path: Path) -> None:
    model, X = fitted(family, kind), rows(kind, 30, seed=1)[0]
    theirs = by_tree_explainer(model, family, X, tmp_path)
    np.testing.assert_allclose(explained(model, X).values, theirs, atol=2e-5)


@pytest.mark.parametrize(("family", "kind"), [pair for pair in PAIRS if pair[0] in ("logistic", "ridge")])
def test_linear_values_are_those_of_the_linear_explainer(family: str, kind: Kind) -> None:
    model, X = fitted(family, kind), rows(kind, 30, seed=1)[0]
    background = shap.maskers.Independent(rows(kind)[0].astype(np.float64), max_samples=1000)
    explainer = shap.LinearExplainer(model._estimator, background)  # type: ignore[attr-defined]
    found = explained(model, X)
    np.testing.assert_allclose(found.values, explainer.shap_values(X.astype(np.float64)), atol=1e-9)
    np.testing.assert_allclose(found.base, explainer.expected_value, atol=1e-6)


def test_linear_values_start_from_the_weighted_mean() -> None:
    X, y = rows("regression")
    weight = np.where(np.arange(400) < 200, 1.8, 0.2)
    model = build(ModelParams.model_validate({"kind": "ridge"}).root, "regression", seed=0)
    model.fit(X, y, weight=weight)
    found = explained(model, X)
    assert found.base == pytest.approx(np.average(y, weights=weight))  # least squares goes through the means
    np.testing.assert_allclose(np.average(found.values, axis=0, weights=weight), 0, atol=1e-9)


def walk(tree: dict[str, list[Any]], x: list[float], known: frozenset[int], node: int = 0) -> float:
    """Expected answer of a tree when only some inputs are known: both ways, by training rows, where one is not."""
    left, right = tree["left"][node], tree["right"][node]
    if left == right:
        return float(tree["value"][node])
    feature = tree["feature"][node]
    if feature in known:
        return walk(tree, x, known, left if x[feature] <= tree["threshold"][node] else right)
    ways = [walk(tree, x, known, below) * tree["rows"][below] for below in (left, right)]
    return float(sum(ways) / (tree["rows"][left] + tree["rows"][right]))


def shapley(tree: dict[str, list[Any]], x: list[float]) -> list[float]:
    """Shapley values by their definition: over all subsets of the other inputs."""
    n, inputs = len(x), frozenset(range(len(x)))
    subsets = [frozenset(chosen) for size in range(n + 1) for chosen in combinations(inputs, size)]
    worth = {subset: walk(tree, x, subset) for subset in subsets}
    share = {size: factorial(size) * factorial(n - size - 1) / factorial(n) for size in range(n)}
    return [
        sum(share[len(s)] * (worth[s | {one}] - worth[s]) for s in subsets if one not in s) for one in sorted(inputs)
    ]


def trees_of(model: Any, family: str) -> tuple[list[dict[str, list[Any]]], float]:
    """The trees of a scikit-learn model as lists, and what each counts."""
    if family == "random_forest":
        ours = ("left", "right", "rows", "feature", "threshold")
        theirs = ("children_left", "children_right", "weighted_n_node_samples", "feature", "threshold")
        trees = [tree.tree_ for tree in model._estimator.estimators_]
        nodes = [[getattr(tree, name).tolist() for name in theirs] for tree in trees]
        values = [{"value": tree.value[:, 0, 0].tolist()} for tree in trees]
        return [dict(zip(ours, node, strict=True)) | value for node, value in zip(nodes, values, strict=True)], 1 / 5
    names = {"rows": "count", "feature": "feature_idx", "threshold": "num_threshold"}
    names |= {name: name for name in ("left", "right", "value")}
    nodes = [tree.nodes for trees in model._estimator._predictors for tree in trees]
    return [{name: node[theirs].tolist() for name, theirs in names.items()} for node in nodes], 1.0


@pytest.mark.parametrize("family", ["random_forest", "hist_gradient_boosting"])
def test_values_of_trees_are_shapley_values_by_definition(family: str) -> None:
    model, X = fitted(family, "regression"), rows("regression", 5, seed=1)[0]
    trees, share = trees_of(model, family)
    slow = [share * np.sum([shapley(tree, x) for tree in trees], axis=0) for x in X.tolist()]
    np.testing.assert_allclose(explained(model, X).values, slow, atol=1e-6)


@pytest.mark.parametrize("missing", [-1, 0, 1])
@pytest.mark.parametrize("family", [family for family, kind in PAIRS if kind == "classification"])
def test_a_class_that_never_occurred_stays_out_of_the_explanation(family: str, missing: int) -> None:
    X, y = rows("classification")
    keep = y != missing
    model = fitted(family, "classification", (X[keep], y[keep]))
    found = explained(model, X)
    margins = found.values.sum(axis=1) + found.base
    assert np.isfinite(margins).all()
    np.testing.assert_allclose(answer(family, "classification", margins), model.predict(X), atol=1e-5)
    if family not in ("xgboost", "lightgbm"):  # they know of three classes whatever they see
        assert not found.values[:, :, missing + 1].any()


@pytest.mark.parametrize("family", ["class_prior", "drift", "last_sign"])
def test_a_baseline_explains_nothing(family: str) -> None:
    model = build(ModelParams.model_validate({"kind": family}).root, "classification", seed=0)
    X, y = rows("classification")
    model.fit(X[:, :1], y)
    assert model.explain(X[:, :1]) is None


def test_log_odds_of_two_classes_count_half_for_each() -> None:
    pair = Explained(np.array([[0.2, -0.6]]), np.array(1.0))
    found = by_class(pair, np.array([-1, 1]))
    np.testing.assert_allclose(found.values, [[[-0.1, 0, 0.1], [0.3, 0, -0.3]]])
    assert found.base.tolist() == [-0.5, NEVER, 0.5]
    odds = softmax(found.values.sum(axis=1) + found.base)
    np.testing.assert_allclose(odds, [[1 / (1 + np.exp(0.6)), 0, 1 / (1 + np.exp(-0.6))]], atol=1e-300)


def test_softmax_does_not_overflow() -> None:
    np.testing.assert_allclose(softmax(np.array([[1000.0, 1000.0, -1000.0]])), [[0.5, 0.5, 0.0]])
