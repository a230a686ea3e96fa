"""Nodes of the stage ``training``."""

from typing import Any

import polars as pl

from assay.market.bundles import crown_bundle, index_bundles
from assay.market.ensembles.decider import Stock
from assay.market.left_out import bundle_of_none
from assay.market.models import ModelParams
from assay.market.plan import Plan
from assay.market.recipe import fit_recipe
from assay.market.verdict import Primary

Document = dict[str, Any]
Files = dict[str, bytes]


def fit(model_input: pl.DataFrame, plan: Document, best: Document, params: ModelParams, *, model: str) -> Files:
    """The bundle of one model, fitted on all labelled rows; the reason of one that is left out."""
    fixed = Plan.model_validate(plan)
    if reason := fixed.left_out(model, params):
        return bundle_of_none(reason)
    recipe = fixed.recipe(params, best.get(model, {}))
    return fit_recipe(*fixed.open(model_input), recipe, selection=fixed.selection("all")).dump()


def index(**bundles: Files) -> list[Document]:
    """What is in every bundle."""
    return index_bundles(bundles)


def crown(
    primary: Primary, ensembles: Document, second_stages: Files, calibration: Document, *, head: str, **bundles: Files
) -> Files:
    """What the declared primary lets decide in a head, a model or an ensemble, with its name on it."""
    return crown_bundle(primary.decides(head), Stock(bundles, ensembles, second_stages), calibration)
