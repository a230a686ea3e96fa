"""Random forest of scikit-learn: trees on small bootstrap samples of rows."""

from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from assay.market.models.archive import dump_sklearn, load_sklearn
from assay.market.models.base import BOTH_KINDS, Files, Floats, Matrix, Model, ModelRule, Target, member, spread
from assay.market.workload import Kind

FILE = "model.skops"
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
    """Parameters of a random forest under scikit-learn's names.

    Attributes:
        max_samples: Share of the training rows drawn for each tree. Labels overlap in time, so a tenth of the rows
            holds about as much information per tree as all of them, and fits in a tenth of the time.
        max_features: Share of the inputs tried at each split.
        threads: CPU threads, 0 = all cores.
    """

    kind: Literal["random_forest"] = "random_forest"
    n_estimators: int = Field(default=100, ge=1, le=5_000)
    max_depth: int = Field(default=6, ge=1, le=64)
    max_samples: float = Field(default=0.1, gt=0, le=1)
    max_features: float = Field(default=0.3, gt=0, le=1)
    min_samples_leaf: int = Field(default=50, ge=1)
    threads: int = Field(default=0, ge=0)

    heads: ClassVar[frozenset[Kind]] = BOTH_KINDS
    library: ClassVar[str] = "sklearn"

    def create(self, kind: Kind, *, seed: int) -> Model:
        """An unfitted forest."""
        from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

        family = {"classification": RandomForestClassifier, "regression": RandomForestRegressor}[kind]
        settings = self.model_dump(exclude={"kind", "search", "threads"})
        return ForestModel(family(**settings, random_state=seed, n_jobs=self.threads or -1))

    def restore(self, files: Files, kind: Kind) -> Model:  # noqa: ARG002
        """The forest in ``model.skops``."""
        return ForestModel(load_sklearn(member(files, FILE), TRUSTED))


class ForestModel:
    """Mean over trees of leaf class shares, or of leaf means."""

    best_iteration: int | None = None

    def __init__(self, forest: Any) -> None:  # noqa: ANN401
        self._forest = forest

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
        if isinstance(share := self._forest.max_samples, float):
            # As a count: scikit-learn warns at every fit about a share that comes to few rows.
            self._forest.max_samples = max(1, int(share * len(y)))
        self._forest.fit(X, y, sample_weight=weight)
        self._forest._sample_weight = None  # one number per training row, which no prediction reads
        # Threads would add up the trees in the order in which they finish, and the last bit would vary.
        self._forest.n_jobs = 1

    def predict(self, X: Matrix) -> Floats:
        """Probabilities (n, 3) or values (n,)."""
        if hasattr(self._forest, "predict_proba"):
            return spread(self._forest.predict_proba(X), self._forest.classes_)
        return np.asarray(self._forest.predict(X), dtype=np.float64)

    def importance(self) -> Floats:
        """Mean decrease of impurity by each input."""
        return np.asarray(self._forest.feature_importances_, dtype=np.float64)

    def dump(self) -> dict[str, bytes]:
        """A skops archive."""
        return {FILE: dump_sklearn(self._forest)}
