"""Checks what was declared for a workload against what the workload has, before hours are spent on it."""

from kedro.framework.hooks import hook_impl
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline

from assay.market.workload import Workload


class Claims:
    """Looks at the declared claim, and at the baselines, metrics and folds that the report is asked for."""

    @hook_impl
    def before_pipeline_run(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Look before the first node runs, at workloads whose claim is judged in this run.

        Raises:
            ConfigurationError: Something is named that is not there.
        """
        from assay.workloads import WORKLOADS

        for workload in WORKLOADS:
            _check(workload, pipeline.inputs(), catalog)


def _check(workload: Workload, asked: set[str], catalog: DataCatalog) -> None:
    from assay.market.claim import check_claim, check_profile, check_reporting

    names = {name: f"params:{workload.name}.{name}" for name in ("primary", "evaluation", "verdict", "learning")}
    _check_ensembles(workload, asked, catalog)
    if names["primary"] in asked:
        check_claim(workload.heads, catalog.load(names["primary"]), ensembles=_ensembles(workload, catalog))
    if {names["primary"], names["learning"]} <= asked:
        check_profile(workload.heads, catalog.load(names["primary"]), catalog.load(names["learning"]))
    if {names["evaluation"], names["verdict"], names["learning"]} <= asked:
        folds = catalog.load(names["learning"]).splits.folds
        check_reporting(workload.heads, catalog.load(names["evaluation"]), catalog.load(names["verdict"]), folds=folds)


def _check_ensembles(workload: Workload, asked: set[str], catalog: DataCatalog) -> None:
    from assay.market.ensembles import check_names

    for head in workload.heads:
        block = f"params:{workload.name}.ensembles.{head.name}"
        if block in asked:
            check_names(catalog.load(block), head.contenders, kind=head.kind)


def _ensembles(workload: Workload, catalog: DataCatalog) -> dict[str, list[str]]:
    """Names of the ensembles by head: typed where a node of this run reads them, else as they were written."""
    blocks = {head.name: f"params:{workload.name}.ensembles.{head.name}" for head in workload.heads}
    found = {head: catalog.load(block) for head, block in blocks.items() if block in catalog}
    return {head: list(getattr(block, "root", block)) for head, block in found.items()}
