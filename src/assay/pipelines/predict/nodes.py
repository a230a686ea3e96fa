"""Nodes of the stage ``predict``."""

from typing import Any

import polars as pl

from assay.market import decisions
from assay.market.bundles import open_champions
from assay.market.decisions import PredictRule
from assay.market.features import FeatureRule

Document = dict[str, Any]
Files = dict[str, bytes]


def serve(panel: pl.DataFrame, catalogue: Document, rule: FeatureRule, params: PredictRule) -> pl.DataFrame:
    """Features of the newest timestamps, by the serving path."""
    return decisions.live_features(panel, rule, catalogue, timestamps=params.replay)


def decide(
    live: pl.DataFrame, catalogue: Document, oos: pl.DataFrame, params: PredictRule, **champions: Files
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Decisions for the newest bars, as a table and as a CSV for people."""
    opened = open_champions(feature_set_id=catalogue["feature_set_id"], **champions)
    decided = decisions.decide(live, opened, oos, coverage=params.coverage)
    return decided, decided


def replay(live: pl.DataFrame, features: pl.DataFrame, catalogue: Document, **champions: Files) -> Document:
    """Whether serving gave what the batch gives."""
    opened = open_champions(feature_set_id=catalogue["feature_set_id"], **champions)
    return decisions.replay(live, features, opened)
