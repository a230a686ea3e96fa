"""The rows that features are judged on, and what makes a feature unfit before it is judged."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import polars as pl

from assay.market.models.base import Floats, Target
from assay.market.parts import TARGETS, feature_names
from assay.market.selection.probe import Probe, ProbeRule, Rows, fit_probe
from assay.market.selection.rule import SelectionRule, Task
from assay.market.selection.univariate import spread_rows
from assay.market.splits import holdout_tail
from assay.market.weights import sample_weights


@dataclass(frozen=True)
class Sample:
    """Evenly spread rows of a training part.

    Attributes:
        values: Features that can be used, missing and infinite values filled with the median.
        labels: Labels of the same rows.
        y: Classes, or returns in units of their standard deviation.
        weights: Weight of each row.
        task: What the features are chosen for.
        rule: How.
    """

    values: pl.DataFrame
    labels: pl.DataFrame
    y: Target
    weights: Floats
    task: Task
    rule: SelectionRule

    @cached_property
    def probe(self) -> Probe:
        """A small model of the older rows, with the newer ones, purged, beside it; fitted once for all methods.

        Raises:
            SplitError: Too few rows for both, or the older rows are of one class.
        """
        older, newer = holdout_tail(self.labels, self.rule.newer)
        rows = Rows(self.values.cast(pl.Float32).to_numpy(), self.y, self.weights)
        rule = ProbeRule(self.task.kind, self.task.seed, self.rule.rounds)
        return fit_probe(rows.at(older), rows.at(newer), rule)

    def without(self, names: Collection[str]) -> "Sample":
        """The same rows with fewer features."""
        return replace(self, values=self.values.drop(names))


def draw(features: pl.DataFrame, labels: pl.DataFrame, rule: SelectionRule, *, task: Task) -> Sample:
    """Draw the rows that decide between features.

    Args:
        features: Features that can be used, rows of the fit only.
        labels: Labels of the same rows.
        rule: How many rows.
        task: Kind, seed and weights; these are computed from all rows of the fit.
    """
    rows = spread_rows(labels.height, rule.rows, seed=task.seed)
    y = labels[TARGETS[task.kind]].to_numpy()[rows]
    finite = finite_values(features[rows])
    return Sample(
        values=finite.select(pl.all().fill_null(pl.all().median()).fill_null(0.0)),
        labels=labels[rows],
        y=y / (float(y.std()) or 1.0) if task.kind == "regression" else y,
        weights=sample_weights(labels, task.weights)[rows],
        task=task,
        rule=rule,
    )


def finite_values(features: pl.DataFrame) -> pl.DataFrame:
    """The feature columns with infinite values and NaN as null."""
    return features.select(
        pl.when(pl.col(name).is_finite()).then(pl.col(name)).alias(name) for name in feature_names(features)
    )


def unusable(features: pl.DataFrame, min_coverage: float) -> dict[str, str]:
    """Reasons for the columns that are mostly missing or constant.

    Args:
        features: Features table, all rows of the fit.
        min_coverage: Least share of finite values.
    """
    reasons = {}
    for column in finite_values(features):
        share = column.count() / len(column)
        if share < min_coverage:
            reasons[column.name] = f"coverage {share:.3f} below {min_coverage}"
        elif column.min() == column.max():
            reasons[column.name] = "constant"
    return reasons


def near_duplicates(values: pl.DataFrame, scores: Floats, limit: float) -> dict[str, str]:
    """Reasons for the columns that nearly repeat one with a higher score.

    Columns are visited by falling score, the earlier one first if equal; one that correlates more than ``limit`` with
    any that was kept before is dropped.

    Args:
        values: Columns without missing values.
        scores: Univariate score of each.
        limit: Largest absolute correlation.
    """
    X = values.cast(pl.Float64).to_numpy()
    centred = X - X.mean(axis=0)
    norm = np.sqrt((centred**2).sum(axis=0))
    norm[norm == 0] = 1.0
    correlation = np.abs((centred / norm).T @ (centred / norm))
    kept: list[int] = []
    reasons = {}
    for column in np.argsort(-scores, kind="stable").tolist():
        twin = next((better for better in kept if correlation[column, better] > limit), None)
        if twin is None:
            kept.append(column)
        else:
            reasons[values.columns[column]] = f"correlation {correlation[column, twin]:.3f} with {values.columns[twin]}"
    return reasons
