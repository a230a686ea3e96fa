"""The probe: a small LightGBM whose use of the features several methods read."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from assay.market.models.base import Floats, Matrix, Model, Target, class_codes
from assay.market.models.lightgbm import FILE, LightGBM
from assay.market.parts import check_classes
from assay.market.splits import Mask
from assay.market.workload import Kind

CHILD_SHARE = 0.005  # of the rows in a leaf at least: with fewer, gain is mostly noise
THREADS = 1  # trees this small gain little from more, and lose much where other work wants the cores
EXPLAINED = 1_000  # newer rows at most whose SHAP values are computed
SMALLEST = 1e-15  # least probability counted by the log loss


@dataclass(frozen=True)
class Rows:
    """Rows that a probe is fitted on or judged by.

    Attributes:
        X: Inputs without missing values, shape (n, p).
        y: Classes, or returns in units of their standard deviation.
        weights: Weight of each row in a fit; a loss counts every row once.
    """

    X: Matrix
    y: Target
    weights: Floats

    def at(self, rows: Mask) -> "Rows":
        """Some of the rows."""
        return Rows(self.X[rows], self.y[rows], self.weights[rows])


@dataclass(frozen=True)
class ProbeRule:
    """What a fit of the probe needs besides rows.

    Attributes:
        kind: Classes or returns.
        seed: Seed of the fit and of the permutation.
        rounds: Boosting rounds. There is no early stopping: the newer rows must not shape the probe.
    """

    kind: Kind
    seed: int
    rounds: int


@dataclass(frozen=True)
class Probe:
    """A fitted probe.

    Attributes:
        model: Fitted on ``older``.
        rule: How.
        older: The rows it was fitted on.
        newer: Rows after them, purged, that it never saw.
    """

    model: Model
    rule: ProbeRule
    older: Rows
    newer: Rows

    def gain(self) -> Floats:
        """Total gain of the splits on each feature, shape (p,)."""
        return self.model.importance()

    def shap(self) -> Floats:
        """Mean absolute SHAP value of each feature over newer rows, summed over the classes, shape (p,).

        Over at most 1,000 of them, spread evenly: a mean of sizes is settled long before, and a row costs as much as a
        hundred predictions. Exact values of the trees, path-dependent (Lundberg et al., *Nature Machine Intelligence*
        2, 2020), in units of the raw score, computed by LightGBM itself.
        """
        import lightgbm as lgb

        booster = lgb.Booster(model_str=self.model.dump()[FILE].decode())
        rows = np.unique(np.linspace(0, len(self.newer.X) - 1, EXPLAINED).astype(int))
        values = np.asarray(booster.predict(self.newer.X[rows], pred_contrib=True, num_threads=THREADS))
        per_class = values.reshape(len(values), -1, self.newer.X.shape[1] + 1)
        return np.asarray(np.abs(per_class[:, :, :-1]).mean(axis=0).sum(axis=0), dtype=np.float64)

    def permutation(self) -> Floats:
        """How much the loss on the newer rows grows when the values of a feature are shuffled, shape (p,).

        Breiman (*Machine Learning* 45, 2001). The loss is log loss or mean squared error; every feature is shuffled in
        the same order, so that features are compared with the same luck. Below 0 for a feature that harms, and exactly
        0 for one that no tree uses.
        """
        order = np.random.default_rng(self.rule.seed).permutation(len(self.newer.y))
        used = np.flatnonzero(self.gain())
        base, X = self.loss(self.newer.X), self.newer.X.copy()
        growth = np.zeros(X.shape[1])
        for column in used:
            X[:, column] = self.newer.X[order, column]
            growth[column] = self.loss(X) - base
            X[:, column] = self.newer.X[:, column]
        return growth

    def recursive(self, *, keep: int, drop: float) -> Floats:
        """Round in which a feature was eliminated, finer by its gain in that round; higher is better, shape (p,).

        Recursive feature elimination (Guyon et al., *Machine Learning* 46, 2002): in each round the features with the
        least gain leave and the probe is fitted again without them.

        Args:
            keep: Elimination ends with so many features.
            drop: Share of the features that leaves in each round, at least one.
        """
        left, gain = np.arange(self.older.X.shape[1]), self.gain()
        scores = np.zeros(len(left))
        for step in range(len(left)):
            scores[left] = step + gain / (1.0 + gain.sum())
            leave = min(len(left) - keep, max(1, int(drop * len(left))))
            if leave <= 0:
                break
            left = np.sort(left[np.argsort(gain, kind="stable")[leave:]])
            gain = _fit(self.older, self.rule, left.tolist()).importance()
        return scores

    def loss(self, X: Matrix) -> float:
        """Log loss or mean squared error of the probe on the newer rows with other inputs."""
        out, y = self.model.predict(X), self.newer.y
        if self.rule.kind == "regression":
            return float(((y - out) ** 2).mean())
        return float(-np.log(np.maximum(out[np.arange(len(y)), class_codes(y)], SMALLEST)).mean())


def fit_probe(older: Rows, newer: Rows, rule: ProbeRule) -> Probe:
    """Fit the probe on the older rows.

    Raises:
        SplitError: The older rows are of one class.
    """
    if rule.kind == "classification":
        check_classes(older.y)
    return Probe(_fit(older, rule, range(older.X.shape[1])), rule, older, newer)


def _fit(rows: Rows, rule: ProbeRule, columns: Sequence[int]) -> Model:
    params = LightGBM(
        n_estimators=rule.rounds,
        learning_rate=0.1,
        num_leaves=15,
        min_child_samples=max(5, round(CHILD_SHARE * len(rows.y))),
        max_bin=63,
        early_stopping_rounds=None,
        threads=THREADS,
    )
    model = params.create(rule.kind, seed=rule.seed)
    model.fit(np.ascontiguousarray(rows.X[:, columns]), rows.y, weight=rows.weights)
    return model
