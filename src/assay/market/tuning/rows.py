"""The rows a search may see, and its purged inner folds."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import polars as pl

from assay.market.models.base import Rows
from assay.market.parts import TARGETS, check_same_rows, known
from assay.market.recipe import Design, prepare
from assay.market.splits import Mask, Receipt, SplitRule, before_first_fold, plan_folds, split_rows
from assay.market.tuning.budget import Budget
from assay.market.tuning.objectives import Outcome
from assay.market.tuning.plan import TuningPlan


@dataclass(frozen=True)
class Early:
    """What lies before the first test fold.

    Attributes:
        features: Features of the rows that may be scored and, for a model that looks back, of those between them.
        labels: Labels of the same rows in the same order.
        rows: The rows that may be fitted and scored: their label was known before the first test fold.
    """

    features: pl.DataFrame
    labels: pl.DataFrame
    rows: Mask

    @property
    def labelled(self) -> pl.DataFrame:
        """Labels of the rows that may be fitted and scored."""
        return self.labels.filter(self.rows)


@dataclass(frozen=True)
class InnerFold:
    """A prepared inner split.

    Attributes:
        design: Its training part.
        X: What the model reads of its test rows.
        truth: What came out on them; ``out`` is empty until a model answers.
    """

    design: Design
    X: Rows
    truth: Outcome


def early_part(features: pl.DataFrame, labels: pl.DataFrame, receipts: Sequence[Receipt], *, plan: TuningPlan) -> Early:
    """Take the part of two tables that a search may see.

    Args:
        features: Features table, all rows.
        labels: Labels table of the same rows in the same order.
        receipts: The outer folds.
        plan: What to tune.

    Raises:
        DataError: Features and labels are not the same rows.
        SplitError: There is no receipt.
    """
    check_same_rows(features, labels)
    rows = reach = before_first_fold(labels, receipts)
    if plan.recipe.params.history is not None:
        # Rows whose label came too late are still part of the past of later rows.
        reach = (labels["time"] <= labels.filter(rows)["time"].max()).to_numpy()
    return Early(features.filter(reach), labels.filter(reach), rows[reach])


def inner_receipts(labels: pl.DataFrame, budget: Budget, *, embargo: int | timedelta) -> list[Receipt]:
    """Plan the inner folds.

    Args:
        labels: Labels of the rows before the first test fold.
        budget: Number of inner folds and their first training share.
        embargo: Bars, or time, before an inner fold that no inner training label may reach.

    Raises:
        SplitError: Too few rows.
    """
    return plan_folds(labels, SplitRule(folds=budget.inner_folds, min_train=budget.min_train, embargo=embargo))


def inner_folds(early: Early, plan: TuningPlan) -> list[InnerFold]:
    """Prepare every inner fold, once for all trials.

    Raises:
        SplitError: Too few rows, or a selection that was made on other rows.
    """
    receipts = inner_receipts(early.labelled, plan.budget, embargo=plan.embargo)
    pairs = zip(receipts, plan.selections, strict=True)
    folds = []
    for receipt, selection in pairs:
        train, test = (_among_all(part, early.rows) for part in split_rows(early.labelled, receipt))
        design = prepare(early.features, early.labels, plan.recipe, selection=selection, rows=train)
        test &= known(early.labels, plan.recipe.kind)
        X, told = design.inputs_of(early.features, test), early.labels.filter(test)
        folds.append(InnerFold(design, X, _truth(told, TARGETS[plan.recipe.kind])))
    return folds


def effective_rows(labels: pl.DataFrame) -> int:
    """Largest number of labels of which no two share any time: about unique timestamps / horizon.

    All entities count as one, since they move together. Spans are [start, label_end) from entry to exit.

    Args:
        labels: Labelled rows.
    """
    spans = labels.select("start", "label_end").sort("start")
    starts = spans["start"].to_physical().to_numpy()
    ends = np.minimum.accumulate(spans["label_end"].to_physical().to_numpy()[::-1])[::-1]
    count, position = 0, 0
    while position < len(starts):  # always the span that ends first among those still ahead
        count += 1
        # a label may end where it starts, e.g. at a barrier inside its first bar
        after = np.searchsorted(starts, starts[position], side="right")
        position = int(max(after, np.searchsorted(starts, ends[position])))
    return count


def _among_all(part: Mask, rows: Mask) -> Mask:
    """A mask of the chosen rows as a mask of all rows."""
    mask = np.zeros_like(rows)
    mask[rows] = part
    return mask


def _truth(labels: pl.DataFrame, target: str) -> Outcome:
    return Outcome(
        y=labels[target].to_numpy(),
        out=np.empty(0),
        returns=labels["forward_return"].to_numpy(),
        time=labels["time"].to_physical().to_numpy(),
    )
