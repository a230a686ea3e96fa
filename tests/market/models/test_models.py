"""What every model family promises, and what early stopping and each parameter do."""

from typing import Any

import numpy as np
import pytest
from sklearn import ensemble

from assay.market.errors import BundleError
from assay.market.models import Model, ModelParams, ModelRule, build, restore
from assay.market.workload import Kind

FAST: dict[str, dict[str, Any]] = {
    "xgboost": {"n_estimators": 25, "max_depth": 3, "threads": 1},
    "lightgbm": {"n_estimators": 25, "num_leaves": 6, "threads": 1},
    "catboost": {"iterations": 25, "depth": 3, "threads": 1},
    "hist_gradient_boosting": {"max_iter": 25, "max_leaf_nodes": 6, "threads": 1},
    "random_forest": {"n_estimators": 10, "min_samples_leaf": 5, "max_samples": 0.5, "threads": 1},
    "logistic": {"C": 1.0},
    "ridge": {},
    "class_prior": {},
    "zero": {},
    "drift": {},
    "last_sign": {},
}
NAIVE = ("class_prior", "zero", "drift", "last_sign")
PAIRS: list[tuple[str, Kind]] = [
    (family, kind)
    for family in FAST
    for kind in ("classification", "regression", "binary")
    if kind in ModelParams.model_validate({"kind": family}).root.heads
]
LEARNERS = [(family, kind) for family, kind in PAIRS if family not in NAIVE]
ROUNDS = {
    "xgboost": "n_estimators",
    "lightgbm": "n_estimators",
    "catboost": "iterations",
    "hist_gradient_boosting": "max_iter",
}
BOOSTERS = [(family, kind) for family, kind in PAIRS if family in ROUNDS]

Rows = tuple[np.ndarray, np.ndarray]


def params(family: str, **changes: object) -> ModelRule:
    rule = ModelParams.model_validate({"kind": family} | FAST[family] | changes).root
    if missing := rule.missing():
        pytest.skip(missing)
    return rule


def rows(kind: Kind, n: int = 600, seed: int = 0, skill: float = 0.7) -> Rows:
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 4)).astype(np.float32)
    y = skill * X[:, 1] + np.sqrt(1 - skill**2) * rng.standard_normal(n)
    classes = {"classification": np.where(np.abs(y) > 0.5, np.sign(y), 0), "binary": y > 0.3}
    return X, classes[kind].astype(np.int8) if kind in classes else y


def fitted(family: str, kind: Kind, *, seed: int = 0, **changes: object) -> Model:
    model = build(params(family, **changes), kind, seed=seed)
    model.fit(*rows(kind), rows(kind, 200, seed=1))
    return model


def loss(kind: Kind, out: np.ndarray, y: np.ndarray) -> float:
    if kind == "regression":
        return float(((out - y) ** 2).mean())
    if kind == "binary":
        return float(-np.log(np.where(y == 1, out, 1 - out)).mean())
    return float(-np.log(out[np.arange(len(y)), y.astype(int) + 1]).mean())


@pytest.mark.parametrize(("family", "kind"), PAIRS)
def test_same_rows_and_seed_give_the_same_bytes(family: str, kind: Kind) -> None:
    assert fitted(family, kind).dump() == fitted(family, kind).dump()


@pytest.mark.parametrize(("family", "kind"), PAIRS)
def test_a_reopened_model_predicts_the_same_bits(family: str, kind: Kind) -> None:
    model, X = fitted(family, kind), rows(kind, 100, seed=2)[0]
    again = restore(params(family), kind, model.dump())
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    np.testing.assert_array_equal(again.importance(), model.importance())
    assert again.dump() == model.dump()


@pytest.mark.parametrize(("family", "kind"), PAIRS)
def test_predictions_have_the_promised_shape(family: str, kind: Kind) -> None:
    out = fitted(family, kind).predict(rows(kind, 50)[0])
    assert out.dtype == np.float64
    assert np.isfinite(out).all()
    assert out.shape == ((50, 3) if kind == "classification" else (50,))
    if kind == "binary":
        assert ((out > 0) & (out < 1)).all()
    if kind == "classification":
        np.testing.assert_allclose(out.sum(axis=1), 1, rtol=1e-12)


@pytest.mark.parametrize("missing", [-1, 0, 1])
@pytest.mark.parametrize("family", [family for family, kind in PAIRS if kind == "classification"])
def test_columns_stay_in_place_when_a_class_never_occurs(family: str, missing: int) -> None:
    X, y = rows("classification")
    keep = y != missing
    model = build(params(family), "classification", seed=0)
    model.fit(X[keep], y[keep])
    out = model.predict(X[keep])
    assert out.shape == (keep.sum(), 3)
    if family not in ("drift", "last_sign"):  # it learns no shares
        assert out[:, missing + 1].max() < 0.02
        seen = np.delete(out, missing + 1, axis=1).mean(axis=0)
        shares = np.delete([(y[keep] == label).mean() for label in (-1, 0, 1)], missing + 1)
        np.testing.assert_allclose(seen, shares, atol=0.07)


@pytest.mark.parametrize(("family", "kind"), LEARNERS)
def test_a_planted_signal_is_learned_and_weighs_most(family: str, kind: Kind) -> None:
    X, y = rows(kind, 400, seed=3)
    model, (_, seen) = fitted(family, kind), rows(kind)
    if kind == "classification":
        prior = np.tile([(seen == label).mean() for label in (-1, 0, 1)], (400, 1))
    else:
        prior = np.full(400, seen.mean())
    assert loss(kind, model.predict(X), y) < 0.95 * loss(kind, prior, y)
    weights = model.importance()
    assert weights.shape == (4,)
    assert weights.argmax() == 1
    assert (weights >= 0).all()


@pytest.mark.parametrize(("family", "kind"), BOOSTERS)
def test_early_stopping_listens_to_the_tail(family: str, kind: Kind) -> None:
    X, y = rows(kind)
    kept, changes = {}, {"rsm": 1} if family == "catboost" else {}  # by chance its first trees never see the signal
    for name, skill in (("agrees", 0.7), ("contradicts", -0.7)):
        model = build(params(family, **{ROUNDS[family]: 60}, early_stopping_rounds=5, **changes), kind, seed=0)
        model.fit(X, y, rows(kind, 200, seed=1, skill=skill))
        kept[name] = model.best_iteration or 0
    assert kept["contradicts"] == 1
    assert kept["agrees"] > 5


@pytest.mark.parametrize(("family", "kind"), BOOSTERS)
def test_only_the_best_rounds_predict(family: str, kind: Kind) -> None:
    X, y = rows(kind)
    stopped = build(params(family, **{ROUNDS[family]: 60}, learning_rate=0.2, early_stopping_rounds=5), kind, seed=0)
    stopped.fit(X, y, rows(kind, 200, seed=1))
    assert stopped.best_iteration is not None
    assert stopped.best_iteration < 60
    short = build(params(family, **{ROUNDS[family]: stopped.best_iteration}, learning_rate=0.2), kind, seed=0)
    short.fit(X, y)
    assert short.best_iteration is None
    np.testing.assert_array_equal(stopped.predict(X), short.predict(X))


@pytest.mark.parametrize(("family", "kind"), BOOSTERS)
def test_without_early_stopping_the_tail_changes_nothing(family: str, kind: Kind) -> None:
    X, y = rows(kind)
    outs = []
    for tail in (None, rows(kind, 200, seed=1, skill=-0.7)):
        model = build(params(family, early_stopping_rounds=None), kind, seed=0)
        model.fit(X, y, tail)
        assert model.best_iteration is None
        outs.append(model.predict(X))
    np.testing.assert_array_equal(*outs)


CHANGES: dict[str, dict[str, float]] = {
    "xgboost": {
        "n_estimators": 5,
        "learning_rate": 0.3,
        "max_depth": 1,
        "min_child_weight": 80,
        "subsample": 0.4,
        "colsample_bytree": 0.3,
        "gamma": 30,
        "reg_alpha": 10,
        "reg_lambda": 100,
        "max_bin": 3,
        "early_stopping_rounds": 1,
    },
    "lightgbm": {
        "n_estimators": 5,
        "learning_rate": 0.3,
        "num_leaves": 2,
        "max_depth": 1,
        "min_child_samples": 150,
        "subsample": 0.4,
        "subsample_freq": 3,
        "colsample_bytree": 0.3,
        "reg_alpha": 10,
        "reg_lambda": 100,
        "min_split_gain": 30,
        "max_bin": 3,
        "early_stopping_rounds": 1,
    },
    "catboost": {
        "iterations": 5,
        "learning_rate": 0.3,
        "depth": 1,
        "subsample": 0.4,
        "rsm": 0.3,
        "l2_leaf_reg": 100,
        "random_strength": 30,
        "border_count": 3,
        "early_stopping_rounds": 1,
    },
    "hist_gradient_boosting": {
        "max_iter": 5,
        "learning_rate": 0.3,
        "max_leaf_nodes": 2,
        "max_depth": 1,
        "min_samples_leaf": 150,
        "l2_regularization": 100,
        "max_features": 1.0,
        "max_bins": 3,
        "early_stopping_rounds": 1,
    },
    "random_forest": {
        "n_estimators": 3,
        "max_depth": 1,
        "max_samples": 0.1,
        "max_rows": 100,
        "max_features": 1.0,
        "min_samples_leaf": 80,
    },
    "ridge": {"alpha": 1.0},
    "logistic": {"C": 0.001, "max_iter": 1},
}
UNSTEADY: dict[str, dict[str, Any]] = {  # so that patience matters
    "xgboost": {"learning_rate": 0.3, "subsample": 0.5, "colsample_bytree": 0.3},
    "lightgbm": {"learning_rate": 0.3, "subsample": 0.5, "colsample_bytree": 0.3},
    "catboost": {"learning_rate": 0.3, "subsample": 0.5, "rsm": 0.3},
    "hist_gradient_boosting": {"learning_rate": 0.3, "max_features": 0.3},
}


@pytest.mark.parametrize(
    ("family", "name", "value"),
    [(family, *change) for family, changes in CHANGES.items() for change in changes.items()],
)
@pytest.mark.filterwarnings("ignore:lbfgs failed to converge")
def test_every_parameter_changes_the_model(family: str, name: str, value: float) -> None:
    kind: Kind = "classification" if family == "logistic" else "regression"
    base = UNSTEADY[family] if name == "early_stopping_rounds" else {}
    X = rows(kind, 100, seed=2)[0]
    plain, changed = fitted(family, kind, **base), fitted(family, kind, **(base | {name: value}))
    assert not np.array_equal(plain.predict(X), changed.predict(X))


def test_the_list_of_parameters_is_complete() -> None:
    for family, changes in CHANGES.items():
        assert sorted(changes) == sorted(params(family).tunable())


@pytest.mark.parametrize("family", [*ROUNDS, "random_forest"])
def test_threads_change_speed_only_and_the_seed_changes_the_model(family: str) -> None:
    X = rows("regression", 100, seed=2)[0]
    one = fitted(family, "regression").predict(X)
    np.testing.assert_array_equal(one, fitted(family, "regression", threads=2).predict(X))
    assert not np.array_equal(one, fitted(family, "regression", seed=1).predict(X))


@pytest.mark.parametrize("family", [family for family in FAST if family != "lightgbm"])
def test_a_missing_file_is_named(family: str) -> None:
    kind: Kind = "regression" if "regression" in params(family).heads else "classification"
    with pytest.raises(BundleError, match=r"a file is missing[\s\S]*expected: model\."):
        restore(params(family), kind, {"other": b""})


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_a_forest_draws_its_share_of_few_rows_without_a_warning(kind: Kind) -> None:
    X, y = rows(kind, 60)
    rule = params("random_forest", max_samples=0.1, min_samples_leaf=1)
    model = build(rule, kind, seed=3)
    model.fit(X, y)
    theirs = getattr(
        ensemble, {"classification": "RandomForestClassifier", "regression": "RandomForestRegressor"}[kind]
    )
    settings = rule.model_dump(include={"n_estimators", "max_depth", "max_samples", "max_features", "min_samples_leaf"})
    with pytest.warns(UserWarning, match=r"low number \(6\) of bootstrap samples"):
        forest = theirs(**settings, random_state=3).fit(X, y)
    found = forest.predict_proba(X) if kind == "classification" else forest.predict(X)
    np.testing.assert_array_equal(model.predict(X), found)
