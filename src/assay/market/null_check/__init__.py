"""How often the written rules say "evidence" where there is none, and where a signal was planted."""

from assay.market.null_check.calibration import calibration, rules_digest
from assay.market.null_check.markets import raw_tables
from assay.market.null_check.rule import NullCheckRule, Planted, WorkloadCheck
from assay.market.null_check.settings import longest_label, market_rule, settings_of
from assay.market.null_check.shift import shift_features, shortened
from assay.market.null_check.tasks import Task, plan_runs

__all__ = [
    "NullCheckRule",
    "Planted",
    "Task",
    "WorkloadCheck",
    "calibration",
    "longest_label",
    "market_rule",
    "plan_runs",
    "raw_tables",
    "rules_digest",
    "settings_of",
    "shift_features",
    "shortened",
]
