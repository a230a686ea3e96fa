"""Nodes of the stage ``tuning``."""

from dataclasses import asdict
from typing import Any

import polars as pl

from assay.console import track
from assay.market.models import ModelParams
from assay.market.plan import Plan
from assay.market.prepared import split_input
from assay.market.tuning import TuningPlan, tune

Document = dict[str, Any]


def search(
    model_input: pl.DataFrame,
    plan: Document,
    studies: Any,  # noqa: ANN401  an Optuna storage; naming its type would import Optuna with every command
    params: ModelParams,
) -> Document:
    """Trials of one model and the best of them."""
    fixed = Plan.model_validate(plan)
    features, labels = split_input(model_input)
    what = TuningPlan(recipe=fixed.recipe(params, {}), budget=fixed.learning.tuning, storage=studies)
    return asdict(tune(features, labels, fixed.receipts, plan=what, track=track))


def collect(**trials: Document) -> tuple[Document, list[Document]]:
    """Best values by model with the trials they came from, and all trials of the head for the ledger."""
    best = {
        model: {"values": found["best"], "trials": [trial["id"] for trial in found["trials"]]}
        for model, found in trials.items()
    }
    return best, [
        {"model": model, "scope": "inner", **trial} for model, found in trials.items() for trial in found["trials"]
    ]
