"""Scores less what is usual for them, as far as that was known at the time."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Timing:
    """When each row was decided; rows in order of time.

    Attributes:
        fold: (n,) fold of each row; folds follow each other in time.
        time: (n,) timestamp of each row, never decreasing inside a fold.
    """

    fold: Index
    time: Index

    def take(self, rows: Mask) -> "Timing":
        """The rows where the mask is true."""
        return Timing(self.fold[rows], self.time[rows])


def less_mean_so_far(values: Array, timing: Timing | None) -> Array:
    """Values less their mean over all rows of their fold up to and including their timestamp.

    Taking away the mean of the whole sample looks ahead. It correlates the score with what was still to come: a score
    that follows the past return over w bars then has an IC of about ``-sqrt(w h) / n`` on a random walk (the
    small-sample bias of predictive regressions: Stambaugh 1999). Products with what is known at the time have mean
    zero there; what is left in the IC, about a third, is the bias of any ratio. Inside a fold a constant score becomes
    exactly zero, so a class prior has no direction however it drifts between folds.

    Args:
        values: (n,) scores, or their ranks.
        timing: Fold and time of the rows. None: all at one time, which leaves the plain mean.

    Returns:
        (n,), in the order of the rows.
    """
    if len(values) == 0 or timing is None:
        return np.asarray(values - (values.mean() if len(values) else 0.0))
    new_fold = np.diff(timing.fold, prepend=timing.fold[0] - 1) != 0
    new_time = new_fold | (np.diff(timing.time, prepend=timing.time[0]) != 0)
    folds, times = np.flatnonzero(new_fold), np.flatnonzero(new_time)
    first = np.repeat(folds, np.diff(np.append(folds, len(values))))  # first row of the fold of each row
    per_time = np.diff(np.append(times, len(values)))
    last = np.repeat(times + per_time - 1, per_time)  # last row of the timestamp of each row
    shifted = values - values[first]  # a constant becomes zero before it is summed, so rounding leaves none behind
    total = np.concatenate([[0.0], np.cumsum(shifted)])
    return np.asarray(shifted - (total[last + 1] - total[first]) / (last + 1 - first))
