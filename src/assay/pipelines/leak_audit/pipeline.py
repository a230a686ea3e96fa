"""Recomputes the features under other futures; the audit is admitted, or not, before the first fit."""

from collections.abc import Iterable

from kedro.pipeline import Pipeline, node

from assay.market.workload import Workload
from assay.pipelines.leak_audit import nodes
from assay.pipelines.placing import bind, place, total


def _audit(workload: Workload) -> Pipeline:
    rules = {"params": "params:features", "rule": "params:leak_audit"}
    tables = {"panel": "panel", "features": "features", "catalogue": "feature_catalogue"}
    feeds = {feed: feed for feed in workload.feeds}
    labels = {head.name: f"{head.name}/labels" for head in workload.heads if head.traded}
    return Pipeline(
        [node(bind(nodes.audit, workload=workload), rules | tables | feeds | labels, "audit", name="audit")]
    )


def create_pipeline(workloads: Iterable[Workload]) -> Pipeline:
    """``panel``, ``features``, ``feature_catalogue``, the feeds and each head's ``labels`` -> ``audit``."""
    return total(place(_audit(w), "leak_audit", w.name) for w in workloads)
