"""Nodes of the stage ``selection``."""

from typing import Any

import polars as pl

from assay.console import track
from assay.market.audit import admit
from assay.market.plan import Plan, choose_features
from assay.market.prepared import split_input

Document = dict[str, Any]


def choose(model_input: pl.DataFrame, draft: Document, audit: Document) -> Document:
    """The plan with the features of every training part; stops where the leak audit does not let features through."""
    admit(audit)
    features, labels = split_input(model_input)
    return choose_features(features, labels, Plan.model_validate(draft), track=track).model_dump(mode="json")
