"""Linear models of scikit-learn: the baselines that a tree ensemble has to beat."""

from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from assay.market.models.archive import dump_sklearn, load_sklearn
from assay.market.models.base import Explained, Files, Floats, Matrix, Model, ModelRule, Target, member
from assay.market.models.estimator import FILE, EstimatorModel
from assay.market.models.margins import for_kind
from assay.market.workload import Kind


class Logistic(ModelRule):
    """Logistic regression with an L2 penalty: multinomial for three classes, binary for right or wrong.

    Attributes:
        C: Inverse penalty. The default shrinks about as much as a ridge ``alpha`` of 500.
        max_iter: Most iterations of the solver; scikit-learn warns when they do not suffice.
    """

    kind: Literal["logistic"] = "logistic"
    C: float = Field(default=0.01, gt=0)
    max_iter: int = Field(default=1_000, ge=1)

    heads: ClassVar[frozenset[Kind]] = frozenset({"classification", "binary"})
    library: ClassVar[str] = "sklearn"

    def create(self, kind: Kind, *, seed: int) -> Model:  # noqa: ARG002
        """An unfitted model; the solver draws nothing at random."""
        from sklearn.linear_model import LogisticRegression

        return LinearModel(LogisticRegression(C=self.C, max_iter=self.max_iter), kind)

    def restore(self, files: Files, kind: Kind) -> Model:
        """The model in ``model.skops``."""
        return _opened(files, kind, "sklearn.linear_model._logistic.LogisticRegression")


class Ridge(ModelRule):
    """Least squares with an L2 penalty, on standardised inputs.

    Attributes:
        alpha: Penalty in rows: a coefficient is shrunk by about n / (n + alpha).
    """

    kind: Literal["ridge"] = "ridge"
    alpha: float = Field(default=500.0, ge=0)

    heads: ClassVar[frozenset[Kind]] = frozenset({"regression"})
    library: ClassVar[str] = "sklearn"

    def create(self, kind: Kind, *, seed: int) -> Model:  # noqa: ARG002
        """An unfitted model; the solver draws nothing at random."""
        from sklearn.linear_model import Ridge as SklearnRidge

        return LinearModel(SklearnRidge(alpha=self.alpha, solver="cholesky"), kind)

    def restore(self, files: Files, kind: Kind) -> Model:
        """The model in ``model.skops``."""
        return _opened(files, kind, "sklearn.linear_model._ridge.Ridge")


class LinearModel(EstimatorModel):
    """A fitted linear model of any kind, and the means of its training inputs, from which SHAP values are counted."""

    def __init__(self, estimator: Any, kind: Kind, means: Floats | None = None) -> None:  # noqa: ANN401
        super().__init__(estimator, kind)
        self._means = np.empty(0) if means is None else means

    def fit(
        self,
        X: Matrix,
        y: Target,
        tail: tuple[Matrix, Target] | None = None,  # noqa: ARG002
        *,
        weight: Floats | None = None,
    ) -> None:
        """Solve in float64; a linear model needs no tail."""
        from threadpoolctl import threadpool_limits

        inputs = X.astype(np.float64)
        # Matrices this narrow are solved eight times faster by one thread than by two that wait for each other.
        with threadpool_limits(1, user_api="blas"):
            self._estimator.fit(inputs, y, sample_weight=weight)
        self._means = np.average(inputs, axis=0, weights=weight)

    def predict(self, X: Matrix) -> Floats:
        """Probabilities (n, 3) or (n,), or values (n,)."""
        return super().predict(X.astype(np.float64))

    def importance(self) -> Floats:
        """Absolute coefficient, mean over classes; comparable between inputs when they are standardised."""
        weights = np.abs(np.atleast_2d(self._estimator.coef_)).mean(axis=0)
        return np.asarray(weights, dtype=np.float64)

    def explain(self, X: Matrix) -> Explained:
        """Coefficient times distance from the (weighted) training mean, of a value, log-odds or scores.

        The SHAP value of a linear model whose inputs are taken as independent (Lundberg and Lee 2017, corollary 1).
        """
        coefficients = np.atleast_2d(self._estimator.coef_).T
        values = (X - self._means)[:, :, None] * coefficients
        base = self._estimator.intercept_ + self._means @ coefficients
        if coefficients.shape[1] == 1:  # a value, or the log-odds of the second of two classes
            values, base = values[:, :, 0], base[0]
        classes = getattr(self._estimator, "classes_", np.empty(0))
        return for_kind(Explained(values, np.asarray(base)), self._kind, classes)

    def dump(self) -> dict[str, bytes]:
        """A skops archive."""
        return {FILE: dump_sklearn({"estimator": self._estimator, "means": self._means})}


def _opened(files: Files, kind: Kind, trusted: str) -> LinearModel:
    parts = load_sklearn(member(files, FILE), frozenset({trusted}))
    return LinearModel(parts["estimator"], kind, parts["means"])
