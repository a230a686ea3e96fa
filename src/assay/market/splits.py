"""Walk-forward splits by timestamp, purged by label end time, with an embargo and a receipt for each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import cast

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import Field

from assay.market.errors import SplitError
from assay.market.parameters import Parameters

Mask = npt.NDArray[np.bool_]
ADVICE = "load more bars, raise min_train, or lower folds, embargo or the label horizon"


class SplitRule(Parameters):
    """How the labelled history is cut into training parts and test folds.

    Attributes:
        folds: Number of test folds, equal spans of unique timestamps (they differ by one timestamp at most).
        min_train: Share of the unique timestamps before the first test fold.
        embargo: Bars (unique timestamps) before a test fold that no training label may reach, on top of the purge.
    """

    folds: int = Field(default=5, ge=1)
    min_train: float = Field(default=0.5, gt=0, lt=1)
    embargo: int = Field(default=0, ge=0)


@dataclass(frozen=True)
class Receipt:
    """What one split did; a receipt whose training labels reach its test fold cannot exist.

    Attributes:
        fold: Number of the test fold, from 1.
        train_start: Time of the first training decision.
        train_end: Time of the last training decision.
        last_train_label_end: When the last training label was known.
        test_start: First time of the test fold.
        test_end: Last time of the test fold.
        train_rows: Labelled rows to train on.
        test_rows: All rows of the test fold, labelled or not.
        purged_rows: Rows decided before ``test_start`` whose label was known only at ``test_start`` or later.
        embargoed_rows: Further rows that the embargo removed.
    """

    fold: int
    train_start: datetime
    train_end: datetime
    last_train_label_end: datetime
    test_start: datetime
    test_end: datetime
    train_rows: int
    test_rows: int
    purged_rows: int
    embargoed_rows: int

    def __post_init__(self) -> None:
        self.check()

    def check(self) -> None:
        """Make sure that all training labels were known before the test fold began.

        Raises:
            SplitError: A training label ends at or after ``test_start``, or the times are out of order.
        """
        order = (self.train_start, self.train_end, self.last_train_label_end, self.test_start, self.test_end)
        if self.last_train_label_end >= self.test_start or list(order) != sorted(order):
            raise SplitError(
                f"receipt of fold {self.fold}",
                "the training part touches the test fold",
                expected=f"last training label known before {self.test_start}, times in order",
                found=f"train {self.train_start} to {self.train_end}, last label known {self.last_train_label_end}, "
                f"test {self.test_start} to {self.test_end}",
                do="split again; a receipt is never edited by hand",
            )


def plan_folds(labels: pl.DataFrame, rule: SplitRule) -> list[Receipt]:
    """Plan expanding walk-forward splits.

    The unique timestamps after the first ``min_train`` share are cut into ``folds`` equal spans. Rows train a fold
    when their label is known before the *cutoff*, the timestamp ``embargo`` steps before the fold. Label spans are
    closed intervals [time, label_end], so a label that ends at ``test_start`` is purged (Lopez de Prado, *Advances in
    Financial Machine Learning* (2018), 7.4). All entities of one timestamp are on one side.

    Args:
        labels: Labels table; rows without a label are never trained on but belong to their test fold.
        rule: Number of folds, first training share, embargo.

    Returns:
        One receipt per fold, oldest first; ``split_rows`` turns it into masks.

    Raises:
        SplitError: Too few timestamps, or a fold without labelled rows to train or test on.
    """
    times = labels["time"].unique().sort()
    first = _first_test(times, rule)
    edges = [first + (len(times) - first) * fold // rule.folds for fold in range(rule.folds + 1)]
    return [
        _plan(labels, fold, cutoff=times[max(0, start - rule.embargo)], start=times[start], end=times[stop - 1])
        for fold, (start, stop) in enumerate(pairwise(edges), start=1)
    ]


def first_test_time(times: pl.Series, rule: SplitRule) -> datetime:
    """Give the first time of the oldest test fold, from which on a backtest trades.

    Args:
        times: Times of the rows to be split, in any order and as often as they occur.
        rule: Number of folds, first training share.

    Raises:
        SplitError: Too few timestamps.
    """
    unique = times.unique().sort()
    return cast("datetime", unique[_first_test(unique, rule)])


def split_rows(labels: pl.DataFrame, receipt: Receipt) -> tuple[Mask, Mask]:
    """Give the rows of a planned split.

    Args:
        labels: The labels table that was planned on, or any rows of it.
        receipt: One receipt of ``plan_folds``.

    Returns:
        Two masks of shape (rows,): training rows (labelled, label known before the cutoff) and all rows of the test
        fold, those without a label included.
    """
    known = _labelled(labels) & (labels["label_end"] <= receipt.last_train_label_end)
    test = labels["time"].is_between(receipt.test_start, receipt.test_end)
    return _mask(known & (labels["time"] >= receipt.train_start)), _mask(test)


def holdout_tail(labels: pl.DataFrame, share: float) -> tuple[Mask, Mask]:
    """Set the newest labelled rows aside, purged, e.g. for early stopping.

    Args:
        labels: Labels of a training part.
        share: Share of the unique timestamps of labelled rows that goes to the tail, in (0, 1).

    Returns:
        Two masks of shape (rows,): rows to fit on (label known before the tail begins) and the labelled tail.

    Raises:
        SplitError: The share is not inside (0, 1), or one part would be empty.
    """
    labelled = _labelled(labels)
    times = labels["time"].filter(labelled).unique().sort()
    keep = round(len(times) * (1 - share))
    if not 0 < share < 1 or not 0 < keep < len(times):
        raise _no_tail(f"share {share} of {len(times)} labelled timestamps")
    start = times[keep]
    fit = _mask(labelled & (labels["label_end"] < start))
    if not fit.any():
        raise _no_tail(f"all labels of the {keep} timestamps before {start} are known only at that time or later")
    return fit, _mask(labelled & (labels["time"] >= start))


def before_first_fold(labels: pl.DataFrame, receipts: Sequence[Receipt]) -> Mask:
    """Give the rows that may tune what all folds share: the training rows of the oldest fold.

    Raises:
        SplitError: There is no receipt.
    """
    if not receipts:
        raise SplitError(
            "split", "no receipts", expected="at least one planned fold", found=0, do="plan the folds first"
        )
    return split_rows(labels, min(receipts, key=lambda receipt: receipt.test_start))[0]


def _first_test(times: pl.Series, rule: SplitRule) -> int:
    """How many of the unique timestamps come before the oldest test fold."""
    first = round(len(times) * rule.min_train)
    if first < 1 or len(times) - first < rule.folds:
        raise SplitError(
            "split",
            "too few timestamps",
            expected=f"at least 1 timestamp to train on and {rule.folds} to test on",
            found=f"{len(times)} unique timestamps, of which {first} before the first test fold",
            do=ADVICE,
        )
    return first


def _plan(labels: pl.DataFrame, fold: int, *, cutoff: datetime, start: datetime, end: datetime) -> Receipt:
    time, label_end, labelled = labels["time"], labels["label_end"], _labelled(labels)
    train, test = labels.filter(labelled & (label_end < cutoff)), labels.filter(time.is_between(start, end))
    purged = int((labelled & (time < start) & (label_end >= start)).sum())
    embargoed = int((labelled & (label_end < start) & (label_end >= cutoff)).sum())
    for part, rows in (("training part", train.height), ("test fold", int(_labelled(test).sum()))):
        if not rows:
            raise SplitError(
                f"fold {fold}",
                f"the {part} has no labelled row",
                expected="at least 1 labelled row to train on and 1 to test on",
                found=f"{train.height} to train on ({purged} purged, {embargoed} embargoed), {test.height} rows in the "
                f"test fold {start} to {end}",
                do=ADVICE,
            )
    return Receipt(
        fold=fold,
        train_start=cast("datetime", train["time"].min()),
        train_end=cast("datetime", train["time"].max()),
        last_train_label_end=cast("datetime", train["label_end"].max()),
        test_start=start,
        test_end=end,
        train_rows=train.height,
        test_rows=test.height,
        purged_rows=purged,
        embargoed_rows=embargoed,
    )


def _labelled(labels: pl.DataFrame) -> pl.Series:
    return labels["label"].is_not_null() & labels["label_end"].is_not_null()


def _mask(rows: pl.Series) -> Mask:
    return rows.fill_null(value=False).to_numpy()


def _no_tail(found: str) -> SplitError:
    return SplitError(
        "early-stopping tail",
        "one part would be empty",
        expected="a share inside (0, 1) that leaves labelled rows on both sides of the purge",
        found=found,
        do="change the share, or train on more rows",
    )
