"""What calibration came to: scores, reliability and calibration error of each model, over the same folds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import polars as pl

from assay.market.calibration.brier import brier, decompose
from assay.market.calibration.dependence import Dependence, Index, block_length
from assay.market.calibration.fold_rule import Forecasts
from assay.market.calibration.methods import Array, Codes
from assay.market.calibration.reliability import Binned, calibration_error, null_errors, reliability
from assay.market.significance import BootstrapRule
from assay.market.tables import KEY

NULL_QUANTILE = 0.95


@dataclass(frozen=True)
class Judged:
    """The labelled rows of one model that its calibration is judged on.

    Attributes:
        table: ``entity, time, label_end, forward_return`` of each.
        raw: Probabilities as the model gave them, shape (n, 3).
        calibrated: As they are now, shape (n, 3).
        classes: True class as the position in those columns, shape (n,).
    """

    table: pl.DataFrame
    raw: Array
    calibrated: Array
    classes: Codes

    @classmethod
    def of(cls, model: Forecasts, calibrated: Array, folds: Sequence[int]) -> Self:
        """The labelled rows of some folds."""
        rows = model.known(folds, before=None)
        table = model.table.filter(pl.Series(rows)).select(*KEY, "label_end", "forward_return")
        return cls(table, model.probabilities[rows], calibrated[rows], model.classes[rows])


def judgements(models: Mapping[str, Judged], rule: BootstrapRule) -> dict[str, dict[str, Any]]:
    """Judge the probabilities of all models of a head.

    Args:
        models: By name; their rows may differ.
        rule: Resamples and draws, seed, confidence.

    Returns:
        By name ``rows``, ``brier`` (``raw, calibrated`` and the parts of the latter: ``reliability, resolution,
        uncertainty, within``, each summed over the classes), ``reliability`` (records of `reliability`) and ``ece``
        (``value, raw, null_95, said``). Numbers are None for a model without rows.
    """
    present = {name: model for name, model in models.items() if model.table.height}
    said = {name: _nothing() for name in models}
    if not present:
        return said
    shared = pl.concat(model.table for model in present.values()).unique(KEY).sort(KEY)
    dependence = Dependence.of(shared)
    forecasts = [(Binned.of(model.calibrated), _places(model.table, shared)) for model in present.values()]
    nulls = null_errors(forecasts, dependence, draws=rule.replications, seed=rule.seed)
    for (name, model), (binned, place), null in zip(present.items(), forecasts, nulls, strict=True):
        time, scores = dependence.time[place], brier(model.calibrated, model.classes)
        block = block_length(scores, time, horizon=dependence.horizon)
        said[name] = {
            "rows": len(model.classes),
            "brier": {"raw": float(brier(model.raw, model.classes).mean()), "calibrated": float(scores.mean())}
            | _parts(binned, model.classes),
            "reliability": reliability(binned, model.classes, time, block=block, rule=rule),
            "ece": {"raw": calibration_error(model.raw, model.classes)} | _held(binned.error(model.classes), null),
        }
    return said


def _nothing() -> dict[str, Any]:
    ece = dict.fromkeys(("value", "raw", "null_95")) | {"said": "no labelled row to judge by"}
    return {"rows": 0, "brier": dict.fromkeys(("raw", "calibrated")), "reliability": [], "ece": ece}


def _places(table: pl.DataFrame, shared: pl.DataFrame) -> Index:
    """Row of ``shared`` with the same entity and time, for each row, shape (n,)."""
    if table.height == shared.height and table.select(KEY).equals(shared.select(KEY)):
        return np.arange(table.height)
    numbered = shared.select(KEY).with_row_index("place")
    found = table.select(KEY).join(numbered, on=KEY, how="left", maintain_order="left")
    return found["place"].cast(pl.Int64).to_numpy()


def _parts(binned: Binned, classes: Codes) -> dict[str, float]:
    """Murphy's parts of the Brier score, summed over the classes."""
    columns = zip(binned.probabilities.T, binned.bins, strict=True)
    parts = [
        decompose(p, (classes == code).astype(np.float64), bins.astype(np.int64))
        for code, (p, bins) in enumerate(columns)
    ]
    return {name: sum(part[name] for part in parts) for name in parts[0]}


def _held(value: float, null: Array) -> dict[str, Any]:
    """A calibration error beside its null, in words too."""
    limit = float(np.quantile(null, NULL_QUANTILE))
    said = f"an error of {value:.4f} shows nothing: perfect calibration exceeds {limit:.4f} in 1 of 20 cases"
    if value > limit:
        said = f"miscalibrated: an error of {value:.4f}, and perfect calibration exceeds {limit:.4f} in 1 of 20 cases"
    return {"value": value, "null_95": limit, "said": said}
