"""Nodes of the stage ``training``."""

from typing import Any

import polars as pl

from assay.market.bundles import index_bundles
from assay.market.left_out import bundle_of_none, shelve
from assay.market.models import ModelParams
from assay.market.plan import Plan
from assay.market.recipe import fit_recipe

Document = dict[str, Any]
Files = dict[str, bytes]


def fit(model_input: pl.DataFrame, plan: Document, best: Document, params: ModelParams, *, model: str) -> Files:
    """The bundle of one model, fitted on all labelled rows; the reason of one that is left out."""
    fixed = Plan.model_validate(plan)
    if reason := fixed.left_out(model, params):
        return bundle_of_none(reason)
    recipe = fixed.recipe(params, best.get(model, {}))
    return fit_recipe(*fixed.open(model_input), recipe, selection=fixed.selection("all")).dump()


def index(**bundles: Files) -> tuple[list[Document], Files]:
    """What is in every bundle, and all of them in one."""
    return index_bundles(bundles), shelve(bundles)
