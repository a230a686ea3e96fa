"""Calibration of all models of a head by the fold rule, and what is said about it."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from assay.market.calibration.fold_rule import Attempt, Folds, Forecasts, attempt
from assay.market.calibration.judgement import Judged, judgements
from assay.market.calibration.methods import Array, apply
from assay.market.calibration.rule import CalibrationRule
from assay.market.errors import DataError
from assay.market.models.base import called
from assay.market.tables import PROBABILITIES

FIRST_REACHED = 2  # position of the first fold with one fold to be fitted on and one to be accepted on before it
ROUNDING = 1e-6
USED = ("model", "time", "label_end", "fold", "forward_return", "y_true")


def calibrate(
    combined: pl.DataFrame, rule: CalibrationRule, *, decided: Collection[str] = ()
) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Calibrate the class probabilities of every model, each by itself, without a look ahead.

    For fold k a map is fitted on the labelled rows of folds <= k - 2 whose label was known before fold k - 1 began,
    and accepted if it lowers the Brier score of the rows of fold k - 1 whose label was known before fold k began by
    more than ``rule.margin`` of it. Otherwise, and in the first two folds, the probabilities stay as they are; so do
    those of a model that takes at most three different values in a fold. Rows without a label are calibrated, and
    never used. What serves later is fitted and accepted as for a fold after the last.

    Args:
        combined: Out-of-sample predictions of a classification head: all models, all folds.
        rule: Method and limits.
        decided: Contenders whose calls are decisions already, such as those of a second stage: they stay as they are,
            since other probabilities would call what was held back.

    Returns:
        The same rows in the same order with calibrated ``p_*`` and ``y_pred = called(p)``. The document, ready for
        JSON: per model ``folds`` and ``final`` (records of `Attempt`); over the folds ``judged_on``, which are those
        that a calibrator can reach or else all, ``brier`` raw, calibrated and in Murphy's parts, ``reliability`` and
        ``ece`` (raw too; its null see `null_errors`); by model the ``final`` state, null = no change; ``fits``.

    Raises:
        DataError: A probability is missing or negative, or three do not sum to 1.
    """
    _check(combined)
    folds = Folds.of(combined)
    names = combined["model"].unique(maintain_order=True).to_list()
    entities = pl.Enum(combined["entity"].unique().sort())  # numbers are much faster than strings here
    coded = combined.select(*USED, pl.col("entity").cast(entities).to_physical(), *PROBABILITIES)
    models = {name: Forecasts.of(coded.filter(pl.col("model") == name)) for name in names}
    rules = {name: rule.model_copy(update={"method": "none"}) if name in decided else rule for name in names}
    reached = range(len(folds.numbers) + 1)
    tried = {name: [attempt(model, folds, at, rules[name]) for at in reached] for name, model in models.items()}
    done = {name: _applied(model, folds, tried[name]) for name, model in models.items()}
    judged_on = list(folds.numbers[FIRST_REACHED:] or folds.numbers)
    said = judgements({name: Judged.of(models[name], done[name], judged_on) for name in names}, rule)
    document = {
        "kind": "classification",
        "method": rule.method,
        "judged_on": judged_on,
        "models": {name: _history(folds, tried[name]) | said[name] for name in names},
        "final": {name: tried[name][-1].state for name in names},
        "fits": [record for name in names for record in _fits(name, folds, tried[name])],
    }
    return _replaced(combined, done), document


def _check(combined: pl.DataFrame) -> None:
    values = combined.select(PROBABILITIES).to_numpy()
    faulty = ~(np.abs(values @ np.ones(len(PROBABILITIES)) - 1.0) < ROUNDING) | (values.T < 0).any(axis=0)
    if faulty.any():
        raise DataError(
            "class probabilities",
            "cannot be calibrated",
            expected="p_short + p_neutral + p_long = 1, none missing or below 0",
            found=f"{int(faulty.sum())} of {len(values)} rows break this, the first {values[faulty][0].tolist()}",
            do="check what the model's predict returns",
        )


def _applied(model: Forecasts, folds: Folds, tried: Sequence[Attempt]) -> Array:
    """Calibrated probabilities of all rows, (n, 3); where nothing was accepted the very same numbers."""
    fold, out = model.table["fold"].to_numpy(), model.probabilities.copy()
    for number, attempted in zip(folds.numbers, tried, strict=False):
        rows = fold == number
        out[rows] = apply(attempted.state, out[rows])
    return out


def _replaced(combined: pl.DataFrame, done: Mapping[str, Array]) -> pl.DataFrame:
    """The table with these probabilities; models are blocks of rows, in whatever order."""
    out = combined.select(PROBABILITIES).to_numpy(writable=True)
    for name, probabilities in done.items():
        out[(combined["model"] == name).to_numpy()] = probabilities
    columns = [pl.Series(name, column) for name, column in zip(PROBABILITIES, out.T, strict=True)]
    return combined.with_columns(*columns, pl.Series("y_pred", called(out)))


def _history(folds: Folds, tried: Sequence[Attempt]) -> dict[str, Any]:
    past = zip(folds.numbers, tried, strict=False)
    return {"folds": [{"fold": number} | each.record for number, each in past], "final": tried[-1].record}


def _fits(name: str, folds: Folds, tried: Sequence[Attempt]) -> list[dict[str, Any]]:
    past = zip(folds.numbers, folds.starts, tried, strict=False)
    return [
        {"model": name, "fold": number, **each.seen.to_dict(), "test_start": start.isoformat()}
        for number, start, each in past
        if each.seen
    ]
