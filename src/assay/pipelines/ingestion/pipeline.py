"""Raw data in, a checked panel out: what happens in between is each workload's own."""

from collections.abc import Iterable
from typing import cast

from kedro.pipeline import Pipeline

from assay.market.workload import Workload
from assay.pipelines.placing import place, total


def create_pipeline(workloads: Iterable[Workload]) -> Pipeline:
    """``<workload>.*_raw`` -> ``bars``, feeds, ``quarantine``, ``quality``, ``panel``."""
    return total(place(cast("Pipeline", w.ingestion()), "ingestion", w.name) for w in workloads)
