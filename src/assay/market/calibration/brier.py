"""The Brier score: what it is made of, and the best that is possible."""

import numpy as np
import numpy.typing as npt

from assay.market.calibration.methods import Array, Codes

Bins = npt.NDArray[np.int64]


def brier(probabilities: Array, classes: Codes) -> Array:
    """Brier score of each row, summed over the classes (Brier 1950): 0 is perfect, 2 the worst, 2/3 an even guess.

    Args:
        probabilities: Shape (n, 3).
        classes: True class as the position in those columns, shape (n,).

    Returns:
        Shape (n,).
    """
    given = probabilities[np.arange(len(classes)), classes]
    return np.asarray(np.einsum("ij,ij->i", probabilities, probabilities) - 2.0 * given + 1.0)


def decompose(forecast: Array, outcome: Array, bins: Bins) -> dict[str, float]:
    """Reliability, resolution and uncertainty of forecasts of one event (Murphy 1973).

    The mean of (p - y)^2 is ``reliability - resolution + uncertainty + within``. ``within`` is zero when all forecasts
    of a bin are equal; otherwise it is their variance inside the bins less twice their covariance with the outcome
    there (Stephenson, Coelho & Jolliffe 2008).

    Args:
        forecast: Probability of the event, shape (n,).
        outcome: 1 where it happened, else 0, shape (n,).
        bins: Number of the bin of each row, from 0, shape (n,).
    """
    count = np.bincount(bins)
    used = np.maximum(count, 1)
    mean = np.bincount(bins, weights=forecast) / used
    share = np.bincount(bins, weights=outcome) / used
    base, n = outcome.mean(), len(outcome)
    apart = forecast - mean[bins]
    return {
        "reliability": float(count @ (mean - share) ** 2 / n),
        "resolution": float(count @ (share - base) ** 2 / n),
        "uncertainty": float(base * (1.0 - base)),
        "within": float((apart * (apart - 2.0 * (outcome - share[bins]))).mean()),
    }
