"""What is said about one contender: its metrics with intervals, fold by fold, and the shapes of its figures."""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from assay.market.evaluation.contenders import Contender, Lineup
from assay.market.evaluation.resampling import Resamples
from assay.market.metrics import (
    Forecasts,
    Metric,
    ReturnForecasts,
    Sums,
    confusion,
    residual_histogram,
    roc_curves,
    scatter_sample,
    sum_over,
)
from assay.market.metrics.forecasts import Array


def model_facts(lineup: Lineup, name: str, resamples: Resamples) -> dict[str, Any]:
    """Metrics on the common rows with intervals, over all folds, per fold, and what figures need.

    Args:
        lineup: The contenders.
        name: The one that is told about.
        resamples: Of the common rows.
    """
    contender, metrics, drawn = lineup.contenders[name], lineup.metrics, resamples.found[name]
    rows = lineup.common(name)
    sums = sum_over(rows)
    folds = [_fold(contender, metrics, int(k)) for k in np.unique(contender.fold)]
    values = values_of(metrics, sums)
    return {
        "role": contender.role,
        "metrics": {
            metric: resamples.estimate("value", value, drawn[metric], limits=metrics[metric].limits)
            for metric, value in values.items()
        },
        "full_span": values_of(metrics, sum_over(contender.rows)),
        "folds": folds,
        "fold_mean": {metric: _over_folds(folds, metric, "mean") for metric in metrics},
        "fold_std": {metric: _over_folds(folds, metric, "std") for metric in metrics},
        **_shapes(rows, sums),
    }


def values_of(metrics: Mapping[str, Metric], sums: Sums) -> dict[str, float | None]:
    """Every metric from sums over rows, None where it is undefined."""
    return {name: _plain(metric.value(sums)) for name, metric in metrics.items()}


def _fold(contender: Contender, metrics: Mapping[str, Metric], fold: int) -> dict[str, Any]:
    rows = contender.fold == fold
    return {"fold": fold, "rows": int(rows.sum()), **values_of(metrics, sum_over(contender.rows.take(rows)))}


def _plain(value: Array | float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _over_folds(folds: list[dict[str, Any]], name: str, what: Literal["mean", "std"]) -> float | None:
    """Mean over the folds where the metric is defined, or the standard deviation between them (n - 1)."""
    values = [fold[name] for fold in folds if fold[name] is not None]
    if what == "mean":
        return float(np.mean(values)) if values else None
    return float(np.std(values, ddof=1)) if len(values) > 1 else None


def _shapes(rows: Forecasts, sums: Sums) -> dict[str, Any]:
    if isinstance(rows, ReturnForecasts):
        return {"scatter": scatter_sample(rows), "residuals": residual_histogram(rows)}
    counts = confusion(sums)
    whole = bool((counts == counts.round()).all())
    return {"confusion": (counts.astype(np.int64) if whole else counts).tolist(), "roc": roc_curves(rows)}
