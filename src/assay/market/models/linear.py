"""Linear models of scikit-learn: the baselines that a tree ensemble has to beat."""

from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from assay.market.models.archive import dump_sklearn, load_sklearn
from assay.market.models.base import Files, Floats, Matrix, Model, ModelRule, Target, member, spread
from assay.market.workload import Kind

FILE = "model.skops"


class Logistic(ModelRule):
    """Multinomial logistic regression with an L2 penalty.

    Attributes:
        C: Inverse penalty. The default shrinks about as much as a ridge ``alpha`` of 500.
        max_iter: Most iterations of the solver; scikit-learn warns when they do not suffice.
    """

    kind: Literal["logistic"] = "logistic"
    C: float = Field(default=0.01, gt=0)
    max_iter: int = Field(default=1_000, ge=1)

    heads: ClassVar[frozenset[Kind]] = frozenset({"classification"})
    library: ClassVar[str] = "sklearn"

    def create(self, kind: Kind, *, seed: int) -> Model:  # noqa: ARG002
        """An unfitted model; the solver draws nothing at random."""
        from sklearn.linear_model import LogisticRegression

        return LinearModel(LogisticRegression(C=self.C, max_iter=self.max_iter))

    def restore(self, files: Files, kind: Kind) -> Model:  # noqa: ARG002
        """The model in ``model.skops``."""
        trusted = frozenset({"sklearn.linear_model._logistic.LogisticRegression"})
        return LinearModel(load_sklearn(member(files, FILE), trusted))


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

        return LinearModel(SklearnRidge(alpha=self.alpha, solver="cholesky"))

    def restore(self, files: Files, kind: Kind) -> Model:  # noqa: ARG002
        """The model in ``model.skops``."""
        return LinearModel(load_sklearn(member(files, FILE), frozenset({"sklearn.linear_model._ridge.Ridge"})))


class LinearModel:
    """A fitted linear model of either kind."""

    best_iteration: int | None = None

    def __init__(self, estimator: Any) -> None:  # noqa: ANN401
        self._estimator = estimator

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

        # Matrices this narrow are solved eight times faster by one thread than by two that wait for each other.
        with threadpool_limits(1, user_api="blas"):
            self._estimator.fit(X.astype(np.float64), y, sample_weight=weight)

    def predict(self, X: Matrix) -> Floats:
        """Probabilities (n, 3) or values (n,)."""
        if hasattr(self._estimator, "predict_proba"):
            return spread(self._estimator.predict_proba(X.astype(np.float64)), self._estimator.classes_)
        return np.asarray(self._estimator.predict(X.astype(np.float64)), dtype=np.float64)

    def importance(self) -> Floats:
        """Absolute coefficient, mean over classes; comparable between inputs when they are standardised."""
        weights = np.abs(np.atleast_2d(self._estimator.coef_)).mean(axis=0)
        return np.asarray(weights, dtype=np.float64)

    def dump(self) -> dict[str, bytes]:
        """A skops archive."""
        return {FILE: dump_sklearn(self._estimator)}
