"""Everything known about a run in, one page out."""

from collections.abc import Iterable

from kedro.pipeline import Pipeline, node

from assay.market.workload import Head, Workload
from assay.pipelines.placing import bind, place, total
from assay.pipelines.reporting import nodes

FINDINGS = (
    "plan",
    "labels",
    "metrics",
    "importance",
    "label_manifest",
    "fits",
    "left_out",
    "best_params",
    "model_index",
    "inner_trials",
    "ensembles",
    "calibration",
    "explanation",
    "shap_values",
    "seeds",
    "contest",
)
MONEY = ("backtest", "significance")
LINES = {"rule": "params:verdict", "judged": "params:evaluation", "traded": "params:backtest"}
JUDGED = ("metrics", "contest", "backtest", "significance", "seeds")  # what the verdict is drawn from
ABOUT = {"quality": "quality", "catalogue": "feature_catalogue", "manifest": "manifest", "replay": "replay"}
ABOUT |= {"null_calibration": "null_calibration"}  # None where nobody made one


def _evaluate(head: Head) -> Pipeline:
    found = {noun: noun for noun in (*FINDINGS, *(MONEY if head.traded else ()))}
    return Pipeline(
        [
            node(nodes.evaluate, ["oos", "bars", "plan", "params:evaluation"], "metrics", name="evaluate"),
            node(nodes.compare, ["oos", "plan", "params:evaluation"], "contest", name="compare"),
            node(nodes.gather, {"primary": "params:primary"} | found, "findings", name="gather"),
        ]
    )


def _write(workload: Workload) -> Pipeline:
    heads = tuple(head.name for head in workload.heads)
    findings = {head: f"{head}/findings" for head in heads}
    write = bind(nodes.write, workload=workload.name, heads=heads)
    judged = {f"{head.name}.{noun}": f"{head.name}/{noun}" for head in workload.heads if head.traded for noun in JUDGED}
    declared, checked = {"primary": "params:primary"}, {"audit": "audit", "replay": "replay"}
    return Pipeline(
        [
            node(nodes.judge, declared | LINES | judged, "verdict", name="judge"),
            node(nodes.summarise, declared | {"judged": "verdict"} | checked | findings, "summary", name="summarise"),
            node(write, {"summary": "summary", **ABOUT, **findings}, ["report", "plots", "comparison"], name="write"),
        ]
    )


def create_pipeline(workloads: Iterable[Workload]) -> Pipeline:
    """Per head ``metrics``, ``contest``, ``findings``; per workload ``verdict``, ``summary``, ``report``, ``plots``."""
    stage = "reporting"
    return total(
        total(place(_evaluate(h), stage, w.name, h.name) for h in w.heads) + place(_write(w), stage, w.name)
        for w in workloads
    )
