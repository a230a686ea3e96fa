"""Drafts in, plans out: the features of every training part, chosen once for all models of a head."""

from collections.abc import Iterable

from kedro.pipeline import Pipeline, node

from assay.market.workload import Workload
from assay.pipelines.placing import place, total
from assay.pipelines.selection import nodes


def _choose() -> Pipeline:
    return Pipeline([node(nodes.choose, ["model_input", "draft", "audit"], "plan", name="choose")])


def create_pipeline(workloads: Iterable[Workload]) -> Pipeline:
    """Per head: ``model_input``, ``draft``, ``audit`` -> ``plan``."""
    return total(place(_choose(), "selection", w.name, h.name) for w in workloads for h in w.heads)
