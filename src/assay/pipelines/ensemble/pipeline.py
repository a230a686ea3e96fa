"""Out-of-sample predictions of models in; those of models and ensembles, calibrated or bounded, out."""

from collections.abc import Iterable

from kedro.pipeline import Pipeline, node

from assay.market.workload import Head, Workload
from assay.pipelines.ensemble import nodes
from assay.pipelines.placing import place, total


def _combine() -> Pipeline:
    inputs = ["raw_oos", "model_input", "plan", "left_out", "params:ensembles.{0}"]
    return Pipeline([node(nodes.combine, inputs, ["combined", "ensembles", "second_stages"], name="combine")])


def _judge(head: Head) -> Pipeline:
    if head.kind == "classification":
        judge = node(
            nodes.calibrate, ["combined", "ensembles", "params:calibration"], ["oos", "calibration"], name="calibrate"
        )
    else:
        judge = node(nodes.bound, ["combined", "plan", "params:intervals"], ["oos", "calibration"], name="bound")
    return Pipeline([judge])


def create_pipeline(workloads: Iterable[Workload]) -> Pipeline:
    """Per head: ``raw_oos``, ``left_out``, ``model_input``, ``plan`` -> ``ensembles``, ``oos``, ``calibration``."""
    stage = "ensemble"
    return total(
        place(_combine(), stage, w.name, h.name) + place(_judge(h), stage, w.name, h.name)
        for w in workloads
        for h in w.heads
    )
