"""Nodes of the stage ``explanation``."""

from typing import Any

import polars as pl

from assay.console import track
from assay.market.explanation import ExplanationRule, explain_folds, rank_features
from assay.market.left_out import unshelve
from assay.market.plan import Plan

Document = dict[str, Any]
Files = dict[str, bytes]


def explain(
    model_input: pl.DataFrame, plan: Document, fold_shelf: Files, params: ExplanationRule
) -> tuple[pl.DataFrame, Document]:
    """SHAP values of every model on rows it had not seen, and its features by their size."""
    fixed = Plan.model_validate(plan)
    found = explain_folds(model_input, fixed, fold_models=unshelve(fold_shelf), rule=params, track=track)
    return found.table, rank_features(found, params)
