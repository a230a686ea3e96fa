"""Panel in; features, labels and a draft of the plan out."""

from collections.abc import Iterable

from kedro.pipeline import Pipeline, node

from assay.market.workload import Head, Workload
from assay.pipelines.feature_engineering import nodes
from assay.pipelines.placing import bind, place, total


def _features() -> Pipeline:
    return Pipeline(
        [
            node(
                nodes.engineer,
                ["panel", "feature_partitions", "params:features"],
                ["features", "feature_catalogue"],
                name="engineer",
            )
        ]
    )


def _labels(head: Head) -> Pipeline:
    return Pipeline(
        [
            node(
                nodes.label,
                ["panel", "params:heads.{0}", "params:execution", "params:learning"],
                ["labels", "label_manifest"],
                name="label",
            ),
            node(
                bind(nodes.plan, head=head),
                ["labels", "label_manifest", "feature_catalogue", "params:learning"],
                "draft",
                name="plan",
            ),
            node(nodes.assemble, ["features", "labels"], "model_input", name="assemble"),
        ]
    )


def create_pipeline(workloads: Iterable[Workload]) -> Pipeline:
    """``panel`` -> ``features``, and per head ``labels``, ``draft``, ``model_input``."""
    stage = "feature_engineering"
    return total(
        place(_features(), stage, w.name) + total(place(_labels(h), stage, w.name, h.name) for h in w.heads)
        for w in workloads
    )
