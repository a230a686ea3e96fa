"""Nodes of the stage ``training``."""

from typing import Any

import polars as pl

from assay.market.bundles import crown_bundle, index_bundles
from assay.market.models import ModelParams
from assay.market.plan import Plan
from assay.market.recipe import fit_recipe
from assay.market.verdict import Primary

Document = dict[str, Any]
Files = dict[str, bytes]


def fit(model_input: pl.DataFrame, plan: Document, best: Document, params: ModelParams, *, model: str) -> Files:
    """The bundle of one model, fitted on all labelled rows."""
    fixed = Plan.model_validate(plan)
    recipe = fixed.recipe(params, best.get(model, {}))
    return fit_recipe(*fixed.open(model_input), recipe, selection=fixed.selection("all")).dump()


def index(**bundles: Files) -> list[Document]:
    """What is in every bundle."""
    return index_bundles(bundles)


def crown(primary: Primary, **bundles: Files) -> Files:
    """The bundle that the declared primary names, with its name on it."""
    return crown_bundle(bundles, primary.model)
