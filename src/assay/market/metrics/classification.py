"""Metrics of a SHORT / NEUTRAL / LONG forecast. Conventions of scikit-learn (``zero_division=0``) where it has them."""

import numpy as np

from assay.market.metrics.forecasts import Array, Mask
from assay.market.metrics.metric import Metric, correlation, ratio, share
from assay.market.metrics.statistics import Sums


def confusion(sums: Sums) -> Array:
    """Counts (..., 3, 3): rows true SHORT / NEUTRAL / LONG, columns called."""
    rows = [np.stack([sums[f"confusion_{i}{j}"] for j in range(3)], axis=-1) for i in range(3)]
    return np.stack(rows, axis=-2)


def _mean_over(values: Array, counted: Mask) -> Array:
    return ratio(np.where(counted, values, 0.0).sum(axis=-1), counted.sum(axis=-1))


def _per_class(sums: Sums) -> tuple[Array, Array, Array]:
    counts = confusion(sums)
    return np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(axis=-1), counts.sum(axis=-2)


def _accuracy(sums: Sums) -> Array:
    hits, _, _ = _per_class(sums)
    return ratio(hits.sum(axis=-1), sums["n"])


def _balanced_accuracy(sums: Sums) -> Array:
    hits, true, _ = _per_class(sums)
    return _mean_over(ratio(hits, true), true > 0)


def _mcc(sums: Sums) -> Array:
    hits, true, called = _per_class(sums)
    n, right = sums["n"], hits.sum(axis=-1)
    spread = (n**2 - (called**2).sum(axis=-1)) * (n**2 - (true**2).sum(axis=-1))
    return np.nan_to_num(ratio(right * n - (true * called).sum(axis=-1), np.sqrt(spread)), nan=0.0)


def _f1(sums: Sums) -> Array:
    hits, true, called = _per_class(sums)
    return _mean_over(ratio(2 * hits, true + called), true + called > 0)


def _precision(sums: Sums) -> Array:
    hits, true, called = _per_class(sums)
    return _mean_over(np.nan_to_num(ratio(hits, called), nan=0.0), true + called > 0)


def _recall(sums: Sums) -> Array:
    hits, true, called = _per_class(sums)
    return _mean_over(np.nan_to_num(ratio(hits, true), nan=0.0), true + called > 0)


def _auc(sums: Sums) -> Array:
    _, true, _ = _per_class(sums)
    areas = [
        ratio(sums[f"above_{i}"], true[..., i]) + ratio(sums[f"below_{i}"], sums["n"] - true[..., i]) for i in range(3)
    ]
    return np.asarray(np.mean(areas, axis=0))


CLASSIFICATION: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "direction_ic",
            "Direction IC",
            "higher",
            "coefficient",
            "Correlation of p(LONG) - p(SHORT), less its mean so far in the fold, with the realised return; undefined "
            "for a constant forecast.",
            correlation(),
            carried_by="ss",
        ),
        Metric(
            "direction_rank_ic",
            "Direction rank IC",
            "higher",
            "coefficient",
            "Rank correlation of p(LONG) - p(SHORT), less its mean rank so far in the fold, with the realised return.",
            correlation("rank_"),
            carried_by="rank_ss",
        ),
        Metric(
            "directional_accuracy_tradable",
            "Directional accuracy (tradable)",
            "higher",
            "share",
            "Of the rows called LONG or SHORT, the share whose return had that sign; a zero return is a miss.",
            share("hits", "calls"),
            carried_by="calls",
        ),
        Metric(
            "coverage_tradable",
            "Coverage (tradable)",
            "higher",
            "share",
            "Share of all rows called LONG or SHORT: how often, not how well.",
            share("calls", "n"),
            carried_by="calls",
        ),
        Metric(
            "directional_accuracy_on_moves",
            "Directional accuracy (on moves)",
            "higher",
            "share",
            "Of the rows both called and truly LONG or SHORT, the share called on the right side.",
            share("move_hits", "moves"),
            carried_by="moves",
        ),
        Metric(
            "coverage_on_moves",
            "Coverage (on moves)",
            "higher",
            "share",
            "Share of all rows both called and truly LONG or SHORT; known only afterwards.",
            share("moves", "n"),
            carried_by="moves",
        ),
        Metric("accuracy", "Accuracy", "higher", "share", "Share of rows whose class was called right.", _accuracy),
        Metric(
            "balanced_accuracy",
            "Balanced accuracy",
            "higher",
            "share",
            "Mean over the true classes of the share called right; one third without skill.",
            _balanced_accuracy,
        ),
        Metric(
            "mcc",
            "MCC",
            "higher",
            "coefficient",
            "Matthews correlation of called and true classes (Gorodkin 2004); 0 when only one class is called.",
            _mcc,
        ),
        Metric(
            "f1_macro",
            "F1 (macro)",
            "higher",
            "share",
            "Mean over the classes of the harmonic mean of precision and recall.",
            _f1,
        ),
        Metric(
            "precision_macro",
            "Precision (macro)",
            "higher",
            "share",
            "Mean over the classes of the share of calls that were right; 0 for a class never called.",
            _precision,
        ),
        Metric(
            "recall_macro",
            "Recall (macro)",
            "higher",
            "share",
            "Mean over the classes of the share of true rows that were called; 0 for a class never true.",
            _recall,
        ),
        Metric(
            "log_loss",
            "Log loss",
            "lower",
            "nats",
            "Mean of minus the logarithm of the probability given to the true class.",
            share("loss", "n"),
        ),
        Metric(
            "roc_auc_macro",
            "ROC AUC (macro)",
            "higher",
            "share",
            "Mean over the classes of the chance that a row of the class gets a higher probability than another row.",
            _auc,
        ),
    )
}
