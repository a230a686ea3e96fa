"""The stage ``selection``: the audit is asked first, and the plan gains its selections."""

from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from assay.market.errors import AssayError
from assay.market.plan import Learning, Plan, choose_features, make_plan
from assay.market.prepared import assemble, split_input
from assay.market.selection import SelectionRule
from assay.market.splits import SplitRule
from assay.market.tables import TIME
from assay.market.workload import Head
from assay.pipelines.selection import nodes


@pytest.fixture
def prepared() -> tuple[pl.DataFrame, Plan]:
    """Four hundred hours of one entity: ``useful`` is the outcome with noise."""
    rng = np.random.default_rng(0)
    outcome, noise, other = rng.standard_normal((3, 400))
    key = pl.DataFrame({"entity": "A", "time": pl.Series(range(400)) * 3_600_000_000}).with_columns(
        pl.col("time").cast(TIME)
    )
    labels = key.select(
        *("entity", "time"),
        (pl.col("time") + timedelta(hours=1)).alias("start"),
        (pl.col("time") + timedelta(hours=2)).alias("label_end"),
        pl.Series("forward_return", outcome),
        pl.lit(1.0).alias("scale"),
        pl.Series("label", np.sign(outcome), dtype=pl.Int8),
    )
    features = key.with_columns(pl.Series("useful", outcome + noise), pl.Series("noise", other))
    learning = Learning(splits=SplitRule(folds=2), selection=SelectionRule(methods=("univariate",), features=1))
    head = Head("signal", "classification", models=("logistic",), baselines=())
    manifest = {"horizon": 1, "execution": {"price": "close", "delay": 1}, "absent": None}
    return assemble(features, labels), make_plan(head, labels, manifest, "set-1", learning)


def test_the_plan_gains_its_selections(prepared: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model_input, draft = prepared
    asked: list[Any] = []
    monkeypatch.setattr(nodes, "admit", asked.append)
    audit = {"verdict": "NONE FOUND"}
    plan = nodes.choose(model_input, draft.model_dump(mode="json"), audit)
    assert plan == choose_features(*split_input(model_input), draft).model_dump(mode="json")
    assert list(plan["selections"]) == ["all", "fold 1", "fold 2", "inner 1", "inner 2"]
    assert {selection["kept"][0] for selection in plan["selections"].values()} == {"useful"}
    assert asked == [audit]


def test_an_audit_that_refuses_stops_before_anything_is_chosen(prepared: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model_input, draft = prepared

    def refuse(_: Any) -> None:
        raise AssayError("leak audit", "found a leak")

    def choose(*_: Any, **__: Any) -> None:
        raise AssertionError("something was chosen")

    monkeypatch.setattr(nodes, "admit", refuse)
    monkeypatch.setattr(nodes, "choose_features", choose)
    with pytest.raises(AssayError, match="found a leak"):
        nodes.choose(model_input, draft.model_dump(mode="json"), {})
