"""XGBoost: gradient-boosted trees on histograms."""

from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from assay.market.models.base import Explained, Files, Floats, Matrix, Model, Target, member
from assay.market.models.boosting import BoostedModel, BoostingRule, threads_for
from assay.market.models.margins import from_native
from assay.market.workload import Kind

FILE = "model.ubj"
OBJECTIVES: dict[Kind, tuple[str, str]] = {
    "classification": ("multi:softprob", "mlogloss"),
    "regression": ("reg:squarederror", "rmse"),
    "binary": ("binary:logistic", "logloss"),
}


class XGBoost(BoostingRule):
    """Parameters of XGBoost under its own names.

    Attributes:
        min_child_weight: Least sum of Hessians in a leaf: 1 per row for regression, about .44 for even classes.
    """

    kind: Literal["xgboost"] = "xgboost"
    max_depth: int = Field(default=4, ge=1, le=16)
    min_child_weight: float = Field(default=20.0, ge=0)
    gamma: float = Field(default=0.0, ge=0)
    max_bin: int = Field(default=256, ge=2, le=4096)

    library: ClassVar[str] = "xgboost"

    def create(self, kind: Kind, *, seed: int) -> Model:
        """An unfitted model."""
        return XGBoostModel(self, kind, seed=seed)

    def restore(self, files: Files, kind: Kind) -> Model:
        """The model in ``model.ubj``."""
        import xgboost as xgb

        booster = xgb.Booster({"nthread": self.threads})
        booster.load_model(bytearray(member(files, FILE)))
        return XGBoostModel(self, kind, seed=0, booster=booster)


class XGBoostModel(BoostedModel):
    """Boosted trees of XGBoost."""

    _threads: int | None = None

    def fit(
        self, X: Matrix, y: Target, tail: tuple[Matrix, Target] | None = None, *, weight: Floats | None = None
    ) -> None:
        """Boost until the score on the tail stops improving, and keep the best rounds only."""
        import xgboost as xgb

        rounds = self._params.early_stopping_rounds if tail else None
        train, newer = self._binned(
            self._settings()["max_bin"],
            of=(X, y, weight, *(tail or ())),
            make=lambda: self._matrices(X, y, tail, weight=weight),
        )
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
        self._booster = booster

    def predict(self, X: Matrix) -> Floats:
        """Probabilities (n, 3) or (n,), or values (n,)."""
        if (threads := threads_for(len(X), self._params.threads)) != self._threads:
            self._booster.set_param({"nthread": threads})  # it configures itself anew, so only on a change
            self._threads = threads
        out = self._booster.inplace_predict(X).astype(np.float64)
        if self._kind == "classification":
            out /= out.sum(axis=1, keepdims=True)  # float32 rows sum to 1 only within 1e-7
        return np.asarray(out, dtype=np.float64)

    def importance(self) -> Floats:
        """Total gain of the splits on each input."""
        gains = self._booster.get_score(importance_type="total_gain")
        return np.array([gains.get(f"f{i}", 0.0) for i in range(self._booster.num_features())], dtype=np.float64)

    def explain(self, X: Matrix) -> Explained:
        """XGBoost's own SHAP values (tree path dependent), summed in float32, of scores, log-odds or values."""
        import xgboost as xgb

        rows = xgb.DMatrix(X, nthread=self._params.threads)
        return from_native(self._booster.predict(rows, pred_contribs=True))

    def dump(self) -> dict[str, bytes]:
        """Universal binary JSON, XGBoost's own format."""
        return {FILE: bytes(self._booster.save_raw("ubj"))}

    def _matrices(
        self, X: Matrix, y: Target, tail: tuple[Matrix, Target] | None, *, weight: Floats | None
    ) -> tuple[Any, list[tuple[Any, str]]]:
        """The binned rows, and those of the tail in the same bins, if there is one."""
        import xgboost as xgb

        settings = self._settings()
        common = {name: settings[name] for name in ("max_bin", "nthread")}
        train = xgb.QuantileDMatrix(X, self._encode(y), weight=weight, **common)
        if tail is None:
            return train, []
        return train, [(xgb.QuantileDMatrix(tail[0], self._encode(tail[1]), ref=train, **common), "tail")]

    def _settings(self) -> dict[str, Any]:
        objective, metric = OBJECTIVES[self._kind]
        return self._params.settings(self._kind) | {
            "objective": objective,
            "eval_metric": metric,
            "tree_method": "hist",
            "seed": self._seed,
            "nthread": self._params.threads,
        }
