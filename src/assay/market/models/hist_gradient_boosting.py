"""Histogram gradient boosting of scikit-learn."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from assay.market.models.archive import load_sklearn
from assay.market.models.base import Explained, Files, Floats, Matrix, Model, Target, member
from assay.market.models.boosting import BoostedRule, scorable, threads_for
from assay.market.models.estimator import FILE, EstimatorModel, tree_shap
from assay.market.models.margins import for_kind
from assay.market.workload import Kind

_BOOSTING = "sklearn.ensemble._hist_gradient_boosting"
TRUSTED = frozenset(
    {f"{_BOOSTING}.gradient_boosting.HistGradientBoosting{end}" for end in ("Classifier", "Regressor")}
    | {f"{_BOOSTING}.{name}" for name in ("binning._BinMapper", "predictor.TreePredictor")}
    | {f"sklearn._loss._loss.CyHalf{name}" for name in ("BinomialLoss", "MultinomialLoss", "SquaredError")}
    | {f"sklearn._loss.loss.Half{name}" for name in ("BinomialLoss", "MultinomialLoss", "SquaredError")}
    | {f"sklearn._loss.link.{name}" for name in ("IdentityLink", "Interval", "LogitLink", "MultinomialLogit")}
    | {"sklearn.preprocessing._label.LabelEncoder", "numpy.uint64"}
)


class HistGradientBoosting(BoostedRule):
    """Parameters of scikit-learn's histogram gradient boosting under its own names.

    Attributes:
        max_iter: Most boosting rounds; early stopping usually ends sooner.
        max_depth: Deepest tree, None = limited by ``max_leaf_nodes`` only.
        l2_regularization: Penalty of leaf values.
        max_features: Share of the inputs tried at each split.
        max_bins: Most bins per input.
    """

    kind: Literal["hist_gradient_boosting"] = "hist_gradient_boosting"
    max_iter: int = Field(default=300, ge=1, le=10_000)
    learning_rate: float = Field(default=0.05, gt=0, le=1)
    max_leaf_nodes: int = Field(default=15, ge=2, le=4096)
    max_depth: int | None = Field(default=None, ge=1, le=64)
    min_samples_leaf: int = Field(default=50, ge=1)
    l2_regularization: float = Field(default=1.0, ge=0)
    max_features: float = Field(default=0.5, gt=0, le=1)
    max_bins: int = Field(default=255, ge=2, le=255)

    library: ClassVar[str] = "sklearn"

    def create(self, kind: Kind, *, seed: int) -> Model:
        """An unfitted model."""
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

        family = HistGradientBoostingRegressor if kind == "regression" else HistGradientBoostingClassifier
        settings = self.model_dump(exclude={"kind", "search", "threads", "early_stopping_rounds"})
        # Unless told not to, scikit-learn stops on rows that it draws at random.
        settings |= {"early_stopping": self.stops_early, "n_iter_no_change": self.early_stopping_rounds or 1, "tol": 0}
        return HistGradientBoostingModel(family(**settings, random_state=seed), kind, threads=self.threads)

    def restore(self, files: Files, kind: Kind) -> Model:
        """The model in ``model.skops``."""
        return HistGradientBoostingModel(load_sklearn(member(files, FILE), TRUSTED), kind, threads=self.threads)


class HistGradientBoostingModel(EstimatorModel):
    """Boosted trees of scikit-learn: probabilities of three classes, or of being right, or values."""

    def __init__(self, estimator: Any, kind: Kind, *, threads: int) -> None:  # noqa: ANN401
        super().__init__(estimator, kind)
        self._threads = threads

    def fit(
        self, X: Matrix, y: Target, tail: tuple[Matrix, Target] | None = None, *, weight: Floats | None = None
    ) -> None:
        """Boost until the score on the tail stops improving, and keep the best rounds only."""
        estimator = self._estimator
        newer = scorable(tail, y, self._kind) if tail and estimator.early_stopping else None
        estimator.early_stopping = newer is not None
        validation = dict(zip(("X_val", "y_val"), newer or (), strict=False))
        with _openmp(self._threads):
            estimator.fit(X, y, sample_weight=weight, **validation)
        if newer:
            self.best_iteration = max(1, int(np.argmax(estimator.validation_score_)))  # the first score is of no tree
            del estimator._predictors[self.best_iteration :]
        estimator._feature_subsample_rng = None  # its state is of no use to predictions

    def predict(self, X: Matrix) -> Floats:
        """Probabilities (n, 3) or (n,), or values (n,)."""
        estimator = self._estimator
        # What its public methods do, but they take no number of threads, and to limit them from outside takes longer
        # than to predict a few rows.
        margins = estimator._raw_predict(X, n_threads=threads_for(len(X), self._threads) or None)
        if self._kind == "regression":
            return np.asarray(margins.ravel(), dtype=np.float64)
        return self._placed(estimator._loss.predict_proba(margins))

    def importance(self) -> Floats:
        """Total gain of the splits on each input."""
        total = np.zeros(self._estimator.n_features_in_)
        for tree in (tree for trees in self._estimator._predictors for tree in trees):
            splits = tree.nodes[tree.nodes["is_leaf"] == 0]
            np.add.at(total, splits["feature_idx"], splits["gain"])
        return total

    def explain(self, X: Matrix) -> Explained:
        """SHAP values by shap's TreeExplainer, of scores, log-odds or values."""
        classes = getattr(self._estimator, "classes_", np.empty(0))
        return for_kind(tree_shap(self._estimator, X), self._kind, classes)


@contextmanager
def _openmp(threads: int) -> Iterator[None]:
    """Limit scikit-learn's threads, which it takes no parameter for; 0 = all cores."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(threads or None, user_api="openmp"):
        yield
