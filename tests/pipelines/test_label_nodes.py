"""The label node hands the first test time on, and the plan node refuses what cannot be traded."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from assay.market.errors import ConfigurationError
from assay.market.execution import Execution
from assay.market.labels import LabelRule, make_labels
from assay.market.plan import Learning
from assay.market.splits import SplitRule, first_test_time
from assay.market.workload import Head
from assay.pipelines.feature_engineering import nodes

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
HEAD = Head("interest", "regression", models=("ridge",), baselines=("zero",))


def panel(rows: int = 300) -> pl.DataFrame:
    steps = np.random.default_rng(0).standard_normal((2, rows)).cumsum(axis=1)
    return pl.DataFrame(
        {
            "entity": ["E"] * rows,
            "time": [START + HOUR * t for t in range(rows)],
            "close": 100 * np.exp(0.01 * steps[0]),
            "interest": 1000 * np.exp(0.01 * steps[1]),
            "jump": [False] * rows,
        },
        schema_overrides={"time": pl.Datetime("us", "UTC")},
    )


def rule(**changes: Any) -> LabelRule:
    return LabelRule(**({"kind": "fixed_horizon", "horizon": 3, "max_gap": 2 * HOUR} | changes))


@pytest.mark.parametrize("min_train", [0.4, 0.6])
def test_a_threshold_is_estimated_before_the_first_test_fold(min_train: float) -> None:
    learning = Learning(splits=SplitRule(folds=2, min_train=min_train))
    _, manifest = nodes.label(panel(), rule(neutral_share=0.4), Execution(), learning)
    first = first_test_time(panel()["time"], learning.splits)
    assert first - HOUR == datetime.fromisoformat(manifest["threshold_seen"])


def test_the_label_node_makes_the_labels_of_its_rule() -> None:
    labels, manifest = nodes.label(panel(), rule(), Execution(delay=2), Learning())
    again, told = make_labels(panel(), rule(), execution=Execution(delay=2))
    assert labels.equals(again)
    assert manifest == told


def test_a_head_that_cannot_be_traded_gets_no_plan() -> None:
    labels, manifest = nodes.label(panel(), rule(kind="forecast", target="interest"), Execution(), Learning())
    with pytest.raises(ConfigurationError, match="labels of interest"):
        nodes.plan(labels, manifest, {"feature_set_id": "set"}, Learning(), head=HEAD)
