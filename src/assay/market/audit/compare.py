"""Whether two tables of features say the same of the same rows."""

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.market.errors import DataError
from assay.market.tables import KEY

Mask = npt.NDArray[np.bool_]
SAMPLED = 20_000  # rows that tell how far values lie apart


class Difference(NamedTuple):
    """Where and how a feature changed.

    Attributes:
        rows: How many of the compared rows changed.
        compared: How many rows were compared.
        entity: Entity of the row that changed most; a value that appears or vanishes counts most of all.
        time: Time of that row.
        before: Its value in the first table, None if undefined.
        after: Its value in the second table.
    """

    rows: int
    compared: int
    entity: str
    time: Any
    before: Any
    after: Any

    def __str__(self) -> str:
        return (
            f"{self.rows:,} of {self.compared:,} rows change, e.g. {self.entity} at {self.time}: "
            f"{_value(self.before)} becomes {_value(self.after)}"
        )


def aligned(features: pl.DataFrame, keys: pl.DataFrame) -> pl.DataFrame:
    """Bring what a feature function returned into the rows and the order of its panel; NaN becomes null.

    Raises:
        DataError: ``entity`` and ``time`` are missing, or not unique.
    """
    if features.columns[: len(KEY)] != list(KEY) or not features.select(KEY).equals(keys):
        features = _in_rows(features, keys)
    undefined = features.select(pl.selectors.float().is_nan().any())
    return features.with_columns(pl.col(name).fill_nan(None) for name in undefined.columns if undefined[name].item())


def _in_rows(features: pl.DataFrame, keys: pl.DataFrame) -> pl.DataFrame:
    missing = [name for name in KEY if name not in features.columns]
    if missing or features.select(KEY).is_duplicated().any():
        raise DataError(
            "feature function",
            "returned rows that cannot be told apart",
            expected="one row per entity and time of the panel",
            found=f"no column {', '.join(missing)}" if missing else "several rows of one entity and time",
            do="return entity, time and one column per feature",
        )
    return keys.join(features, on=list(KEY), how="left", maintain_order="left")


def scales(features: pl.DataFrame) -> dict[str, float]:
    """How far the values of each numeric column usually lie apart, 0 where there is none that differs.

    It is the median distance from the median of the values that are not equal to it: a single huge value, which makes a
    standard deviation as large as it likes, does not hide changes of all others. Evenly spread rows stand for many.
    """
    some = features.gather_every(max(1, features.height // SAMPLED)).lazy()
    values = some.select(pl.selectors.numeric().cast(pl.Float64))
    finite = values.select(pl.when(pl.all().is_finite()).then(pl.all()))
    apart = finite.select((pl.all() - pl.all().median()).abs())
    found = apart.select(pl.when(pl.all() > 0).then(pl.all()).median()).collect()
    return {name: value if value and np.isfinite(value) else 0.0 for name, (value,) in found.to_dict().items()}


def differences(
    before: pl.DataFrame, after: pl.DataFrame, scale: Mapping[str, float], *, tolerance: float
) -> dict[str, Difference]:
    """Compare every feature on all rows.

    Args:
        before: Features, ``entity`` and ``time`` first.
        after: The same rows in the same order; a column that is missing counts as undefined everywhere.
        scale: See `scales`.
        tolerance: Largest difference, in units of the value or of the scale, whichever is larger.

    Returns:
        The columns that differ, by name. A value that appears or vanishes always differs.
    """
    found = {}
    for name in before.columns[len(KEY) :]:
        changed = changes(before[name], column(after, name), scale.get(name, 0.0), tolerance=tolerance)
        if changed.any():
            found[name] = _worst(before, column(after, name), name, changed)
    return found


def changes(before: pl.Series, after: pl.Series, scale: float, *, tolerance: float) -> Mask:
    """Rows in which two columns differ, shape (rows,)."""
    if before.equals(after, null_equal=True):
        return np.zeros(len(before), dtype=np.bool_)
    if not before.dtype.is_numeric() or not after.dtype.is_numeric():
        return cast("Mask", before.cast(pl.String).ne_missing(after.cast(pl.String)).to_numpy())
    x, y = before.cast(pl.Float64).to_numpy(), after.cast(pl.Float64).to_numpy()
    with np.errstate(invalid="ignore"):
        far = ~(np.abs(x - y) <= tolerance * np.maximum(np.abs(x), scale)) & (x != y)
        far |= np.isinf(x) != np.isinf(y)
    both = np.isnan(x) & np.isnan(y)
    return cast("Mask", far & ~both)


def column(table: pl.DataFrame, name: str) -> pl.Series:
    """A column of a table; undefined everywhere if it is missing."""
    return table[name] if name in table.columns else pl.Series(name, [None] * table.height, dtype=pl.Float64)


def _worst(before: pl.DataFrame, after: pl.Series, name: str, changed: Mask) -> Difference:
    rows = np.flatnonzero(changed)
    row = int(rows[0])
    if before[name].dtype.is_numeric() and after.dtype.is_numeric():
        apart = (before[name].cast(pl.Float64) - after.cast(pl.Float64)).abs().fill_null(float("inf")).to_numpy()[rows]
        row = int(rows[int(np.argmax(np.nan_to_num(apart, nan=np.inf)))])
    entity, time = before.select(KEY).row(row)
    return Difference(len(rows), before.height, entity, time, before[name][row], after[row])


def _value(value: Any) -> str:  # noqa: ANN401 (a feature may be of any type)
    return "undefined" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
