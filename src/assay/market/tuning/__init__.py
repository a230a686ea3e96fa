"""Tuning: search for parameters on purged splits of the rows before the first test fold."""

from assay.market.tuning.budget import Budget, Objective
from assay.market.tuning.collect import collect_trials
from assay.market.tuning.plan import TuningPlan, TuningResult
from assay.market.tuning.rows import effective_rows, inner_receipts
from assay.market.tuning.tune import tune

__all__ = [
    "Budget",
    "Objective",
    "TuningPlan",
    "TuningResult",
    "collect_trials",
    "effective_rows",
    "inner_receipts",
    "tune",
]
