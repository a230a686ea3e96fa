"""Model inputs in, best parameters out: every trial sees only rows before the first test fold."""

from collections.abc import Iterable

from kedro.pipeline import Pipeline, node

from assay.market.workload import Head, Workload
from assay.pipelines.placing import bind, place, total
from assay.pipelines.tuning import nodes


def _search(model: str) -> Pipeline:
    inputs = ["model_input", "plan", "studies", "params:models.{0}.{1}"]
    return Pipeline([node(bind(nodes.search, model=model), inputs, "trials", name="search")])


def _collect(head: Head) -> Pipeline:
    trials = {model: f"{model}/trials" for model in head.models}
    return Pipeline([node(nodes.collect, trials, ["best_params", "inner_trials"], name="collect")])


def create_pipeline(workloads: Iterable[Workload]) -> Pipeline:
    """Per head: ``model_input``, ``plan`` -> ``best_params``, ``inner_trials``."""
    stage = "tuning"
    return total(
        total(place(_search(m), stage, w.name, h.name, m) for m in h.models) + place(_collect(h), stage, w.name, h.name)
        for w in workloads
        for h in w.heads
    )
