"""Models of the folds and their test rows in, SHAP values out."""

from collections.abc import Iterable

from kedro.pipeline import Pipeline, node

from assay.market.workload import Workload
from assay.pipelines.explanation import nodes
from assay.pipelines.placing import place, total


def _explain() -> Pipeline:
    inputs = ["model_input", "plan", "fold_shelf", "params:explanation"]
    return Pipeline([node(nodes.explain, inputs, ["shap_values", "explanation"], name="explain")])


def create_pipeline(workloads: Iterable[Workload]) -> Pipeline:
    """Per head: ``model_input``, ``plan``, ``fold_shelf`` -> ``shap_values``, ``explanation``."""
    return total(place(_explain(), "explanation", w.name, h.name) for w in workloads for h in w.heads)
