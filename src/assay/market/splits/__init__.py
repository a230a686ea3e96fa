"""Splits of history by timestamp, purged by label end time, with an embargo and a receipt for each."""

from assay.market.splits.combinatorial import (
    CombinatorialRule,
    CombinatorialSplit,
    combinatorial_purged,
    paths,
    purged_k_fold,
)
from assay.market.splits.iterators import CombinatorialPurgedKFold, PurgedKFold, WalkForward
from assay.market.splits.receipt import HeldOut, PurgedReceipt, Receipt
from assay.market.splits.rows import Mask
from assay.market.splits.rule import Embargo, SplitRule
from assay.market.splits.tail import holdout_tail
from assay.market.splits.walk_forward import before_first_fold, first_test_time, plan_folds, split_rows

__all__ = [
    "CombinatorialPurgedKFold",
    "CombinatorialRule",
    "CombinatorialSplit",
    "Embargo",
    "HeldOut",
    "Mask",
    "PurgedKFold",
    "PurgedReceipt",
    "Receipt",
    "SplitRule",
    "WalkForward",
    "before_first_fold",
    "combinatorial_purged",
    "first_test_time",
    "holdout_tail",
    "paths",
    "plan_folds",
    "purged_k_fold",
    "split_rows",
]
