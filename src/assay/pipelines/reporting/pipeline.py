"""Everything known about a run in, one page out."""

from collections.abc import Iterable

from kedro.pipeline import Pipeline, node

from assay.market.workload import Workload
from assay.pipelines.placing import place, total
from assay.pipelines.reporting import nodes

FINDINGS = ("plan", "label_manifest", "metrics", "importance", "backtest", "inner_trials", "best_params")


def _evaluate() -> Pipeline:
    return Pipeline(
        [
            node(nodes.evaluate, ["oos", "plan", "params:evaluation"], "metrics", name="evaluate"),
            node(nodes.gather, {noun: noun for noun in FINDINGS}, "findings", name="gather"),
        ]
    )


def _write(workload: Workload) -> Pipeline:
    findings = {head.name: f"{head.name}/findings" for head in workload.heads}
    about = {"summary": "summary", "quality": "quality", "catalogue": "feature_catalogue", "manifest": "manifest"}
    return Pipeline(
        [
            node(nodes.judge, {"primary": "params:primary"} | findings, "summary", name="judge"),
            node(nodes.write, about | findings, ["report", "comparison"], name="write"),
        ]
    )


def create_pipeline(workloads: Iterable[Workload]) -> Pipeline:
    """Per head ``metrics`` and ``findings``; per workload ``summary``, ``report``, ``comparison``."""
    stage = "reporting"
    return total(
        total(place(_evaluate(), stage, w.name, h.name) for h in w.heads) + place(_write(w), stage, w.name)
        for w in workloads
    )
