"""All pipelines of the project: one per stage, one per workload, and the default."""

from importlib import import_module

from kedro.pipeline import Pipeline

from assay.pipelines.placing import total
from assay.workloads import WORKLOADS

STAGES = (
    "ingestion",
    "feature_engineering",
    "leak_audit",
    "selection",
    "tuning",
    "walk_forward",
    "ensemble",
    "explanation",
    "training",
    "predict",
    "backtest",
    "reporting",
)
ASIDE = ("null_check",)  # stages that are no part of a run: they repeat it


def register_pipelines() -> dict[str, Pipeline]:
    """Pipelines by the name that ``kedro run --pipelines`` takes.

    ``__default__`` and the stages hold the workloads that run out of the box; every workload has its own pipeline.
    """
    ready = tuple(w for w in WORKLOADS if w.out_of_the_box)
    create = {stage: import_module(f"assay.pipelines.{stage}").create_pipeline for stage in STAGES}
    stages = {stage: build(ready) for stage, build in create.items()}
    aside = {stage: import_module(f"assay.pipelines.{stage}").create_pipeline(ready) for stage in ASIDE}
    workloads = {w.name: total(build((w,)) for build in create.values()) for w in WORKLOADS}
    return {"__default__": total(stages.values())} | stages | aside | workloads
