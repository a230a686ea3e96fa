"""The out-of-sample answers of all models side by side, and what the fold rule lets each fold learn from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.market.errors import DataError
from assay.market.models import called
from assay.market.models.base import Floats
from assay.market.parts import Seen
from assay.market.splits import Mask, Receipt
from assay.market.tables import PROBABILITIES, stack_by_model
from assay.market.workload import Kind


@dataclass(frozen=True)
class Table:
    """Answers of several models to the same rows.

    Attributes:
        rows: What the rows have in common: the columns of a predictions table but for the answers; sorted by entity
            and time.
        answers: By model probabilities, shape (rows, 3), or returns, shape (rows,).
    """

    rows: pl.DataFrame
    answers: Mapping[str, Floats]

    @property
    def y(self) -> npt.NDArray[Any]:
        """What came: classes or returns; whatever stands for unknown is outside every mask of `FoldRule`."""
        return self.rows["y_true"].fill_null(0).to_numpy()

    @property
    def scale(self) -> Floats:
        """Standard deviation of each outcome as it was expected at decision time; > 0 where the outcome is known."""
        return self.rows["scale"].fill_null(1.0).to_numpy()

    def of(self, members: Sequence[str], mask: Mask) -> dict[str, Floats]:
        """The answers of some models to some rows."""
        return {member: self.answers[member][mask] for member in members}

    def stacked(self, kind: Kind) -> pl.DataFrame:
        """One predictions table of all models, one after the other."""
        return stack_by_model({model: _predictions(self.rows, out, kind) for model, out in self.answers.items()})


@dataclass(frozen=True)
class FoldRule:
    """What one fold may learn from: fit on folds two and more before it, accept on the one before it.

    Attributes:
        fold: The fold that is answered; None for the time after the last one.
        fit: Rows to fit on: their outcomes were known before ``accepted_on`` began, embargo included.
        accept: Rows to accept on: their outcomes were known before this fold began, embargo included.
        earlier: All rows of earlier folds whose outcomes were known before this fold began, embargo included.
        apply: Rows of the fold.
        fitted_on: Folds of ``fit``.
        accepted_on: Fold of ``accept``; None where there is no older one to fit on.
        test_start: When the fold begins; None after the last one.
    """

    fold: int | None
    fit: Mask
    accept: Mask
    earlier: Mask
    apply: Mask
    fitted_on: tuple[int, ...]
    accepted_on: int | None
    test_start: datetime | None


def read_table(oos: pl.DataFrame, kind: Kind) -> Table:
    """Put the answers of all models side by side.

    Args:
        oos: Predictions of all models, one after the other.
        kind: Kind of the head.

    Raises:
        DataError: The models do not answer the same rows.
    """
    columns = list(PROBABILITIES) if kind == "classification" else ["y_pred"]
    parts = {str(key[0]): part for key, part in oos.partition_by("model", as_dict=True, maintain_order=True).items()}
    shared = [part.drop("model", "y_pred", *PROBABILITIES, strict=False) for part in parts.values()]
    rows = shared[0] if shared else oos.drop("model", "y_pred", *PROBABILITIES, strict=False)
    for model, other in zip(parts, shared, strict=True):
        if not other.equals(rows):
            raise DataError(
                "out-of-sample predictions",
                "the models do not answer the same rows",
                expected=f"the {rows.height} rows of {next(iter(parts))}",
                found=f"{other.height} rows of {model}",
                do="run the stage walk_forward again, for all models",
            )
    values = {model: part.select(columns).to_numpy().astype(np.float64) for model, part in parts.items()}
    return Table(rows, {m: v if kind == "classification" else v[:, 0] for m, v in values.items()})


def fold_rules(rows: pl.DataFrame, receipts: Sequence[Receipt]) -> list[FoldRule]:
    """What each fold, and the time after the last one, may learn from; nothing where there is no fold.

    Args:
        rows: Common rows of the answers.
        receipts: The folds.
    """
    if not receipts:
        return []
    ordered = sorted(receipts, key=lambda receipt: receipt.fold)
    known = {receipt.fold: _known(rows, receipt) for receipt in ordered}
    after = [(receipt.fold, receipt.test_start) for receipt in ordered] + [(ordered[-1].fold + 1, None)]
    labelled = rows["y_true"].is_not_null().to_numpy()
    fold = rows["fold"].to_numpy()
    return [_fold_rule(fold, number, start, {**known, after[-1][0]: labelled}) for number, start in after]


def seen(table: Table, rule: FoldRule, mask: Mask, *, model: str, what: str) -> dict[str, Any]:
    """The record of a fit for the check of the fit scope.

    Args:
        table: Answers and outcomes.
        rule: The fold that the fit is for; not the time after the last one.
        mask: Rows that the fit has seen, those it was accepted on included.
        model: Name of the contender.
        what: What was fitted.
    """
    told = Seen.of(what, table.rows.filter(mask)).to_dict()
    start = rule.test_start.isoformat() if rule.test_start else None
    return {"model": model, "fold": rule.fold, **told, "test_start": start}


def _known(rows: pl.DataFrame, receipt: Receipt) -> Mask:
    """Rows whose outcome was known before the fold of ``receipt``, embargo included."""
    known = rows["y_true"].is_not_null() & (rows["label_end"] <= receipt.last_train_label_end)
    return known.fill_null(value=False).to_numpy()


def _fold_rule(fold: npt.NDArray[np.int32], number: int, start: datetime | None, known: Mapping[int, Mask]) -> FoldRule:
    before = number - 1
    older = tuple(other for other in known if other < before)
    nothing = np.zeros(len(fold), dtype=bool)
    return FoldRule(
        fold=number if start else None,
        fit=(fold < before) & known[before] if older else nothing,
        accept=(fold == before) & known[number] if older else nothing,
        earlier=(fold < number) & known[number],
        apply=fold == number,
        fitted_on=older,
        accepted_on=before if older else None,
        test_start=start,
    )


def _predictions(rows: pl.DataFrame, out: Floats, kind: Kind) -> pl.DataFrame:
    if kind == "regression":
        return rows.with_columns(pl.Series("y_pred", out))
    shares = (pl.Series(name, column) for name, column in zip(PROBABILITIES, out.T, strict=True))
    return rows.with_columns(pl.Series("y_pred", called(out), dtype=pl.Int8), *shares)
