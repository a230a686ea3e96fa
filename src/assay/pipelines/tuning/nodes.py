"""Nodes of the stage ``tuning``."""

from dataclasses import asdict
from time import monotonic
from typing import Any

import polars as pl

from assay.console import track
from assay.market.models import ModelParams
from assay.market.plan import Plan
from assay.market.tuning import TuningResult, collect_trials, tune

Document = dict[str, Any]


def search(
    model_input: pl.DataFrame,
    plan: Document,
    studies: Any,  # noqa: ANN401  an Optuna storage; naming its type would import Optuna with every command
    params: ModelParams,
    *,
    model: str,
) -> Document:
    """Trials of one model and the best of them; none of one that is left out."""
    fixed = Plan.model_validate(plan)
    if fixed.left_out(model, params):
        return asdict(TuningResult({}, []))
    features, labels = fixed.open(model_input)
    return asdict(
        tune(features, labels, fixed.receipts, plan=fixed.search(params, studies, clock=monotonic), track=track)
    )


def collect(**trials: Document) -> tuple[Document, list[Document]]:
    """Best values by model with the trials they came from, and all trials of the head for the ledger."""
    return collect_trials(trials)
