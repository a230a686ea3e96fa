"""Every metric, defined once: what it is called, what it means and how it follows from sums over rows."""

from assay.market.metrics.centring import Timing, less_mean_so_far
from assay.market.metrics.classification import CLASSIFICATION, confusion
from assay.market.metrics.forecasts import (
    ClassForecasts,
    Forecasts,
    ReturnForecasts,
    class_forecasts,
    return_forecasts,
    volatility_only,
)
from assay.market.metrics.metric import Metric
from assay.market.metrics.regression import REGRESSION
from assay.market.metrics.shapes import residual_histogram, roc_curves, scatter_sample
from assay.market.metrics.statistics import Sums, statistics, sum_over, sum_per_group
from assay.market.workload import Kind

METRICS: dict[Kind, dict[str, Metric]] = {"classification": CLASSIFICATION, "regression": REGRESSION}

__all__ = [
    "CLASSIFICATION",
    "METRICS",
    "REGRESSION",
    "ClassForecasts",
    "Forecasts",
    "Metric",
    "ReturnForecasts",
    "Sums",
    "Timing",
    "class_forecasts",
    "confusion",
    "less_mean_so_far",
    "residual_histogram",
    "return_forecasts",
    "roc_curves",
    "scatter_sample",
    "statistics",
    "sum_over",
    "sum_per_group",
    "volatility_only",
]
