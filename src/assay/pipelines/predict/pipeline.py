"""Newest bars and newest champions in, decisions out; and the proof that serving equals the batch."""

from collections.abc import Iterable

from kedro.pipeline import Pipeline, node

from assay.market.workload import Workload
from assay.pipelines.placing import place, total
from assay.pipelines.predict import nodes


def _predict(workload: Workload) -> Pipeline:
    signal, target = workload.head_of("classification"), workload.head_of("regression")
    champions = {"signal": f"{signal}/champion", "target": f"{target}/champion"}
    known = {"live": "live_features", "features": "features", "catalogue": "feature_catalogue"}
    return Pipeline(
        [
            node(
                nodes.serve,
                ["panel", "feature_catalogue", "params:features", "params:predict"],
                "live_features",
                name="serve",
            ),
            node(nodes.measure, ["panel", f"params:heads.{target}", "params:execution"], "live_scale", name="measure"),
            node(
                nodes.decide,
                {**known, "scale": "live_scale", **champions},
                ["decisions", "decisions_csv", "serving"],
                name="decide",
            ),
            node(nodes.replay, {**known, **champions}, "replay", name="replay"),
        ]
    )


def create_pipeline(workloads: Iterable[Workload]) -> Pipeline:
    """``panel``, ``features`` and each traded head's ``champion`` -> ``decisions``, ``serving``, ``replay``."""
    return total(place(_predict(w), "predict", w.name) for w in workloads)
