"""The stage ``leak_audit``: what it reads, and that it audits the features as they were engineered."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from assay.market.audit import AuditRule
from assay.market.features import FeatureRule, engineer
from assay.market.workload import Head, Workload
from assay.pipelines.leak_audit import create_pipeline, nodes

HEADS = (Head("signal", "classification", models=("ridge",), baselines=()),)
TOY = Workload("toy", HEADS, ingestion=lambda: None, feeds=("tides",))
RULE = FeatureRule(families=("candle", "momentum"))


def known(bars: int = 400) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, bars)))
    panel = pl.DataFrame(
        {
            "entity": "A",
            "time": [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=bar) for bar in range(bars)],
            **dict.fromkeys(("open", "close"), close),
            "high": close * 1.01,
            "low": close * 0.99,
            "volume": np.ones(bars),
            "jump": False,
        }
    ).with_columns(pl.col("time").cast(pl.Datetime("us", "UTC")))
    features, catalogue = engineer(panel, RULE)
    labels = panel.select(
        "entity", "time", label_end=pl.col("time").shift(-2), forward_return=pl.col("close").shift(-2)
    )
    return {"panel": panel, "features": features, "catalogue": catalogue, "tides": pl.DataFrame(), "signal": labels}


def test_the_audit_reads_panel_features_feeds_and_labels() -> None:
    pipeline = create_pipeline([TOY])
    assert pipeline.inputs() == {
        *("params:toy.features", "params:toy.leak_audit"),
        *("toy.panel", "toy.features", "toy.feature_catalogue", "toy.tides", "toy.signal.labels"),
    }
    assert pipeline.all_outputs() == {"toy.audit"}
    assert [node.name for node in pipeline.nodes] == ["toy.leak_audit.audit"]


def test_the_features_as_they_were_stored_are_audited() -> None:
    given, rule = known(), AuditRule(cuts=3, passes=3, perturbations=1)
    document = nodes.audit(RULE, rule, workload=TOY, **given)
    outcomes = {test["id"]: test["outcome"] for test in document["tests"]}
    names = [feature["name"] for feature in given["catalogue"]["features"]]
    assert [feature["name"] for feature in document["features"]] == names
    assert {outcomes[test] for test in ("A0", "A1", "A2", "A3", "L", "A6", "A12")} == {"pass"}
    shifted = given | {"features": given["features"].with_columns(pl.col(names[0]).shift(1))}
    found = nodes.audit(RULE, rule, workload=TOY, **shifted)
    assert [feature["name"] for feature in found["features"] if feature["verdict"] == "FAIL"] == names[:1]
