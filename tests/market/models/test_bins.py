"""Binned rows that are used again: the same fits to the last bit, made once, and never for other rows."""

import copy
import pickle
import weakref
from typing import Any

import numpy as np
import pytest

from assay.market.models import Bins, ModelParams, ModelRule, build
from assay.market.models.xgboost import XGBoostModel
from assay.market.workload import Kind

FEW: dict[str, dict[str, Any]] = {
    "xgboost": {"n_estimators": 15, "threads": 1},
    "lightgbm": {"n_estimators": 15, "threads": 1},
    "catboost": {"iterations": 15, "threads": 1},
}
TRIALS: dict[str, list[dict[str, Any]]] = {
    "xgboost": [{}, {"max_depth": 2, "min_child_weight": 90}, {"max_bin": 7}, {"subsample": 0.4}],
    "lightgbm": [{}, {"min_child_samples": 200, "num_leaves": 5}, {"min_child_samples": 5}, {"max_bin": 7}],
    "catboost": [{}, {"depth": 2, "learning_rate": 0.3}, {"border_count": 7}, {"rsm": 1.0}],
}
KINDS: tuple[Kind, ...] = ("regression", "classification", "binary")


def params(family: str, **changes: Any) -> ModelRule:
    rule = ModelParams.model_validate({"kind": family} | FEW[family] | changes).root
    if missing := rule.missing():
        pytest.skip(missing)
    return rule


def part(kind: Kind, seed: int = 0, n: int = 500) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 5)).astype(np.float32)
    X[:, 4] = np.arange(n) == 7  # hardly ever another value
    y = 0.7 * X[:, 1] + 0.7 * rng.standard_normal(n)
    classes = {"classification": np.where(np.abs(y) > 0.5, np.sign(y), 0), "binary": y > 0}
    return X, classes[kind].astype(np.int8) if kind in classes else y


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", TRIALS)
@pytest.mark.parametrize("with_tail", [True, False])
def test_fits_on_kept_bins_are_the_same_to_the_last_bit(family: str, kind: Kind, with_tail: bool) -> None:
    (X, y), tail = part(kind), part(kind, seed=1, n=150) if with_tail else None
    weight, bins = np.random.default_rng(2).uniform(0.5, 1.5, 500), Bins()
    for changes in [*TRIALS[family], {}]:
        files = []
        for kept in (bins, None):
            model = build(params(family, **changes), kind, seed=3, bins=kept)
            model.fit(X, y, tail, weight=weight)
            files.append(model.dump())
        assert files[0] == files[1]


@pytest.mark.parametrize(
    ("family", "name"), [("xgboost", "max_bin"), ("lightgbm", "max_bin"), ("catboost", "border_count")]
)
def test_rows_are_binned_once_for_trials_that_share_the_number_of_bins(
    family: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    once = Bins.once

    def counted(self: Bins, library: str, settings: Any, *, of: Any, make: Any) -> Any:
        return once(self, library, settings, of=of, make=lambda: made.append(library) or make())

    monkeypatch.setattr(Bins, "once", counted)
    (X, y), bins = part("regression"), Bins()
    for value in (64, 64, 32, 32, 64):
        build(params(family, **{name: value}), "regression", seed=0, bins=bins).fit(X, y)
    assert len(made) == 3  # of each library only the newest form is kept
    build(params(family, **{name: 64}), "regression", seed=0, bins=bins).fit(X.copy(), y)
    assert len(made) == 4
    build(params(family, **{name: 64}), "regression", seed=0).fit(X, y)
    assert len(made) == 4


@pytest.mark.parametrize("place", [0, 1, 2])
def test_equal_rows_in_another_place_are_other_rows(place: int) -> None:
    bins, rows = Bins(), [np.zeros(3), np.ones(3), None]
    first = bins.once("library", 5, of=tuple(rows), make=object)
    assert bins.once("library", 5, of=tuple(rows), make=object) is first
    rows[place] = np.zeros(3)
    assert bins.once("library", 5, of=tuple(rows), make=object) is not first


def test_libraries_do_not_push_each_other_out() -> None:
    bins = Bins()
    first = bins.once("one", 5, of=(), make=object)
    bins.once("two", 5, of=(), make=object)
    assert bins.once("one", 5, of=(), make=object) is first
    assert bins.once("one", 6, of=(), make=object) is not first


def test_bins_stay_behind_when_they_are_copied_to_another_process() -> None:
    bins = Bins()
    build(params("xgboost"), "regression", seed=0, bins=bins).fit(*part("regression"))
    for again in (pickle.loads(pickle.dumps(bins)), copy.deepcopy(bins)):  # noqa: S301  our own bytes
        made = again.once("XGBoostModel", 256, of=(), make=lambda: "made anew")
        assert made == "made anew"


def test_a_fitted_model_does_not_keep_the_rows_alive() -> None:
    bins, (X, y) = Bins(), part("regression")
    model = build(params("xgboost"), "regression", seed=0, bins=bins)
    assert isinstance(model, XGBoostModel)
    model.fit(X, y)
    there = weakref.ref(bins)
    del bins
    assert there() is None
    model.predict(X)
