"""Do forecasts come true as often as they say? Bins, the calibration error, and what it is without any error."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from assay.market.calibration.dependence import Dependence, Index, shares
from assay.market.calibration.methods import Array, Codes
from assay.market.features.announce import announced
from assay.market.significance import BootstrapRule
from assay.market.tables import CLASS_NAMES, CLASSES

BINS = 10


@dataclass(frozen=True)
class Binned:
    """The forecasts of all classes, each class sorted into ten bins of equal count.

    Attributes:
        probabilities: Shape (n, 3).
        bins: Bin of each row among the forecasts of a class, from 0, shape (3, n); equal forecasts share a bin.
        forecast: Sum of the forecasts of each bin, shape (3, 10).
    """

    probabilities: Array
    bins: npt.NDArray[np.uint8]
    forecast: Array

    @classmethod
    def of(cls, probabilities: Array) -> Self:
        """Sort forecasts into bins."""
        bins = np.vstack([equal_bins(column) for column in probabilities.T]).astype(np.uint8)
        both = zip(bins, probabilities.T, strict=True)
        return cls(probabilities, bins, np.vstack([np.bincount(b, p, minlength=BINS) for b, p in both]))

    def error(self, classes: Codes) -> float:
        """The calibration error against these true classes, (n,); see `calibration_error`."""
        rows = [np.bincount(b[classes == code], minlength=BINS) for code, b in enumerate(self.bins)]
        return self.error_of(np.vstack(rows))

    def error_of(self, counts: npt.NDArray[Any]) -> float:
        """The same from the rows of each class in each of its bins, shape (3, 10)."""
        return float(np.abs(counts - self.forecast).sum() / len(self.probabilities) / len(CLASSES))


def equal_bins(forecast: Array, bins: int = BINS) -> Index:
    """Number of the bin of each forecast, from 0, shape (n,): about as many rows in each, equal forecasts together."""
    edges = np.quantile(forecast, np.arange(1, bins) / bins)
    return np.searchsorted(edges, forecast, side="left").astype(np.int64)


def calibration_error(probabilities: Array, classes: Codes) -> float:
    """Expected calibration error (ECE) over 10 bins of equal count, the mean over the three classes (Kull et al. 2019).

    Of one class: the sum over bins of (rows / n) |mean forecast - share of rows of the class|. It is biased upwards:
    perfect forecasts have one of about sqrt(2/pi) sqrt(p (1 - p) 10 / n), so it means nothing without its null.

    Args:
        probabilities: Shape (n, 3).
        classes: True class as the position in those columns, shape (n,).
    """
    return Binned.of(probabilities).error(classes)


def reliability(
    binned: Binned, classes: Codes, time: Index, *, block: float, rule: BootstrapRule
) -> list[dict[str, Any]]:
    """The reliability diagram: per class and bin the mean forecast and the share that came true, with its interval.

    Args:
        binned: The forecasts.
        classes: True class as the position in their columns, shape (n,).
        time: Code of the timestamp of each row, in order of time, shape (n,).
        block: Mean length of a resampled block of timestamps; see `shares` for the intervals.
        rule: Resamples, seed and confidence.

    Returns:
        Records ``class, p, share, low, high, rows``, bins without rows left out.
    """
    told = []
    for code, name in enumerate(CLASS_NAMES):
        bins = binned.bins[code].astype(np.int64)
        came = shares((classes == code).astype(np.float64), bins, time, block=block, rule=rule)
        for k in np.flatnonzero(came.rows):
            ends = {"share": float(came.share[k]), "low": float(came.low[k]), "high": float(came.high[k])}
            p = float(binned.forecast[code, k] / came.rows[k])
            told.append({"class": name, "p": p, **ends, "rows": int(came.rows[k])})
    return told


def null_errors(
    forecasts: Sequence[tuple[Binned, Index]], dependence: Dependence, *, draws: int, seed: int
) -> list[Array]:
    """Calibration errors that forecasts would have if each came true exactly as often as it says.

    Outcomes are drawn again and again from the forecasts themselves. Labels overlap and entities move together, so the
    draws do: a latent return as `Dependence.latent` gives it falls below, between or above the quantiles of SHORT and
    LONG (a Gaussian copula). Independent draws would put the null far too low.

    Args:
        forecasts: Per model its forecasts, and which row of ``dependence`` each belongs to, (n,).
        dependence: The rows of all models.
        draws: Number of simulated outcomes; models share them.
        seed: Seed of the draws.

    Returns:
        Per model the simulated errors, shape (draws,).
    """
    with announced("the simulation of the calibration error"):
        from assay.market.calibration.kernels import count_classes

    tables = [(binned, _cuts(binned.probabilities), place) for binned, place in forecasts]
    errors = np.empty((len(tables), draws))
    for draw, latent in enumerate(dependence.latent(draws, seed)):
        for model, (binned, cuts, place) in enumerate(tables):
            counts = np.zeros(binned.forecast.shape, dtype=np.int64)
            count_classes(latent, place, cuts, binned.bins, counts)
            errors[model, draw] = binned.error_of(counts)
    return list(errors)


def _cuts(probabilities: Array) -> npt.NDArray[np.float32]:
    """Quantiles of a standard normal below which SHORT, and SHORT or NEUTRAL, lie; shape (2, n)."""
    from scipy.special import ndtri

    below = np.minimum(np.cumsum(probabilities[:, :2], axis=1), 1.0)
    return np.ascontiguousarray(ndtri(below).T.astype(np.float32))
