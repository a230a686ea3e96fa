"""The calibrator of one fold: fitted on folds long past, accepted on the last one before it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.market.calibration.brier import brier
from assay.market.calibration.dependence import Dependence
from assay.market.calibration.methods import Array, Codes, apply, fit
from assay.market.calibration.rule import CalibrationRule
from assay.market.models.base import class_codes
from assay.market.parts import Seen
from assay.market.tables import KEY, PROBABILITIES

Mask = npt.NDArray[np.bool_]

FEW = 3  # forecasts of no more different values in a fold are a rule (a constant, the last sign), not a score


@dataclass(frozen=True)
class Folds:
    """The test folds of a head.

    Attributes:
        numbers: In order of time.
        starts: First time of each.
    """

    numbers: Sequence[int]
    starts: Sequence[datetime]

    @classmethod
    def of(cls, combined: pl.DataFrame) -> Self:
        """Find them in the predictions of all models."""
        table = combined.group_by("fold").agg(pl.col("time").min()).sort("fold")
        return cls(table["fold"].to_list(), table["time"].to_list())


@dataclass(frozen=True)
class Forecasts:
    """The out-of-sample rows of one model.

    Attributes:
        table: All of them.
        probabilities: SHORT, NEUTRAL, LONG, shape (n, 3).
        classes: True class as the position in those columns, shape (n,); anything where there is none.
        labelled: Rows that have one, shape (n,).
    """

    table: pl.DataFrame
    probabilities: Array
    classes: Codes
    labelled: Mask

    @classmethod
    def of(cls, table: pl.DataFrame) -> Self:
        """Read the rows of one model."""
        labelled = (table["y_true"].is_not_null() & table["label_end"].is_not_null()).to_numpy()
        classes = class_codes(table["y_true"].fill_null(0).to_numpy()).astype(np.int64)
        return cls(table, table.select(PROBABILITIES).to_numpy(), classes, labelled)

    def known(self, folds: Sequence[int], *, before: datetime | None) -> Mask:
        """Labelled rows of some folds whose label was known before a time (None: at any), shape (n,)."""
        rows = self.table["fold"].is_in(list(folds))
        if before is not None:
            rows &= (self.table["label_end"] < before).fill_null(value=False)
        return np.asarray(rows.to_numpy() & self.labelled)

    def dependence(self, rows: Mask) -> Dependence:
        """How some labelled rows hang together."""
        return Dependence.of(self.table.select(*KEY, "label_end", "forward_return").filter(pl.Series(rows)))

    def takes_few_values(self, rows: Mask) -> bool:
        """Whether the forecasts of no fold take more than three different values."""
        fold = self.table["fold"].to_numpy()
        return all(_takes_few_values(self.probabilities[rows & (fold == k)]) for k in np.unique(fold[rows]))


@dataclass(frozen=True)
class Attempt:
    """What became of one calibrator.

    Attributes:
        state: What changes the probabilities; None changes nothing.
        record: ``fitted_on, rows, effective_rows, accepted_on, accepted, brier_before, brier_after, said``.
        seen: What fit and acceptance have seen; None where nothing was fitted.
    """

    state: dict[str, Any] | None
    record: dict[str, Any]
    seen: Seen | None = None


def attempt(model: Forecasts, folds: Folds, at: int, rule: CalibrationRule) -> Attempt:
    """Fit and judge the calibrator of one fold.

    Args:
        model: Its forecasts in all folds.
        folds: All folds.
        at: Position of the fold; the number of folds stands for what comes after the last.
        rule: Method and limits.
    """
    if rule.method == "none":
        return _unchanged("no calibration was asked for")
    if at < 2:
        return _unchanged("needs two earlier folds: one to fit on, one to be accepted on")
    earlier, accepting = folds.numbers[: at - 1], folds.numbers[at - 1]
    rows = model.known(earlier, before=folds.starts[at - 1])
    judged = model.known([accepting], before=folds.starts[at] if at < len(folds.numbers) else None)
    if not rows.any() or not judged.any():
        return _unchanged("no labelled rows were known in time")
    if model.takes_few_values(rows):
        return _unchanged(f"its forecasts take at most {FEW} different values in a fold: there is nothing to calibrate")
    effective = model.dependence(rows).effective_rows
    told = {"fitted_on": list(earlier), "rows": int(rows.sum()), "effective_rows": effective}
    if effective < rule.fewest:
        return _unchanged(f"{effective:.0f} effective rows, {rule.method} needs {rule.fewest}", **told)
    state = fit(model.probabilities[rows], model.classes[rows], rule=rule, effective_rows=effective)
    seen = Seen.of("calibration", model.table.select("time", "label_end").filter(pl.Series(rows | judged)))
    return _judged(state, model, judged, (told | {"accepted_on": accepting}, seen, rule.margin))


def _judged(state: dict[str, Any], model: Forecasts, rows: Mask, made: tuple[dict[str, Any], Seen, float]) -> Attempt:
    told, seen, margin = made
    raw, truth = model.probabilities[rows], model.classes[rows]
    before, after = (float(brier(p, truth).mean()) for p in (raw, apply(state, raw)))
    accepted = before - after > margin * before
    asked = f", {margin:.2%} less was asked for" if margin else ""
    record = _record(
        f"{'accepted' if accepted else 'refused'}: Brier score {before:.5f} -> {after:.5f} on fold "
        f"{told['accepted_on']}{asked}",
        **told,
        accepted=accepted,
        brier_before=before,
        brier_after=after,
    )
    return Attempt(state if accepted else None, record, seen)


def _unchanged(said: str, **told: Any) -> Attempt:  # noqa: ANN401
    return Attempt(None, _record(said, **told))


def _record(said: str, **told: Any) -> dict[str, Any]:  # noqa: ANN401
    empty = {"fitted_on": [], "rows": 0, "effective_rows": 0.0, "accepted_on": None, "accepted": False}
    return empty | {"brier_before": None, "brier_after": None} | told | {"said": said}


def _takes_few_values(values: Array) -> bool:
    for _ in range(FEW):
        if not len(values):
            break
        values = values[(values != values[0]).any(axis=1)]
    return not len(values)
