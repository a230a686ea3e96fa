"""Refits every recipe on all labelled rows and bundles it; publishes no score of its own."""

from collections.abc import Iterable

from kedro.pipeline import Pipeline, node

from assay.market.workload import Head, Workload
from assay.pipelines.placing import bind, place, total
from assay.pipelines.training import nodes


def _fit(model: str) -> Pipeline:
    inputs = ["model_input", "plan", "best_params", "params:models.{0}.{1}"]
    return Pipeline([node(bind(nodes.fit, model=model), inputs, "model", name="fit")])


def _index(head: Head) -> Pipeline:
    bundles = {model: f"{model}/model" for model in head.contenders}
    return Pipeline([node(nodes.index, bundles, ["model_index", "shelf"], name="index")])


def create_pipeline(workloads: Iterable[Workload]) -> Pipeline:
    """Per head: ``model_input``, ``plan``, ``best_params`` -> ``model_index``, ``shelf``."""
    stage = "training"
    return total(
        total(place(_fit(m), stage, w.name, h.name, m) for m in h.contenders) + place(_index(h), stage, w.name, h.name)
        for w in workloads
        for h in w.heads
    )
