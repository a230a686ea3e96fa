"""Evaluate features that are functions of numpy arrays: of one entity at a time, or of all of them in one call."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.market.features.entities import Array, Rows, Spans
from assay.market.features.feature import Arrays, Batch, Feature

PRICES = frozenset({"open", "high", "low", "close", "vwap"})


def by_entity(panel: pl.DataFrame, spans: Spans, features: Sequence[Feature], arrays: Arrays) -> list[pl.Series]:
    """Call functions of the same columns on the complete rows of each entity and put the values back on these rows.

    Recursive ones get the whole history, others the rows of their longest warm-up before the first wanted row. Prices
    come scaled by the power of two that brings the entity's first one near 1: thresholds inside a library then mean the
    same at any price, and windows keep their last bit wherever the history starts.

    Args:
        panel: Sorted by entity and time.
        spans: Where the entities lie in it.
        features: Either all recursive or none.
        arrays: What one of them computes; the others read the same columns.

    Returns:
        One column per feature with the wanted rows; null inside the warm-up and where an input is missing.
    """
    inputs = numbers(panel, arrays.columns)
    results = np.full((len(features), (spans.stops - spans.firsts).sum()), np.nan)
    reach = panel.height if features[0].recursive else max(feature.warm_up for feature in features)
    done = 0
    for start, first, stop in zip(spans.starts, spans.firsts, spans.stops, strict=True):
        if first < stop:
            rows = _complete(inputs, (start, first, stop), reach)
            scaled = [column[rows] * _scale(name, inputs, (start, stop)) for name, column in inputs.items()]
            results[:, done : done + stop - first] = _called(features, scaled, rows - first, stop - first)
            done += stop - first
    return [_column(feature, values) for feature, values in zip(features, results, strict=True)]


def in_one_call(panel: pl.DataFrame, spans: Spans, features: Sequence[Feature], batch: Batch) -> list[pl.Series]:
    """Call the function of a batch.

    Args:
        panel: Sorted by entity and time.
        spans: Where the entities lie in it.
        features: Those of the batch that are wanted.
        batch: What all of them compute.

    Returns:
        One column per feature with the wanted rows; null inside the warm-up and where undefined.
    """
    rows, within = spans.reaching_back(panel.height if features[0].recursive else max(f.warm_up for f in features))
    values = batch.function(numbers(panel[rows], batch.columns), within, [feature.name for feature in features])
    wanted = within.wanted()
    position = spans.positions(rows[wanted])
    return [
        _column(feature, np.where(position >= feature.warm_up, values[wanted, i], np.nan))
        for i, feature in enumerate(features)
    ]


def numbers(panel: pl.DataFrame, columns: Sequence[str]) -> dict[str, Array]:
    """Columns as float64 arrays, NaN where missing."""
    filled = panel.select(pl.col(columns).cast(pl.Float64).fill_null(float("nan")))
    return {column.name: column.rechunk().to_numpy() for column in filled}


def _column(feature: Feature, values: npt.NDArray[Any]) -> pl.Series:
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float32)
    return pl.Series(feature.name, np.where(np.isfinite(narrow), narrow, np.nan), nan_to_null=True)


def _complete(inputs: Mapping[str, Array], span: tuple[int, int, int], reach: int) -> Rows:
    """Rows without a missing input: those wanted and at least ``reach`` before them, as far as there are so many."""
    start, first, stop = span
    back = reach
    while True:
        begin = max(start, first - back)
        finite = np.logical_and.reduce([np.isfinite(column[begin:stop]) for column in inputs.values()])
        rows = begin + np.flatnonzero(finite)
        if begin == start or np.searchsorted(rows, first) >= reach:
            return rows
        back *= 2


def _scale(name: str, inputs: Mapping[str, Array], span: tuple[int, int]) -> float:
    price = next((column for other, column in inputs.items() if other in PRICES), None)
    if price is None or name not in PRICES:
        return 1.0
    start, stop = span
    known = start if np.isfinite(price[start]) else start + np.isfinite(price[start:stop]).argmax()
    return float(np.ldexp(1.0, -np.frexp(price[known])[1]))


def _called(features: Sequence[Feature], inputs: Sequence[Array], places: Rows, wanted: int) -> Array:
    """Values of the features on the wanted rows of one entity; the places count from the first of them."""
    results = np.full((len(features), wanted), np.nan)
    before = int(np.searchsorted(places, 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        for feature, result in zip(features, results, strict=True):
            known = max(before, feature.warm_up)
            if known < len(places):
                result[places[known:]] = cast("Arrays", feature.compute).function(*inputs)[known:]
    return results
