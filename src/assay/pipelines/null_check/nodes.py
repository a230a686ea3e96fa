"""Nodes of the stage ``null_check``."""

from typing import Any

from assay.console import track
from assay.datasets.null_runs import Runs
from assay.market.null_check import NullCheckRule, calibration
from assay.market.workload import Workload
from assay.pipelines.null_check.repeat import repeat, setup_of

Document = dict[str, Any]


def check(rule: NullCheckRule, block: Document, journal: Runs, *, workload: Workload, **own: Any) -> Document:  # noqa: ANN401
    """How often the rules of a workload say "evidence" where there is none, and where a signal was planted."""
    setup = setup_of(workload, rule=rule, block=block, own=own)
    records = repeat(setup, journal, track=track)
    return calibration(records, level=rule.level) | setup.told()
