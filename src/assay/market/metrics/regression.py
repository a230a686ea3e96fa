"""Metrics of a forecast of the forward return."""

import numpy as np

from assay.market.metrics.forecasts import Array
from assay.market.metrics.metric import Metric, correlation, ratio, share
from assay.market.metrics.statistics import Sums


def _r2(sums: Sums) -> Array:
    return 1.0 - ratio(sums["loss"], sums["rr"] - ratio(sums["r"] ** 2, sums["n"]))


def _rmse(sums: Sums) -> Array:
    return np.sqrt(ratio(sums["loss"], sums["n"]))


def _zero_r2(sums: Sums) -> Array:
    return 1.0 - ratio(sums["loss"], sums["square"])


REGRESSION: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "ic",
            "IC",
            "higher",
            "coefficient",
            "Correlation of the forecast, less its mean so far in the fold, with the realised return; undefined for a "
            "constant forecast.",
            correlation(),
            carried_by="ss",
        ),
        Metric(
            "rank_ic",
            "Rank IC",
            "higher",
            "coefficient",
            "Rank correlation of the forecast, less its mean rank so far in the fold, with the realised return.",
            correlation("rank_"),
            carried_by="rank_ss",
        ),
        Metric(
            "directional_accuracy",
            "Directional accuracy",
            "higher",
            "share",
            "Of the rows with a forecast other than zero, the share whose return had its sign; a zero return misses.",
            share("hits", "calls"),
            carried_by="calls",
        ),
        Metric(
            "coverage",
            "Coverage",
            "higher",
            "share",
            "Share of all rows with a forecast other than zero: how often, not how well.",
            share("calls", "n"),
            carried_by="calls",
        ),
        Metric(
            "r2",
            "R2",
            "higher",
            "coefficient",
            "One minus the squared error over that of the mean return of the same rows, which nobody knew beforehand.",
            _r2,
        ),
        Metric(
            "r2_vs_zero",
            "R2 against zero",
            "higher",
            "coefficient",
            "One minus the squared error over that of always forecasting zero.",
            _zero_r2,
            carried_by="ss",
        ),
        Metric("rmse", "RMSE", "lower", "return", "Root of the mean squared error.", _rmse),
        Metric("mse", "MSE", "lower", "return squared", "Mean squared error.", share("loss", "n")),
        Metric("mae", "MAE", "lower", "return", "Mean absolute error.", share("absolute", "n")),
    )
}
