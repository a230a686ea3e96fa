"""Choose, fill and scale features with what the training part knows; the state is plain JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Protocol, Self, cast

import numpy as np
import polars as pl
from pydantic import Field

from assay.market.errors import BundleError, DataError
from assay.market.models.base import Floats, Matrix, Target
from assay.market.parameters import Parameters
from assay.market.tables import KEY

CORRELATION_ROWS = 20_000  # the standard error of a correlation of .95 is then below .001
LARGEST = float(np.finfo(np.float32).max)


class PreprocessRule(Parameters):
    """How features are chosen and scaled.

    Attributes:
        min_coverage: A feature needs finite values in at least this share of the training rows.
        max_correlation: Of two features with a larger absolute correlation the later column is dropped.
        features: At most so many features are kept, those with the highest univariate score.
        standardise: Whether to subtract the mean and divide by the standard deviation; linear models need it.
    """

    min_coverage: float = Field(default=0.5, gt=0, le=1)
    max_correlation: float = Field(default=0.95, gt=0, le=1)
    features: int = Field(default=40, ge=1)
    standardise: bool = True


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
        columns: Features kept, in table order: the columns of the matrix.
        medians: Median of each in the training part; takes the place of missing and infinite values.
        means: Mean of each after filling, 0 when not standardised.
        scales: Standard deviation of each after filling, 1 when not standardised.
        dropped: Why each other feature was left out.
        last_time_seen: Newest decision time among the rows it was fitted on.
    """

    columns: tuple[str, ...]
    medians: tuple[float, ...]
    means: tuple[float, ...]
    scales: tuple[float, ...]
    dropped: dict[str, str]
    last_time_seen: datetime

    def transform(self, features: pl.DataFrame) -> Matrix:
        """Fill and scale; finite everywhere, shape (rows, columns).

        Raises:
            DataError: A column is missing.
        """
        raw = _matrix(features, self.columns)
        filled = np.where(np.isfinite(raw), raw, np.array(self.medians))
        scaled = (filled - np.array(self.means)) / np.array(self.scales)
        return np.asarray(np.clip(scaled, -LARGEST, LARGEST), dtype=np.float32)

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


def fit_preprocessor(features: pl.DataFrame, target: Target, rule: PreprocessRule) -> Preprocessor:
    """Fit on training rows: coverage, constants, near-duplicates, univariate choice, medians, scales.

    Missing and infinite values are filled with the median before correlations, scores and scales are computed, so that
    these describe what the model will see. Correlations use at most 20,000 evenly spaced rows. Ties in a score go to
    the earlier column.

    Args:
        features: Features table (entity, time, feature columns), training rows only.
        target: Classes (integer) or returns (float) of the same rows, shape (rows,).
        rule: Limits.

    Returns:
        The fitted preprocessor.

    Raises:
        DataError: There is no row, or no feature survives.
    """
    if not features.height:
        raise DataError("features", "there is no row to fit the preprocessor on", expected="training rows", found=0)
    names = [name for name in features.columns if name not in KEY]
    finite = features.select(pl.when(pl.col(name).is_finite()).then(pl.col(name)).alias(name) for name in names)
    dropped = _unusable(finite, rule.min_coverage)
    names = [name for name in names if name not in dropped]
    filled = finite.select(pl.col(names).fill_null(pl.col(names).median()))
    dropped |= _duplicates(filled, rule.max_correlation)
    names = [name for name in names if name not in dropped]
    dropped |= _outscored(filled.select(names), target, rule.features)
    names = [name for name in names if name not in dropped]
    if not names:
        raise _nothing_left(features, dropped)
    values = filled.select(names).cast(pl.Float64).to_numpy()
    width, standardise = len(names), rule.standardise
    return Preprocessor(
        columns=tuple(names),
        medians=tuple(finite.select(pl.col(names).median().cast(pl.Float64)).row(0)),
        means=tuple(values.mean(axis=0).tolist()) if standardise else (0.0,) * width,
        scales=tuple(values.std(axis=0).tolist()) if standardise else (1.0,) * width,
        dropped=dropped,
        last_time_seen=cast("datetime", features["time"].max()),
    )


def class_separation(values: pl.DataFrame, classes: Target) -> Floats:
    """Share of the variance of each column's ranks that lies between the classes, in [0, 1].

    It is H / (n - 1) of Kruskal and Wallis (*J. Am. Stat. Assoc.* 47, 1952), tie-corrected: it sees a feature that
    moves with direction as well as one that only tells large moves from small ones.

    Args:
        values: Columns without missing values.
        classes: Class of each row.
    """
    ranks = _centred_ranks(values)
    between = np.zeros(ranks.shape[1])
    for label in np.unique(classes):
        rows = ranks[classes == label]
        between += len(rows) * rows.mean(axis=0) ** 2
    return np.asarray(between / (ranks**2).sum(axis=0), dtype=np.float64)


def rank_correlation(values: pl.DataFrame, target: Target) -> Floats:
    """Absolute rank correlation (Spearman) of each column with the target, in [0, 1]; 0 for a constant target.

    Args:
        values: Columns without missing values.
        target: Target of each row.
    """
    ranks, aim = _centred_ranks(values), _centred_ranks(pl.DataFrame({"target": target}))[:, 0]
    norm = np.sqrt((ranks**2).sum(axis=0) * (aim**2).sum())
    return np.asarray(np.abs(np.divide(aim @ ranks, norm, out=np.zeros_like(norm), where=norm > 0)), dtype=np.float64)


def _unusable(finite: pl.DataFrame, min_coverage: float) -> dict[str, str]:
    """Reasons for the columns that are mostly missing or constant."""
    reasons = {}
    for name in finite.columns:
        column = finite[name]
        share = column.count() / len(column)
        if share < min_coverage:
            reasons[name] = f"coverage {share:.3f} below {min_coverage}"
        elif column.min() == column.max():
            reasons[name] = "constant"
    return reasons


def _duplicates(filled: pl.DataFrame, limit: float) -> dict[str, str]:
    """Reasons for the columns that nearly repeat an earlier one that is kept."""
    if not filled.width:
        return {}
    sample = filled.gather_every(max(1, -(-filled.height // CORRELATION_ROWS))).cast(pl.Float64).to_numpy()
    centred = sample - sample.mean(axis=0)
    norm = np.sqrt((centred**2).sum(axis=0))
    norm[norm == 0] = 1.0
    correlation = np.abs((centred / norm).T @ (centred / norm))
    kept: list[int] = []
    reasons = {}
    for later, name in enumerate(filled.columns):
        twin = next((earlier for earlier in kept if correlation[later, earlier] > limit), None)
        if twin is None:
            kept.append(later)
        else:
            reasons[name] = f"correlation {correlation[later, twin]:.3f} with {filled.columns[twin]}"
    return reasons


def _outscored(filled: pl.DataFrame, target: Target, count: int) -> dict[str, str]:
    """Reasons for the columns beyond the ``count`` best ones."""
    if filled.width <= count:
        return {}
    score = class_separation if np.issubdtype(target.dtype, np.integer) else rank_correlation
    order = np.argsort(-score(filled, target), kind="stable")
    ranked = [filled.columns[position] for position in order]
    return {name: f"univariate rank {place} of {filled.width}" for place, name in enumerate(ranked, 1) if place > count}


def _centred_ranks(values: pl.DataFrame) -> Floats:
    ranks = values.select(pl.all().rank()).to_numpy().astype(np.float64)
    return np.asarray(ranks - ranks.mean(axis=0), dtype=np.float64)


def _matrix(features: pl.DataFrame, columns: Sequence[str]) -> Floats:
    missing = [name for name in columns if name not in features.columns]
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
    return features.select(pl.col(columns).cast(pl.Float64)).to_numpy()


def _nothing_left(features: pl.DataFrame, dropped: dict[str, str]) -> DataError:
    reasons = "; ".join(f"{name}: {why}" for name, why in dropped.items()) or "the table has no feature column"
    return DataError(
        "features",
        "none can be used in this training part",
        expected="at least one feature with enough coverage that is not constant",
        found=f"{features.height} rows; {reasons}",
        do="lower min_coverage, start later in time, or turn on features that need fewer sources",
    )
