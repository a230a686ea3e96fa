"""Random forest of scikit-learn: trees on small bootstrap samples of rows."""

from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from assay.market.models.archive import load_sklearn
from assay.market.models.base import EVERY_KIND, Explained, Files, Floats, Matrix, Model, ModelRule, Target, member
from assay.market.models.estimator import FILE, EstimatorModel, tree_shap
from assay.market.models.margins import by_class
from assay.market.workload import Kind

TRUSTED = frozenset(
    {
        "sklearn.ensemble._forest.RandomForestClassifier",
        "sklearn.ensemble._forest.RandomForestRegressor",
        "sklearn.tree._classes.DecisionTreeClassifier",
        "sklearn.tree._classes.DecisionTreeRegressor",
        "sklearn.tree._tree.Tree",
    }
)


class RandomForest(ModelRule):
    """Parameters of a random forest under scikit-learn's names, and a budget of rows.

    Attributes:
        max_samples: Share of the training rows drawn for each tree. Labels overlap in time, so a tenth of the rows
            holds about as much information per tree as all of them, and fits in a tenth of the time.
        max_rows: Most rows drawn for a tree, however many that share would be.
        max_features: Share of the inputs tried at each split.
        threads: CPU threads, 0 = all cores.
    """

    kind: Literal["random_forest"] = "random_forest"
    n_estimators: int = Field(default=100, ge=1, le=5_000)
    max_depth: int = Field(default=6, ge=1, le=64)
    max_samples: float = Field(default=0.1, gt=0, le=1)
    max_rows: int = Field(default=20_000, ge=1)
    max_features: float = Field(default=0.3, gt=0, le=1)
    min_samples_leaf: int = Field(default=50, ge=1)
    threads: int = Field(default=0, ge=0)

    heads: ClassVar[frozenset[Kind]] = EVERY_KIND
    library: ClassVar[str] = "sklearn"

    def create(self, kind: Kind, *, seed: int) -> Model:
        """An unfitted forest."""
        from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

        family = RandomForestRegressor if kind == "regression" else RandomForestClassifier
        settings = self.model_dump(exclude={"kind", "search", "threads", "max_samples", "max_rows"})
        forest = family(**settings, random_state=seed, n_jobs=self.threads or -1)
        return ForestModel(forest, kind, budget=(self.max_samples, self.max_rows))

    def restore(self, files: Files, kind: Kind) -> Model:
        """The forest in ``model.skops``."""
        return ForestModel(load_sklearn(member(files, FILE), TRUSTED), kind)


class ForestModel(EstimatorModel):
    """Mean over trees of leaf class shares, or of leaf means."""

    def __init__(self, forest: Any, kind: Kind, *, budget: tuple[float, int] = (1.0, 1)) -> None:  # noqa: ANN401
        super().__init__(forest, kind)
        self._share, self._most = budget

    def fit(
        self,
        X: Matrix,
        y: Target,
        tail: tuple[Matrix, Target] | None = None,  # noqa: ARG002
        *,
        weight: Floats | None = None,
    ) -> None:
        """Grow the trees on rows drawn in proportion to their weight; a forest needs no tail."""
        if weight is not None and np.ptp(weight) == 0:
            weight = None  # the same shares, but scikit-learn would draw other rows
        # As a count: scikit-learn warns at every fit about a share that comes to few rows.
        self._estimator.max_samples = min(max(1, int(self._share * len(y))), self._most)
        self._estimator.fit(X, y, sample_weight=weight)
        self._estimator._sample_weight = None  # one number per training row, which no prediction reads
        # The same forest is the same file, however many threads grew it.
        self._estimator.n_jobs = 1

    def predict(self, X: Matrix) -> Floats:
        """Probabilities (n, 3) or (n,), or values (n,)."""
        trees = self._estimator.estimators_
        # The sum that scikit-learn makes, in its order; for one row its own loop takes ten times as long as the trees.
        mean = sum(tree.tree_.predict(X) for tree in trees) / len(trees)
        return np.asarray(mean[:, 0]) if self._kind == "regression" else self._placed(mean)

    def importance(self) -> Floats:
        """Mean decrease of impurity by each input."""
        return np.asarray(self._estimator.feature_importances_, dtype=np.float64)

    def explain(self, X: Matrix) -> Explained:
        """SHAP values by shap's TreeExplainer, of the probability (classes, right or wrong) or of the value."""
        found = tree_shap(self._estimator, X)
        if self._kind == "regression":
            return found
        classes = self._estimator.classes_
        if self._kind == "classification":
            return by_class(found, classes, never=0.0)
        right = classes == 1
        return Explained(found.values[..., right].sum(axis=-1), found.base[right].sum())
