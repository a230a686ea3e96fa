"""What the models of scikit-learn share: answers, archives and SHAP values."""

import warnings
from typing import Any

import numpy as np

from assay.market.models.archive import dump_sklearn
from assay.market.models.base import Explained, Floats, Matrix, spread
from assay.market.workload import Kind

FILE = "model.skops"


class EstimatorModel:
    """A scikit-learn estimator for one kind of head."""

    best_iteration: int | None = None

    def __init__(self, estimator: Any, kind: Kind) -> None:  # noqa: ANN401
        self._estimator, self._kind = estimator, kind

    def predict(self, X: Matrix) -> Floats:
        """Probabilities (n, 3) or (n,), or values (n,)."""
        if self._kind == "regression":
            return np.asarray(self._estimator.predict(X), dtype=np.float64)
        return self._placed(self._estimator.predict_proba(X))

    def dump(self) -> dict[str, bytes]:
        """A skops archive."""
        return {FILE: dump_sklearn(self._estimator)}

    def _placed(self, probabilities: Floats) -> Floats:
        """Probabilities of the seen classes as those of all three, or of 1; a class never seen has none."""
        classes = self._estimator.classes_
        if self._kind == "classification":
            return spread(probabilities, classes)
        return np.asarray(probabilities[:, classes == 1].sum(axis=1), dtype=np.float64)


def tree_shap(estimator: Any, X: Matrix) -> Explained:  # noqa: ANN401
    """SHAP values of trees (Lundberg et al., *Nature Machine Intelligence* 2020, path dependent).

    Args:
        estimator: A fitted tree model that ``shap.TreeExplainer`` knows.
        X: Inputs, shape (n, p).

    Returns:
        Values of shape (n, p), or (n, p, seen classes), in the unit that the explainer chooses for such a model.
    """
    with warnings.catch_warnings():
        # Importing shap colours its plots in a way that matplotlib means to give up.
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        import shap
    explainer = shap.TreeExplainer(estimator)
    values = np.asarray(explainer.shap_values(X, check_additivity=False), dtype=np.float64)
    base = np.asarray(explainer.expected_value, dtype=np.float64)
    return Explained(values, base if values.ndim == 3 else base.reshape(()))
