"""Out-of-sample predictions in; a ledger after costs and its figures out."""

from collections.abc import Iterable

from kedro.pipeline import Pipeline, node

from assay.market.workload import Head, Workload
from assay.pipelines.backtest import nodes
from assay.pipelines.placing import place, total


def _simulate(workload: Workload, head: Head) -> Pipeline:
    settlements = [workload.funding] if workload.funding else []
    calls = {"calibration": "params:calibration"} if head.kind == "classification" else {}
    labels = {"labels": "params:heads.{0}"}
    rules = {"backtest": "params:backtest", "ensembles": "params:ensembles.{0}", **labels, **calls}
    tried = {name: name for name in ("ledger", "plan", "best_params")} | {"primary": "params:primary"}
    return Pipeline(
        [
            node(nodes.simulate, ["bars", "oos", "plan", "params:backtest", *settlements], "ledger", name="simulate"),
            node(
                nodes.measure,
                ["bars", "ledger", "plan", "params:backtest", *settlements],
                "backtest",
                name="measure",
            ),
            node(nodes.record, tried | rules, "outer_trials", name="record"),
            node(nodes.deflate, ["outer_trials", "ledger", "plan"], "significance", name="deflate"),
        ]
    )


def create_pipeline(workloads: Iterable[Workload]) -> Pipeline:
    """Per traded head: ``bars``, ``oos``, ``plan`` -> ``ledger``, ``backtest``, ``outer_trials``, ``significance``."""
    return total(place(_simulate(w, h), "backtest", w.name, h.name) for w in workloads for h in w.heads if h.traded)
