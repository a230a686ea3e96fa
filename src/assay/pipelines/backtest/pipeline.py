"""Out-of-sample predictions in; a ledger after costs and its figures out."""

from collections.abc import Iterable

from kedro.pipeline import Pipeline, node

from assay.market.workload import Workload
from assay.pipelines.backtest import nodes
from assay.pipelines.placing import place, total


def _simulate(workload: Workload) -> Pipeline:
    settlements = [workload.funding] if workload.funding else []
    return Pipeline(
        [
            node(nodes.simulate, ["bars", "oos", "plan", "params:backtest", *settlements], "ledger", name="simulate"),
            node(
                nodes.measure,
                ["bars", "ledger", "plan", "params:backtest", *settlements],
                ["backtest", "outer_trials"],
                name="measure",
            ),
        ]
    )


def create_pipeline(workloads: Iterable[Workload]) -> Pipeline:
    """Per traded head: ``bars``, ``oos``, ``plan`` -> ``ledger``, ``backtest``, ``outer_trials``."""
    return total(place(_simulate(w), "backtest", w.name, h.name) for w in workloads for h in w.heads if h.traded)
