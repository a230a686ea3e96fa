"""Nodes of the stage ``predict``."""

from typing import Any

import polars as pl

from assay.market import decisions
from assay.market.bundles import crown_bundle, open_champions
from assay.market.decisions import Live, PredictRule
from assay.market.ensembles.decider import Stock
from assay.market.evaluation import out_of_sample_scores
from assay.market.execution import Execution
from assay.market.features import FeatureRule
from assay.market.labels import LabelRule
from assay.market.left_out import unshelve
from assay.market.primary import Primary

Document = dict[str, Any]
Files = dict[str, bytes]


def crown(primary: Primary, shelf: Files, oos: pl.DataFrame, *, head: str, **made: Any) -> Files:  # noqa: ANN401
    """What the declared primary lets decide in a head, a model or an ensemble, with its name and score on it."""
    name, calibration = primary.decides(head), made["calibration"]
    scores = out_of_sample_scores(oos, name, kind=calibration["kind"])
    stock = Stock(unshelve(shelf), made["ensembles"], made["second_stages"])
    return crown_bundle(name, stock, calibration, scores=scores)


def serve(panel: pl.DataFrame, catalogue: Document, rule: FeatureRule, params: PredictRule) -> pl.DataFrame:
    """Features of the newest timestamps, by the serving path."""
    return decisions.live_features(panel, rule, catalogue, timestamps=params.replay)


def measure(panel: pl.DataFrame, rule: LabelRule, execution: Execution) -> pl.DataFrame:
    """The standard deviation that is expected for the outcome of each decision, by the serving path."""
    return decisions.live_scale(panel, rule, execution=execution)


def decide(
    live: pl.DataFrame, features: pl.DataFrame, scale: pl.DataFrame, catalogue: Document, **champions: Files
) -> tuple[pl.DataFrame, pl.DataFrame, Document]:
    """Decisions for the newest bars, as a table and as a CSV for people, and what they were made by."""
    opened = open_champions(feature_set_id=catalogue["feature_set_id"], **champions)
    decided, told = decisions.decide(Live(live, features, scale), opened)
    return decided, decided, told


def replay(live: pl.DataFrame, features: pl.DataFrame, catalogue: Document, **champions: Files) -> Document:
    """Whether serving gave what the batch gives."""
    opened = open_champions(feature_set_id=catalogue["feature_set_id"], **champions)
    return decisions.replay(live, features, opened)
