"""What a figure needs: curves, point clouds and histograms, thinned to a size that fits into a report."""

from typing import Any

import numpy as np
import numpy.typing as npt

from assay.market.metrics.forecasts import Array, ClassForecasts, ReturnForecasts
from assay.market.metrics.statistics import placements
from assay.market.tables import CLASS_NAMES, CLASSES

ROC_POINTS = 101
SCATTER_POINTS = 500
RESIDUAL_BINS = 40
ROUNDING = 1e-9


def roc_curves(forecasts: ClassForecasts) -> dict[str, dict[str, Any]]:
    """One-vs-rest ROC curve of each class.

    Returns:
        Per class name ``fpr`` and ``tpr`` (at most 101 points of the exact curve, both ends included) and the exact
        ``auc``; empty and None when the class, or every other class, is absent.
    """
    curves = {}
    for i, (name, label) in enumerate(zip(CLASS_NAMES, CLASSES, strict=True)):
        curves[name] = _roc(forecasts.probabilities[:, i], forecasts.truth == label)
    return curves


def _roc(score: Array, positive: npt.NDArray[np.bool_]) -> dict[str, Any]:
    count = int(positive.sum())
    if count in (0, len(score)):
        return {"fpr": [], "tpr": [], "auc": None}
    order = np.argsort(-score, kind="stable")
    last_of_tie = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)
    hits = np.concatenate([[0], np.cumsum(positive[order])[last_of_tie]])
    alarms = np.concatenate([[0], (last_of_tie + 1)]) - hits
    points = _spread(len(hits), ROC_POINTS)
    above, _ = placements(score, positive)
    return {
        "fpr": (alarms[points] / (len(score) - count)).tolist(),
        "tpr": (hits[points] / count).tolist(),
        "auc": float(above.sum() / count),
    }


def scatter_sample(forecasts: ReturnForecasts) -> dict[str, list[float]]:
    """At most 500 rows, evenly spread over the row order: ``predicted`` and ``realised``."""
    rows = _spread(len(forecasts.truth), SCATTER_POINTS)
    return {"predicted": forecasts.predicted[rows].tolist(), "realised": forecasts.truth[rows].tolist()}


def residual_histogram(forecasts: ReturnForecasts) -> dict[str, list[Any]]:
    """Counts of realised minus predicted in 40 bins between the 0.5 % and 99.5 % quantile.

    Residuals beyond the quantiles are counted in the outermost bins, so the counts sum to the rows.
    """
    residuals = forecasts.truth - forecasts.predicted
    low, high = np.quantile(residuals, [0.005, 0.995])
    if high - low <= ROUNDING * max(abs(low), abs(high)):  # residuals that are one number, but for rounding
        high = low
    counts, edges = np.histogram(np.clip(residuals, low, high), bins=RESIDUAL_BINS, range=(low, high))
    return {"edges": edges.tolist(), "counts": counts.tolist()}


def _spread(n: int, most: int) -> npt.NDArray[np.int64]:
    if n <= most:
        return np.arange(n)
    return np.linspace(0, n - 1, most).round().astype(np.int64)
