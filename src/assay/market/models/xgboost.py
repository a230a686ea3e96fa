"""XGBoost: gradient-boosted trees on histograms."""

from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from assay.market.models.base import BOTH_KINDS, Files, Floats, Matrix, Model, ModelRule, Target, class_codes, member
from assay.market.tables import CLASSES
from assay.market.workload import Kind

FILE = "model.ubj"


class XGBoost(ModelRule):
    """Parameters of XGBoost under its own names; defaults suit weak signals in thousands of rows.

    Attributes:
        n_estimators: Most boosting rounds; early stopping usually ends sooner.
        early_stopping_rounds: Rounds without a better score on the purged tail; None = no early stopping, no tail.
        min_child_weight: Least sum of Hessians in a leaf: 1 per row for regression, about .44 for even classes.
        threads: CPU threads, 0 = all cores.
    """

    kind: Literal["xgboost"] = "xgboost"
    n_estimators: int = Field(default=300, ge=1, le=10_000)
    learning_rate: float = Field(default=0.05, gt=0, le=1)
    max_depth: int = Field(default=4, ge=1, le=16)
    min_child_weight: float = Field(default=20.0, ge=0)
    subsample: float = Field(default=0.8, gt=0, le=1)
    colsample_bytree: float = Field(default=0.5, gt=0, le=1)
    gamma: float = Field(default=0.0, ge=0)
    reg_alpha: float = Field(default=0.0, ge=0)
    reg_lambda: float = Field(default=1.0, ge=0)
    max_bin: int = Field(default=256, ge=2, le=4096)
    early_stopping_rounds: int | None = Field(default=30, ge=1)
    threads: int = Field(default=0, ge=0)

    heads: ClassVar[frozenset[Kind]] = BOTH_KINDS
    library: ClassVar[str] = "xgboost"

    @property
    def stops_early(self) -> bool:
        """Whether a purged tail chooses the number of rounds."""
        return self.early_stopping_rounds is not None

    def create(self, kind: Kind, *, seed: int) -> Model:
        """An unfitted model."""
        return XGBoostModel(self, kind, seed)

    def restore(self, files: Files, kind: Kind) -> Model:
        """The model in ``model.ubj``."""
        import xgboost as xgb

        model = XGBoostModel(self, kind, seed=0)
        model.booster = xgb.Booster({"nthread": self.threads})
        model.booster.load_model(bytearray(member(files, FILE)))
        return model


class XGBoostModel:
    """Multi-class probabilities (log loss) or values (squared error)."""

    def __init__(self, params: XGBoost, kind: Kind, seed: int) -> None:
        self._params, self._kind, self._seed = params, kind, seed
        self.booster: Any = None
        self.best_iteration: int | None = None

    def fit(self, X: Matrix, y: Target, tail: tuple[Matrix, Target] | None = None) -> None:
        """Boost until the score on the tail stops improving, and keep the best rounds only."""
        import xgboost as xgb

        rounds = self._params.early_stopping_rounds if tail else None
        common = {"max_bin": self._params.max_bin, "nthread": self._params.threads}
        train = xgb.QuantileDMatrix(X, self._encode(y), **common)
        newer = [(xgb.QuantileDMatrix(tail[0], self._encode(tail[1]), ref=train, **common), "tail")] if tail else []
        booster = xgb.train(
            self._settings(),
            train,
            self._params.n_estimators,
            evals=newer,
            early_stopping_rounds=rounds,
            verbose_eval=False,
        )
        if rounds:
            self.best_iteration = booster.best_iteration + 1
            booster = booster[: self.best_iteration]
        self.booster = booster

    def predict(self, X: Matrix) -> Floats:
        """Probabilities (n, 3) or values (n,)."""
        out = self.booster.inplace_predict(X).astype(np.float64)
        if self._kind == "classification":
            out /= out.sum(axis=1, keepdims=True)  # float32 rows sum to 1 only within 1e-7
        return np.asarray(out, dtype=np.float64)

    def importance(self) -> Floats:
        """Total gain of the splits on each input."""
        gains = self.booster.get_score(importance_type="total_gain")
        return np.array([gains.get(f"f{i}", 0.0) for i in range(self.booster.num_features())], dtype=np.float64)

    def dump(self) -> dict[str, bytes]:
        """Universal binary JSON, XGBoost's own format."""
        return {FILE: bytes(self.booster.save_raw("ubj"))}

    def _encode(self, y: Target) -> Target:
        return class_codes(y) if self._kind == "classification" else y

    def _settings(self) -> dict[str, Any]:
        objective = {"classification": "multi:softprob", "regression": "reg:squarederror"}[self._kind]
        metric = {"classification": "mlogloss", "regression": "rmse"}[self._kind]
        rounds = {"kind", "search", "n_estimators", "early_stopping_rounds", "threads"}
        settings = self._params.model_dump(exclude=rounds) | {
            "objective": objective,
            "eval_metric": metric,
            "tree_method": "hist",
            "seed": self._seed,
            "nthread": self._params.threads,
        }
        return settings | ({"num_class": len(CLASSES)} if self._kind == "classification" else {})
