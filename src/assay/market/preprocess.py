"""Fill and scale features with what the training part knows; the state is plain JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cached_property
from operator import itemgetter
from typing import Any, Protocol, Self, cast

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.market.errors import BundleError, DataError
from assay.market.models.base import Floats, Lookback, Matrix, Rows, Sequences
from assay.market.sequences import sequence_index
from assay.market.splits import Mask
from assay.market.tables import KEY

LARGEST = float(np.finfo(np.float32).max)
CACHED = 2**17  # numbers worked on at a time, few enough to stay in the processor's cache
FEW = 16  # rows up to which a frame is read faster row by row than column by column


class Inputs(Protocol):
    """Turns a features table into the matrix that a model reads."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the matrix."""
        ...

    def transform(self, features: pl.DataFrame) -> Matrix:
        """The matrix, shape (rows, columns), rows in the order of ``features``."""
        ...


@dataclass(frozen=True)
class RawColumns:
    """Hands columns through as they are, missing values as NaN; fits nothing.

    Attributes:
        columns: Columns of the matrix; may be empty.
    """

    columns: tuple[str, ...]

    def transform(self, features: pl.DataFrame) -> Matrix:
        """The columns as a matrix, shape (rows, columns).

        Raises:
            DataError: A column is missing.
        """
        return _matrix(features, self.columns).astype(np.float32)


@dataclass(frozen=True)
class Preprocessor:
    """A fitted preprocessor.

    Attributes:
        columns: The columns of the matrix.
        medians: Median of each in the training part; takes the place of missing and infinite values.
        means: Mean of each after filling, 0 when not standardised.
        scales: Standard deviation of each after filling, 1 when not standardised.
        last_time_seen: Newest decision time among the rows it was fitted on.
    """

    columns: tuple[str, ...]
    medians: tuple[float, ...]
    means: tuple[float, ...]
    scales: tuple[float, ...]
    last_time_seen: datetime

    def transform(self, features: pl.DataFrame) -> Matrix:
        """Fill and scale; finite everywhere, shape (rows, columns).

        Raises:
            DataError: A column is missing.
        """
        raw = _matrix(features, self.columns)
        out = np.empty(raw.shape, dtype=np.float32, order="F")
        width = max(1, CACHED // max(1, len(raw)))
        for first in range(0, raw.shape[1], width):
            part = slice(first, first + width)
            out[:, part] = self._scaled(raw[:, part].astype(np.float64), part)
        return out

    def _scaled(self, values: Floats, part: slice) -> Floats:
        """Some columns filled and scaled, in place."""
        medians, means, scales = (numbers[part] for numbers in self._numbers)
        known = np.isfinite(values)
        if not known.all():
            np.copyto(values, medians, where=~known)
        values -= means
        values /= scales
        return np.clip(values, -LARGEST, LARGEST, out=values)

    @cached_property
    def _numbers(self) -> tuple[Floats, Floats, Floats]:
        """Medians, means and scales as arrays: to make them takes longer than to use them on one row."""
        return np.array(self.medians), np.array(self.means), np.array(self.scales)

    def to_json(self) -> bytes:
        """The state as JSON; numbers read back are equal to the last bit."""
        state = asdict(self) | {"last_time_seen": self.last_time_seen.isoformat()}
        return json.dumps(state, sort_keys=True, indent=1, allow_nan=False).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """The preprocessor that `to_json` wrote.

        Raises:
            BundleError: It is not such a state.
        """
        try:
            state: dict[str, Any] = json.loads(data)
            times = {"last_time_seen": datetime.fromisoformat(state["last_time_seen"])}
            lists = {name: tuple(state[name]) for name in ("columns", "medians", "means", "scales")}
            return cls(**(state | lists | times))
        except (ValueError, KeyError, TypeError) as error:
            raise BundleError("preprocessor state", f"cannot be read ({error})", do="train the model again") from error


def fit_preprocessor(features: pl.DataFrame, columns: Sequence[str], *, standardise: bool = True) -> Preprocessor:
    """Learn medians, means and scales from training rows.

    Args:
        features: Features table, training rows only.
        columns: Features that the model reads.
        standardise: Whether to subtract the mean and divide by the standard deviation; linear models need it. A feature
            that is constant once it is filled keeps its unit.

    Returns:
        The fitted preprocessor.

    Raises:
        DataError: There is no row, a column is missing, or one has no finite value.
    """
    if not features.height:
        raise DataError("features", "there is no row to fit the preprocessor on", expected="training rows", found=0)
    raw = _matrix(features, columns).astype(np.float64)
    raw[~np.isfinite(raw)] = np.nan
    _check_filled(raw, columns)
    medians = np.nanmedian(raw, axis=0)
    filled = np.where(np.isnan(raw), medians, raw)
    scales = filled.std(axis=0)
    width = len(columns)
    return Preprocessor(
        columns=tuple(columns),
        medians=tuple(medians.tolist()),
        means=tuple(filled.mean(axis=0).tolist()) if standardise else (0.0,) * width,
        scales=tuple(np.where(scales > 0, scales, 1.0).tolist()) if standardise else (1.0,) * width,
        last_time_seen=cast("datetime", features["time"].max()),
    )


def read_rows(inputs: Inputs, features: pl.DataFrame, rows: Mask | None, history: Lookback | None) -> Rows:
    """What a model reads of some rows.

    Args:
        inputs: Fitted preprocessing.
        features: Features table; with a ``history`` sorted by entity and time, with the rows before the wanted ones.
        rows: The wanted rows; None = all.
        history: How far the model looks back; None for one that reads each row alone.

    Returns:
        A matrix of the wanted rows, or their sequences, which reach back over other rows but never forward.
    """
    if history is None:
        return inputs.transform(features if rows is None else features.filter(rows))
    index = sequence_index(features.select(KEY), history.steps, max_gap=history.max_gap)
    return Sequences(inputs.transform(features), index if rows is None else index[rows])


def _check_filled(raw: Floats, columns: Sequence[str]) -> None:
    empty = [columns[position] for position in np.flatnonzero(np.isnan(raw).all(axis=0)).tolist()]
    if empty:
        raise DataError(
            "features",
            "some have no finite value in this training part",
            expected="at least one finite value per column",
            found=f"{empty} in {len(raw)} rows",
            do="choose the features on the same rows",
        )


def _matrix(features: pl.DataFrame, columns: Sequence[str]) -> npt.NDArray[np.floating]:
    """Columns of a table, missing values as NaN, in float64 unless all are float32; not to be written to."""
    position = {name: number for number, name in enumerate(features.columns)}
    missing = [name for name in columns if name not in position]
    if missing:
        raise DataError(
            "features",
            "columns that the model was trained on are missing",
            expected=list(columns),
            found=f"no {missing}",
            do="compute the features with the same feature set as in training",
        )
    if not columns:
        return np.empty((features.height, 0))
    if features.height <= FEW:
        wanted = itemgetter(*(position[name] for name in columns))
        return np.array([wanted(row) for row in features.rows()], dtype=np.float64).reshape(-1, len(columns))
    table = features.select(columns)
    exact = all(dtype.is_float() for dtype in table.dtypes)
    return (table if exact else table.cast(pl.Float64)).to_numpy()
