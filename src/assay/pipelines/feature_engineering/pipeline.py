"""Panel in; features, labels and the plan of the folds out."""

from collections.abc import Iterable

from kedro.pipeline import Pipeline, node

from assay.market.workload import Head, Workload
from assay.pipelines.feature_engineering import nodes
from assay.pipelines.placing import bind, place, total


def _features() -> Pipeline:
    return Pipeline(
        [node(nodes.engineer, ["panel", "params:features"], ["features", "feature_catalogue"], name="engineer")]
    )


def _labels(head: Head) -> Pipeline:
    return Pipeline(
        [
            node(
                nodes.label,
                ["bars", "params:heads.{0}", "params:execution"],
                ["labels", "label_manifest"],
                name="label",
            ),
            node(
                bind(nodes.plan, head=head),
                ["labels", "label_manifest", "feature_catalogue", "params:learning"],
                "plan",
                name="plan",
            ),
            node(nodes.assemble, ["features", "labels"], "model_input", name="assemble"),
        ]
    )


def create_pipeline(workloads: Iterable[Workload]) -> Pipeline:
    """``panel``, ``bars`` -> ``features``, and per head ``labels``, ``plan``, ``model_input``."""
    stage = "feature_engineering"
    return total(
        place(_features(), stage, w.name) + total(place(_labels(h), stage, w.name, h.name) for h in w.heads)
        for w in workloads
    )
