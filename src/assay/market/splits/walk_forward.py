"""Walk-forward splits by timestamp, purged by label end time, with an embargo and a receipt for each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import cast

import polars as pl

from assay.market.errors import SplitError
from assay.market.splits.receipt import Receipt
from assay.market.splits.rows import Mask, labelled, mask
from assay.market.splits.rule import Embargo, SplitRule

ADVICE = "load more bars, raise min_train or window, or lower folds, embargo or the label horizon"


@dataclass(frozen=True)
class _Fold:
    """A test fold, and the time that no training label may reach."""

    number: int
    cutoff: datetime
    start: datetime
    end: datetime


def plan_folds(labels: pl.DataFrame, rule: SplitRule) -> list[Receipt]:
    """Plan walk-forward splits, expanding or rolling.

    The unique timestamps after the first ``min_train`` share are cut into ``folds`` equal spans. Rows train a fold
    when their label is known before the *cutoff*, which lies the embargo before the fold, and when they are not too
    old for a rolling window. Label spans are closed intervals [time, label_end], so a label that ends at
    ``test_start`` is purged (Lopez de Prado, *Advances in Financial Machine Learning* (2018), 7.4). All entities of
    one timestamp are on one side.

    Args:
        labels: Labels table; rows without a label are never trained on but belong to their test fold.
        rule: Number of folds, first training share, embargo, rolling window.

    Returns:
        One receipt per fold, oldest first; ``split_rows`` turns it into masks.

    Raises:
        SplitError: Too few timestamps, or a fold without labelled rows to train or test on.
    """
    times = labels["time"].unique().sort()
    first = _first_test(times, rule)
    edges = [first + (len(times) - first) * fold // rule.folds for fold in range(rule.folds + 1)]
    folds = [
        _Fold(number, _cutoff(times, start, rule.embargo), times[start], times[stop - 1])
        for number, (start, stop) in enumerate(pairwise(edges), start=1)
    ]
    return [_plan(labels, fold, rule.window) for fold in folds]


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
    known = labelled(labels) & (labels["label_end"] <= receipt.last_train_label_end)
    test = labels["time"].is_between(receipt.test_start, receipt.test_end)
    return mask(known & (labels["time"] >= receipt.train_start)), mask(test)


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


def _cutoff(times: pl.Series, start: int, embargo: Embargo) -> datetime:
    """The time that no training label of the fold that begins at place ``start`` may reach."""
    found = times[max(0, start - embargo)] if isinstance(embargo, int) else times[start] - embargo
    return cast("datetime", found)


def _plan(labels: pl.DataFrame, fold: _Fold, window: int | None) -> Receipt:
    time, label_end, usable = labels["time"], labels["label_end"], labelled(labels)
    known = usable & (label_end < fold.start)
    recent = _newest(time, known, window)
    train = labels.filter(recent & (label_end < fold.cutoff))
    test = labels.filter(time.is_between(fold.start, fold.end))
    left_out = {
        "purged": usable & (time < fold.start) & (label_end >= fold.start),
        "embargoed": recent & (label_end >= fold.cutoff),
        "older": known & ~recent,
    }
    counts = {f"{cause}_rows": int(rows.sum()) for cause, rows in left_out.items()}
    _check(fold, train, test, counts)
    return Receipt(
        fold=fold.number,
        train_start=cast("datetime", train["time"].min()),
        train_end=cast("datetime", train["time"].max()),
        last_train_label_end=cast("datetime", train["label_end"].max()),
        test_start=fold.start,
        test_end=fold.end,
        train_rows=train.height,
        test_rows=test.height,
        **counts,
    )


def _newest(time: pl.Series, known: pl.Series, window: int | None) -> pl.Series:
    """Of the rows that could train, those inside a rolling window."""
    times = time.filter(known).unique().sort()
    return known if window is None or window >= len(times) else known & (time >= times[-window])


def _check(fold: _Fold, train: pl.DataFrame, test: pl.DataFrame, counts: dict[str, int]) -> None:
    for part, rows in (("training part", train.height), ("test fold", int(labelled(test).sum()))):
        if not rows:
            raise SplitError(
                f"fold {fold.number}",
                f"the {part} has no labelled row",
                expected="at least 1 labelled row to train on and 1 to test on",
                found=f"{train.height} to train on ({counts['purged_rows']} purged, {counts['embargoed_rows']} "
                f"embargoed), {test.height} rows in the test fold {fold.start} to {fold.end}",
                do=ADVICE,
            )
