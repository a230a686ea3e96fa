"""Nodes of the stage ``feature_engineering``."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from assay.market import prepared
from assay.market.execution import Execution
from assay.market.features import FeatureRule, FeatureTable, Partition, engineer_parts
from assay.market.labels import LabelRule, check_tradable, make_labels
from assay.market.plan import Learning, make_plan
from assay.market.splits import first_test_time
from assay.market.workload import Head

Document = dict[str, Any]


def engineer(
    panel: pl.DataFrame, stored: Mapping[str, Partition], params: FeatureRule
) -> tuple[FeatureTable, Document]:
    """Features of every panel row, computed where no part of them is stored, and their catalogue."""
    return engineer_parts(panel, params, stored)


def label(
    panel: pl.DataFrame, params: LabelRule, execution: Execution, learning: Learning
) -> tuple[pl.DataFrame, Document]:
    """Labels of one head, and what became of every row."""
    return make_labels(panel, params, execution=execution, before=first_test_time(panel["time"], learning.splits))


def plan(labels: pl.DataFrame, manifest: Document, catalogue: Document, params: Learning, *, head: Head) -> Document:
    """Everything that is fixed before the first fit, but for the selection of features."""
    if head.traded:
        check_tradable(manifest)
    return make_plan(head, labels, manifest, catalogue["feature_set_id"], params).model_dump(mode="json")


def assemble(feature_table: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    """The prepared dataset: labels and features side by side, one row per decision."""
    return prepared.assemble(feature_table, labels)
