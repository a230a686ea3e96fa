"""Nodes of the stage ``feature_engineering``."""

from typing import Any

import polars as pl

from assay.market import features, prepared
from assay.market.execution import Execution
from assay.market.features import FeatureRule
from assay.market.labels import LabelRule, make_labels
from assay.market.plan import Learning, make_plan
from assay.market.workload import Head

Document = dict[str, Any]


def engineer(panel: pl.DataFrame, params: FeatureRule) -> tuple[pl.DataFrame, Document]:
    """Features of every panel row, and their catalogue."""
    return features.engineer(panel, params)


def label(bars: pl.DataFrame, params: LabelRule, execution: Execution) -> tuple[pl.DataFrame, Document]:
    """Labels of one head, and what became of every row."""
    return make_labels(bars, params, execution=execution)


def plan(labels: pl.DataFrame, manifest: Document, catalogue: Document, params: Learning, *, head: Head) -> Document:
    """Everything that is fixed before the first fit."""
    return make_plan(head, labels, manifest, catalogue["feature_set_id"], params).model_dump(mode="json")


def assemble(feature_table: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    """The prepared dataset: labels and features side by side, one row per decision."""
    return prepared.assemble(feature_table, labels)
