"""Champions are made of bundles, and decide on the newest bars; and the proof that serving equals the batch."""

from collections.abc import Iterable

from kedro.pipeline import Pipeline, node

from assay.market.workload import Head, Workload
from assay.pipelines.placing import bind, place, total
from assay.pipelines.predict import nodes


def _crown(head: Head) -> Pipeline:
    made = {noun: noun for noun in ("shelf", "oos", "ensembles", "second_stages", "calibration")}
    crown = bind(nodes.crown, head=head.name)
    return Pipeline([node(crown, {"primary": "params:primary"} | made, "champion", name="crown")])


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
    """Each traded head's ``champion``, and with ``panel`` and ``features``: ``decisions``, ``serving``, ``replay``."""
    stage = "predict"
    return total(
        total(place(_crown(h), stage, w.name, h.name) for h in w.heads if h.traded) + place(_predict(w), stage, w.name)
        for w in workloads
    )
