"""A head on a synthetic market, with the fold models of a few small families."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import polars as pl
import pytest

from assay.market.left_out import bundle_of_none
from assay.market.models import Files, ModelParams
from assay.market.plan import Learning, Plan, choose_features, make_plan
from assay.market.prepared import assemble
from assay.market.selection import SelectionRule
from assay.market.splits import SplitRule
from assay.market.walk_forward import validate
from assay.market.workload import Head, Kind

MODELS: dict[Kind, dict[str, dict[str, Any]]] = {
    "classification": {
        "xgboost": {"kind": "xgboost", "n_estimators": 12, "max_depth": 3, "threads": 1},
        "lightgbm": {"kind": "lightgbm", "n_estimators": 12, "num_leaves": 6, "threads": 1},
        "forest": {"kind": "random_forest", "n_estimators": 5, "max_samples": 0.5, "min_samples_leaf": 5, "threads": 1},
        "logistic": {"kind": "logistic"},
        "class_prior": {"kind": "class_prior"},
    },
    "regression": {
        "xgboost": {"kind": "xgboost", "n_estimators": 12, "max_depth": 3, "threads": 1},
        "ridge": {"kind": "ridge"},
        "zero": {"kind": "zero"},
    },
}
REASON = "the package torch is not installed; `make torch` installs it"


@dataclass(frozen=True)
class Fitted:
    """A head after its walk-forward test."""

    model_input: pl.DataFrame
    plan: Plan
    fold_models: dict[str, Files]
    predictions: dict[str, pl.DataFrame]


@pytest.fixture(scope="session")
def fitted(toy_market: Any) -> Callable[[Kind], Fitted]:
    """Fit the models of a kind of head; three folds, four of the features in each."""
    done: dict[Kind, Fitted] = {}

    def make(kind: Kind) -> Fitted:
        if kind not in done:
            done[kind] = _fit(kind, *toy_market(bars=240, entities=3))
        return done[kind]

    return make


def _fit(kind: Kind, features: pl.DataFrame, labels: pl.DataFrame) -> Fitted:
    learning = Learning(splits=SplitRule(folds=3), selection=SelectionRule(methods=("univariate",), features=4))
    head = Head("signal", kind, models=tuple(MODELS[kind]), baselines=())
    manifest = {"horizon": 3, "execution": {"price": "close", "delay": 1}, "absent": None}
    plan = choose_features(features, labels, make_plan(head, labels, manifest, "set-1", learning))
    found = {
        name: validate(features, labels, plan.folds(), plan=plan.recipe(ModelParams.model_validate(params), {}))
        for name, params in MODELS[kind].items()
    }
    files: dict[str, Files] = {name: files for name, (_, files) in found.items()}
    files["lstm"] = bundle_of_none(REASON)
    return Fitted(assemble(features, labels), plan, files, {name: table for name, (table, _) in found.items()})
