"""The splits as scikit-learn wants them: ``cross_val_score(model, X, y, cv=WalkForward(labels))``.

Made from the labels table whose row i is row i of X, because label spans are what a split has to know. Test parts hold
labelled rows alone: others cannot be scored. Walk-forward and combinatorial splits are no partitions, so
``cross_val_predict`` refuses them.
"""

from collections.abc import Iterator, Sequence, Sized

import numpy as np
import polars as pl

from assay.market.errors import SplitError
from assay.market.splits.combinatorial import (
    CombinatorialRule,
    Index,
    combinatorial_purged,
    paths,
    purged_k_fold,
)
from assay.market.splits.rows import Mask, labelled, mask
from assay.market.splits.rule import Embargo, SplitRule
from assay.market.splits.walk_forward import plan_folds, split_rows


class _Splitter:
    """Pairs of row numbers from pairs of masks."""

    def __init__(self, labels: pl.DataFrame, parts: Sequence[tuple[Mask, Mask]]) -> None:
        usable = mask(labelled(labels))
        self._rows = labels.height
        self._parts = [(np.flatnonzero(train), np.flatnonzero(test & usable)) for train, test in parts]

    def split(
        self,
        X: Sized | None = None,
        y: object = None,  # noqa: ARG002
        groups: object = None,  # noqa: ARG002
    ) -> Iterator[tuple[Index, Index]]:
        """Give each split as row numbers.

        Args:
            X: Rows in the order of the labels table; only their number is looked at. None: not checked.
            y: Not looked at.
            groups: Not looked at.

        Yields:
            Training rows and labelled test rows.

        Raises:
            SplitError: X has another number of rows than the labels.
        """
        shape = getattr(X, "shape", None)
        rows = self._rows if X is None else int(shape[0]) if shape else len(X)
        if rows != self._rows:
            raise SplitError(
                "X",
                "is not the table that the splits were made for",
                expected=f"{self._rows} rows, those of the labels in their order",
                found=f"{rows} rows",
                do="make the iterator from the labels of these rows",
            )
        yield from self._parts

    def get_n_splits(self, X: object = None, y: object = None, groups: object = None) -> int:  # noqa: ARG002
        """Number of splits; the arguments are not looked at."""
        return len(self._parts)


class WalkForward(_Splitter):
    """Walk-forward, expanding or rolling, as ``plan_folds``.

    Args:
        labels: Labels table (``entity, time, label_end, label``).
        rule: Folds, first training share, embargo, rolling window.

    Raises:
        SplitError: As ``plan_folds``.
    """

    def __init__(self, labels: pl.DataFrame, rule: SplitRule | None = None) -> None:
        self.receipts = plan_folds(labels, rule or SplitRule())
        super().__init__(labels, [split_rows(labels, receipt) for receipt in self.receipts])


class PurgedKFold(_Splitter):
    """Purged k-fold with an embargo after each test fold, as ``purged_k_fold``.

    Args:
        labels: Labels table (``entity, time, label_end, label``).
        folds: Number of folds.
        embargo: Bars or time after each test fold in which nothing trains.

    Raises:
        SplitError: As ``purged_k_fold``.
    """

    def __init__(self, labels: pl.DataFrame, *, folds: int = 5, embargo: Embargo = 0) -> None:
        splits = purged_k_fold(labels, folds=folds, embargo=embargo)
        self.receipts = [split.receipt for split in splits]
        super().__init__(labels, [(split.train, split.test) for split in splits])


class CombinatorialPurgedKFold(_Splitter):
    """Combinatorial purged cross-validation, as ``combinatorial_purged``.

    Args:
        labels: Labels table (``entity, time, label_end, label``).
        rule: Groups, groups tested at a time, embargo.

    Raises:
        SplitError: As ``combinatorial_purged``.
    """

    def __init__(self, labels: pl.DataFrame, rule: CombinatorialRule | None = None) -> None:
        self._splits = combinatorial_purged(labels, rule or CombinatorialRule())
        self.receipts = [split.receipt for split in self._splits]
        super().__init__(labels, [(split.train, split.test) for split in self._splits])

    def paths(self) -> list[Index]:
        """For each path, and each row of the labels, the place of the split that the path takes the row from."""
        return paths(self._splits)
