"""What a split did, checked when it is made: a receipt of a split that leaks cannot exist."""

from dataclasses import dataclass
from datetime import datetime

from assay.market.errors import SplitError

NEVER_EDITED = "split again; a receipt is never edited by hand"


@dataclass(frozen=True)
class Receipt:
    """What one walk-forward split did; a receipt whose training labels reach its test fold cannot exist.

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
        older_rows: Further rows that a rolling window left behind.
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
    older_rows: int = 0

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
                do=NEVER_EDITED,
            )


@dataclass(frozen=True)
class HeldOut:
    """One block of neighbouring test groups, and the training rows next to it on both sides.

    Attributes:
        start: First time of the block.
        end: Last time of the block.
        last_label_end: When the last label of the block was known; not before ``end``.
        embargo_end: Up to this time nothing trains after the block; ``last_label_end`` without an embargo.
        known_before: When the last label of the training rows decided before the block was known; None without any.
        resumes: Time of the first training decision after the block; None without any.
    """

    start: datetime
    end: datetime
    last_label_end: datetime
    embargo_end: datetime
    known_before: datetime | None
    resumes: datetime | None

    def __post_init__(self) -> None:
        self.check()

    def check(self) -> None:
        """Make sure that no training label span meets the block or its embargo.

        Raises:
            SplitError: A label decided before is known at or after ``start``, a decision after comes at or before
                ``embargo_end``, or the times are out of order.
        """
        order = [self.start, self.end, self.last_label_end, self.embargo_end]
        late = self.known_before is not None and self.known_before >= self.start
        early = self.resumes is not None and self.resumes <= self.embargo_end
        if late or early or order != sorted(order):
            raise SplitError(
                f"receipt of the block {self.start} to {self.end}",
                "the training part touches the block",
                expected=f"last earlier label known before {self.start}, first later decision after {self.embargo_end}",
                found=f"{self.known_before} and {self.resumes}, last label of the block {self.last_label_end}",
                do=NEVER_EDITED,
            )


@dataclass(frozen=True)
class PurgedReceipt:
    """What one combinatorial (or k-fold) split did; each of its blocks verifies itself.

    Attributes:
        split: Number of the split, from 1.
        groups: Numbers of the test groups, from 1.
        blocks: Test groups, neighbours joined, oldest first.
        train_rows: Labelled rows to train on.
        test_rows: All rows of the test groups, labelled or not.
        purged_rows: Labelled rows of the other groups whose label span meets one of a test row.
        embargoed_rows: Further rows that the embargo removed.
    """

    split: int
    groups: tuple[int, ...]
    blocks: tuple[HeldOut, ...]
    train_rows: int
    test_rows: int
    purged_rows: int
    embargoed_rows: int
