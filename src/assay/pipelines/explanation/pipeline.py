"""Models of the folds and their test rows in, SHAP values out."""

from collections.abc import Iterable

from kedro.pipeline import Pipeline, node

from assay.market.workload import Head, Workload
from assay.pipelines.explanation import nodes
from assay.pipelines.placing import place, total


def _explain(head: Head) -> Pipeline:
    fixed = {"model_input": "model_input", "plan": "plan", "params": "params:explanation"}
    fold_models = {model: f"{model}/fold_models" for model in head.contenders}
    return Pipeline([node(nodes.explain, fixed | fold_models, ["shap_values", "explanation"], name="explain")])


def create_pipeline(workloads: Iterable[Workload]) -> Pipeline:
    """Per head: ``model_input``, ``plan``, ``fold_models`` of every model -> ``shap_values``, ``explanation``."""
    return total(place(_explain(h), "explanation", w.name, h.name) for w in workloads for h in w.heads)
