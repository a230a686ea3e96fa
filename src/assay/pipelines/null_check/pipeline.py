"""The newest outputs of a workload in, and the rate of "evidence" without a signal out."""

from collections.abc import Iterable

from kedro.pipeline import Pipeline, node

from assay.market.workload import Workload
from assay.pipelines.null_check import nodes
from assay.pipelines.placing import bind, full, total

OWN = ("bars", "panel", "features", "feature_catalogue", "audit")


def _check(workload: Workload) -> Pipeline:
    own = {name: full(name, workload.name) for name in (*OWN, *workload.feeds)}
    given = {"rule": "params:null_check", "block": f"params:{workload.name}", "journal": f"{workload.name}.null_runs"}
    return Pipeline(
        [
            node(
                bind(nodes.check, workload=workload),
                given | own,
                f"{workload.name}.null_calibration",
                name="check",
                namespace=f"{workload.name}.null_check",
            )
        ]
    )


def create_pipeline(workloads: Iterable[Workload]) -> Pipeline:
    """``bars``, ``panel``, ``features``, ``feature_catalogue``, ``audit``, the feeds -> ``null_calibration``."""
    return total(_check(w) for w in workloads)
