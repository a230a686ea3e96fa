"""Combinatorial purged cross-validation and purged k-fold: test parts anywhere in history.

They train on the future of some test rows. That is fine for the distribution of skill over many paths, and is no
simulation of deployment: the headline is always walk-forward. Paths share data, so their spread is no standard error.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from typing import Self, cast

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import Field, model_validator

from assay.market.errors import SplitError
from assay.market.parameters import Parameters
from assay.market.splits.receipt import HeldOut, PurgedReceipt
from assay.market.splits.rows import Mask, labelled, mask
from assay.market.splits.rule import Embargo

MOST_SPLITS = 10_000
Index = npt.NDArray[np.int64]


class CombinatorialRule(Parameters):
    """How history is cut into groups, and how many of them are tested at a time.

    Attributes:
        groups: Number of groups N, equal spans of unique timestamps (they differ by one timestamp at most).
        test_groups: Number k of groups that each split tests; every choice of k is one split.
        embargo: Bars (unique timestamps) or time after the last label of each test block in which nothing trains, on
            top of the purge.
    """

    groups: int = Field(default=6, ge=2)
    test_groups: int = Field(default=2, ge=1)
    embargo: Embargo = 0

    @model_validator(mode="after")
    def _leaves_something(self) -> Self:
        if self.test_groups >= self.groups:
            raise ValueError(f"test_groups ({self.test_groups}) must be below groups ({self.groups})")
        if math.comb(self.groups, self.test_groups) > MOST_SPLITS:
            raise ValueError(f"{self.groups} choose {self.test_groups} is more than {MOST_SPLITS:,} splits")
        return self


@dataclass(frozen=True, eq=False)
class CombinatorialSplit:
    """One split of a table.

    Attributes:
        receipt: What the split did.
        train: (rows,) labelled rows to train on.
        test: (rows,) all rows of the test groups, those without a label included.
    """

    receipt: PurgedReceipt
    train: Mask
    test: Mask


@dataclass(frozen=True)
class _Groups:
    """Rows by group; all entities of one timestamp are in one group."""

    labels: pl.DataFrame
    times: pl.Series
    edges: list[int]
    embargo: Embargo

    def span(self, first: int, last: int) -> tuple[datetime, datetime]:
        """First and last time of neighbouring groups."""
        return self.times[self.edges[first]], self.times[self.edges[last + 1] - 1]


def combinatorial_purged(labels: pl.DataFrame, rule: CombinatorialRule) -> list[CombinatorialSplit]:
    """Test every choice of k out of N groups, and train on what the purge and the embargo leave of the others.

    A labelled row of the other groups is purged when its closed label span [time, label_end] meets that of a test
    row, before or after it; then nothing trains up to the embargo after the last label of each test block (Lopez de
    Prado, *Advances in Financial Machine Learning* (2018), 7.4 and 12.4; the embargo stacks on the purge). By
    timestamp: two entities at one time are never on both sides.

    Args:
        labels: Labels table of any row order; rows without a label are never trained on but belong to their group.
        rule: Number of groups, number tested at a time, embargo.

    Returns:
        C(N, k) splits in lexical order of their test groups; ``paths`` strings their test parts together.

    Raises:
        SplitError: Fewer timestamps than groups, or a split without labelled rows to train or test on.
    """
    times = labels["time"].unique().sort()
    if len(times) < rule.groups:
        raise SplitError(
            "split",
            "too few timestamps",
            expected=f"at least 1 timestamp for each of {rule.groups} groups",
            found=f"{len(times)} unique timestamps",
            do="load more bars, or lower groups",
        )
    edges = [len(times) * group // rule.groups for group in range(rule.groups + 1)]
    groups = _Groups(labels, times, edges, rule.embargo)
    chosen = combinations(range(rule.groups), rule.test_groups)
    return [_split(groups, number, tested) for number, tested in enumerate(chosen, start=1)]


def purged_k_fold(labels: pl.DataFrame, *, folds: int = 5, embargo: Embargo = 0) -> list[CombinatorialSplit]:
    """Test every one of k equal spans once: ``combinatorial_purged`` with one test group.

    Raises:
        SplitError: Fewer timestamps than folds, or a fold without labelled rows to train or test on.
    """
    return combinatorial_purged(labels, CombinatorialRule(groups=folds, test_groups=1, embargo=embargo))


def paths(splits: Sequence[CombinatorialSplit]) -> list[Index]:
    """String the test parts of the splits together to whole histories.

    Path p takes every group from the p-th split that tests it, so each test part is used exactly once.

    Args:
        splits: All splits of ``combinatorial_purged``.

    Returns:
        C(N - 1, k - 1) paths of shape (rows,): for each row the place in ``splits`` of the split whose prediction the
        path takes. Each path covers every row of the table once.

    Raises:
        SplitError: Splits are missing, so that some rows are tested more often than others.
    """
    tests = np.stack([split.test for split in splits]) if splits else np.zeros((0, 0), dtype=np.bool_)
    so_far = np.cumsum(tests, axis=0, dtype=np.int32)
    often = np.unique(so_far[-1]) if tests.size else np.empty(0, dtype=np.int32)
    if len(often) != 1:
        raise SplitError(
            "paths",
            "cannot be strung together",
            expected="all splits of combinatorial_purged, which test every row equally often",
            found=f"{len(splits)} splits, rows tested {often.tolist()} times",
            do="hand over all splits of one call",
        )
    return [np.argmax(tests & (so_far == path), axis=0) for path in range(1, int(often[0]) + 1)]


def _split(groups: _Groups, number: int, tested: tuple[int, ...]) -> CombinatorialSplit:
    labels, time, usable = groups.labels, groups.labels["time"], mask(labelled(groups.labels))
    spans = [groups.span(first, last) for first, last in _runs(tested)]
    test = np.logical_or.reduce([mask(time.is_between(start, end)) for start, end in spans])
    reached = [_reach(groups, start, end) for start, end in spans]
    purged = usable & ~test & np.logical_or.reduce([_meets(labels, *reach[:2]) for reach in reached])
    blocked = np.logical_or.reduce([_meets(labels, start, until) for start, _, until in reached])
    train = usable & ~test & ~blocked
    receipt = PurgedReceipt(
        split=number,
        groups=tuple(group + 1 for group in tested),
        blocks=tuple(
            _held_out(labels.filter(train), span, reach[1:]) for span, reach in zip(spans, reached, strict=True)
        ),
        train_rows=int(train.sum()),
        test_rows=int(test.sum()),
        purged_rows=int(purged.sum()),
        embargoed_rows=int((usable & ~test & blocked & ~purged).sum()),
    )
    _check(receipt, int((usable & test).sum()))
    return CombinatorialSplit(receipt, train, test)


def _runs(groups: Iterable[int]) -> list[tuple[int, int]]:
    """First and last of each run of neighbours."""
    runs: list[tuple[int, int]] = []
    for group in groups:
        first = runs.pop()[0] if runs and runs[-1][1] == group - 1 else group
        runs.append((first, group))
    return runs


def _reach(groups: _Groups, start: datetime, end: datetime) -> tuple[datetime, datetime, datetime]:
    """Where a block starts, when its last label is known, and when its embargo ends."""
    inside = groups.labels.filter(groups.labels["time"].is_between(start, end))
    known = max(end, cast("datetime", inside["label_end"].max() or end))
    if not isinstance(groups.embargo, int):
        return start, known, known + groups.embargo
    later = groups.times.filter(groups.times > known)[: groups.embargo]
    return start, known, later[-1] if len(later) else known


def _meets(labels: pl.DataFrame, start: datetime, until: datetime) -> Mask:
    """Rows whose closed label span meets [start, until]; exact for rows decided outside the block.

    The block's own span may have gaps between bars, but a row decided before it meets the block exactly when its label
    ends at ``start`` or later, and a row decided after it exactly when it is decided by ``until``.
    """
    return mask((labels["label_end"] >= start) & (labels["time"] <= until))


def _held_out(train: pl.DataFrame, span: tuple[datetime, datetime], reach: tuple[datetime, datetime]) -> HeldOut:
    start, end = span
    return HeldOut(
        start=start,
        end=end,
        last_label_end=reach[0],
        embargo_end=reach[1],
        known_before=cast("datetime | None", train.filter(pl.col("time") < start)["label_end"].max()),
        resumes=cast("datetime | None", train.filter(pl.col("time") > end)["time"].min()),
    )


def _check(receipt: PurgedReceipt, labelled_tests: int) -> None:
    for part, rows in (("training part", receipt.train_rows), ("test part", labelled_tests)):
        if not rows:
            raise SplitError(
                f"split {receipt.split} (test groups {', '.join(map(str, receipt.groups))})",
                f"the {part} has no labelled row",
                expected="at least 1 labelled row to train on and 1 to test on",
                found=f"{receipt.train_rows} to train on ({receipt.purged_rows} purged, {receipt.embargoed_rows} "
                f"embargoed), {labelled_tests} labelled rows to test on",
                do="load more bars, or lower groups, embargo or the label horizon",
            )
