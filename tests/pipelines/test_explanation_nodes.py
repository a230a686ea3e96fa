"""The stage ``explanation``: its documents are those of the domain, and every model of a head is asked."""

from typing import Any

import polars as pl
import pytest

from assay.market.explanation import ExplanationRule, Explanations, rank_features
from assay.market.explanation.folds import SHAP_VALUES, Accounts
from assay.market.left_out import shelve
from assay.market.plan import Learning, Plan
from assay.market.workload import Head, Workload
from assay.pipelines.explanation import create_pipeline, nodes

PLAN = Plan(
    head="signal",
    kind="classification",
    roles={"xgboost": "model"},
    horizon=1,
    execution={"price": "close", "delay": 1},  # type: ignore[arg-type]
    feature_set_id="set-1",
    receipts=(),
    learning=Learning(),
)


def test_the_node_hands_on_table_and_document(monkeypatch: pytest.MonkeyPatch) -> None:
    row = ("xgboost", 1, "E", 0, "a", 1.0, 2.0)
    table = pl.DataFrame([row], schema=list(SHAP_VALUES), orient="row").cast(SHAP_VALUES)  # type: ignore[arg-type]
    found = Explanations(table, {"xgboost": Accounts("return", 0.0)}, {})
    asked: dict[str, Any] = {}

    def explain_folds(model_input: pl.DataFrame, plan: Plan, **how: Any) -> Explanations:
        asked.update(how, model_input=model_input, plan=plan)
        return found

    monkeypatch.setattr(nodes, "explain_folds", explain_folds)
    rule, bundle = ExplanationRule(rows=5), {"fold_1/recipe.json": b"{}"}
    out = nodes.explain(table, PLAN.model_dump(mode="json"), shelve({"xgboost": bundle}), rule)
    assert out[0] is table
    assert out[1] == rank_features(found, rule)
    assert (asked["plan"], asked["rule"], asked["fold_models"]) == (PLAN, rule, {"xgboost": bundle})


def test_the_models_of_all_folds_are_explained_on_the_prepared_dataset() -> None:
    head = Head("signal", "classification", models=("xgboost",), baselines=("logistic",))
    workload = Workload("desk", (head,), ingestion=lambda: None)
    (stage,) = create_pipeline([workload]).nodes
    assert stage.name == "desk.explanation.signal.explain"
    assert set(stage.inputs) == {
        "desk.signal.model_input",
        "desk.signal.plan",
        "params:desk.explanation",
        "desk.signal.fold_shelf",
    }
    assert stage.outputs == ["desk.signal.shap_values", "desk.signal.explanation"]
