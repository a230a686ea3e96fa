"""The labelled out-of-sample rows of one model as arrays, and the same model with its direction taken away."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.market.errors import DataError
from assay.market.metrics.centring import Timing, less_mean_so_far
from assay.market.tables import CLASSES, PROBABILITIES

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class ClassForecasts:
    """Forecasts of SHORT / NEUTRAL / LONG; all arrays in the same row order, none with NaN.

    Attributes:
        truth: (n,) true class, -1 / 0 / 1.
        returns: (n,) realised forward return.
        probabilities: (n, 3) in the order SHORT, NEUTRAL, LONG.
        calls: (n, 3) one for the class called; a call of *some side* is half SHORT and half LONG.
        timing: When the rows were decided, in order of time; None: all at one time.
    """

    truth: Array
    returns: Array
    probabilities: Array
    calls: Array
    timing: Timing | None = None

    @property
    def score(self) -> Array:
        """Direction score ``p_long - p_short``, (n,)."""
        return self.probabilities[:, 2] - self.probabilities[:, 0]

    @property
    def centred(self) -> Array:
        """The score less its mean so far in the fold, (n,); see ``less_mean_so_far``."""
        return less_mean_so_far(self.score, self.timing)

    @property
    def side(self) -> Array:
        """Side called, -1 / 1, or 0 where no direction was called, (n,)."""
        return self.calls[:, 2] - self.calls[:, 0]

    def take(self, rows: Mask) -> "ClassForecasts":
        """The rows where the mask is true."""
        timing = None if self.timing is None else self.timing.take(rows)
        return ClassForecasts(self.truth[rows], self.returns[rows], self.probabilities[rows], self.calls[rows], timing)

    @property
    def loss(self) -> Array:
        """Log loss of each row in nats, (n,); probabilities are clipped at the smallest float step."""
        true_class = self.truth.astype(np.int64) + 1
        given = self.probabilities[np.arange(len(self.truth)), true_class]
        return -np.log(np.clip(given, np.finfo(np.float64).eps, 1.0))


@dataclass(frozen=True)
class ReturnForecasts:
    """Forecasts of the forward return; all arrays in the same row order, none with NaN.

    Attributes:
        truth: (n,) realised forward return.
        predicted: (n,) forecast of it.
        timing: When the rows were decided, in order of time; None: all at one time.
    """

    truth: Array
    predicted: Array
    timing: Timing | None = None

    @property
    def returns(self) -> Array:
        """Realised forward return, (n,)."""
        return self.truth

    @property
    def score(self) -> Array:
        """Direction score: the forecast itself, (n,)."""
        return self.predicted

    @property
    def centred(self) -> Array:
        """The score less its mean so far in the fold, (n,); see ``less_mean_so_far``."""
        return less_mean_so_far(self.score, self.timing)

    @property
    def side(self) -> Array:
        """Sign of the forecast, (n,); 0 where the forecast is exactly zero."""
        return np.sign(self.predicted)

    @property
    def loss(self) -> Array:
        """Squared error of each row, (n,)."""
        return (self.truth - self.predicted) ** 2

    def take(self, rows: Mask) -> "ReturnForecasts":
        """The rows where the mask is true."""
        timing = None if self.timing is None else self.timing.take(rows)
        return ReturnForecasts(self.truth[rows], self.predicted[rows], timing)


Forecasts = ClassForecasts | ReturnForecasts


def class_forecasts(rows: pl.DataFrame) -> ClassForecasts:
    """Labelled prediction rows of a classification head as arrays.

    Args:
        rows: ``fold, time, y_true, y_pred, forward_return, p_short, p_neutral, p_long``, one row per labelled
            decision, in order of time.

    Raises:
        DataError: A value is missing, or probabilities do not sum to one.
    """
    probabilities = np.column_stack([_values(rows, name) for name in PROBABILITIES])
    off = np.abs(probabilities.sum(axis=1) - 1.0).max(initial=0.0)
    if off > 1e-3 or (probabilities < 0).any():
        raise DataError(
            "class probabilities",
            "are not a distribution",
            expected="p_short + p_neutral + p_long = 1, none below 0",
            found=f"a sum off by {off:.3g}, smallest value {probabilities.min():.3g}",
            do="check what the model's predict returns",
        )
    calls = (_values(rows, "y_pred")[:, None] == np.array(CLASSES)).astype(np.float64)
    truth, returns = _values(rows, "y_true"), _values(rows, "forward_return")
    return ClassForecasts(truth, returns, probabilities, calls, _timing(rows))


def return_forecasts(rows: pl.DataFrame) -> ReturnForecasts:
    """Labelled prediction rows of a regression head as arrays.

    Args:
        rows: ``fold, time, y_true, y_pred``, one row per labelled decision, in order of time.

    Raises:
        DataError: A value is missing.
    """
    return ReturnForecasts(_values(rows, "y_true"), _values(rows, "y_pred"), _timing(rows))


def volatility_only(forecasts: ClassForecasts) -> ClassForecasts:
    """The same forecasts knowing how far, but not where to: p(SHORT) = p(LONG) = their mean.

    The class with the largest probability is called. When the sides win they win together: such a row
    calls *some side*, counts as half a SHORT and half a LONG call (the expected value of a coin toss),
    and as no call at all wherever a direction is scored.
    """
    side = (forecasts.probabilities[:, 0] + forecasts.probabilities[:, 2]) / 2
    neutral = forecasts.probabilities[:, 1]
    moves = np.where(side > neutral, 0.5, 0.0)
    return ClassForecasts(
        truth=forecasts.truth,
        returns=forecasts.returns,
        probabilities=np.column_stack([side, neutral, side]),
        calls=np.column_stack([moves, 1.0 - 2.0 * moves, moves]),
        timing=forecasts.timing,
    )


def _timing(rows: pl.DataFrame) -> Timing:
    return Timing(rows["fold"].cast(pl.Int64).to_numpy(), rows["time"].to_physical().to_numpy())


def _values(rows: pl.DataFrame, column: str) -> Array:
    values = rows[column].cast(pl.Float64).to_numpy()
    missing = int((~np.isfinite(values)).sum())
    if missing:
        raise DataError(
            f"predictions.{column}",
            "has rows without a value",
            expected="a finite number on every labelled row",
            found=f"{missing} of {rows.height} rows without",
            do="check the model's predict; a model must answer for every row of a test fold",
        )
    return values
