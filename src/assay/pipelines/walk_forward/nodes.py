"""Nodes of the stage ``walk_forward``."""

from typing import Any

import polars as pl

from assay.console import track
from assay.market import left_out, seeds, walk_forward
from assay.market.ensembles import EnsembleRules
from assay.market.evaluation import EvaluationRule
from assay.market.models import ModelParams
from assay.market.plan import Plan
from assay.market.primary import Primary
from assay.market.seeds import Walked
from assay.market.tables import stack_by_model

Document = dict[str, Any]
Files = dict[str, bytes]


def validate(
    model_input: pl.DataFrame, plan: Document, best: Document, params: ModelParams, *, model: str
) -> tuple[pl.DataFrame, Files]:
    """Out-of-sample predictions of one model, and the models of its folds with their receipts."""
    fixed = Plan.model_validate(plan)
    if reason := fixed.left_out(model, params):
        return walk_forward.no_predictions(fixed.kind), left_out.bundle_of_none(reason)
    features, labels = fixed.open(model_input)
    recipe = fixed.recipe(params, best.get(model, {}))
    return walk_forward.validate(features, labels, fixed.folds(), plan=recipe, track=track)


def reseed(
    model_input: pl.DataFrame,
    plan: Document,
    primary: Primary,
    judged: EvaluationRule,
    ensembles: EnsembleRules,
    **walked: Any,  # noqa: ANN401
) -> Document:
    """How far the declared primary depends on the seed; nothing where it is about another head."""
    fixed, fold_models = Plan.model_validate(plan), left_out.unshelve(walked["fold_shelf"])
    test = Walked(walked["raw_oos"], fold_models, ensembles, judged.common_from_fold)
    return seeds.reseed(model_input, fixed, test, primary=primary, count=fixed.learning.seeds)


def collect(**predictions: pl.DataFrame) -> pl.DataFrame:
    """All out-of-sample predictions of a head, one model after the other."""
    return stack_by_model(predictions)


def shelve(**fold_models: Files) -> Files:
    """The models of the folds of a head, in one."""
    return left_out.shelve(fold_models)


def tell_left_out(**fold_models: Files) -> dict[str, str]:
    """Why models take part in no fit of this run."""
    return left_out.reasons(fold_models)


def rank_features(**fold_models: Files) -> pl.DataFrame:
    """Importance of each feature in each fold of each model."""
    return walk_forward.rank_features(fold_models)


def collect_fits(**fold_models: Files) -> list[Document]:
    """How far every fit of every fold of every model saw."""
    return walk_forward.collect_fits(fold_models)
