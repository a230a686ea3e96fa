"""LightGBM: gradient-boosted trees grown leaf by leaf."""

from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from assay.market.models.base import Explained, Files, Floats, Matrix, Model, Target, member
from assay.market.models.boosting import BoostedModel, BoostingRule, threads_for
from assay.market.models.margins import from_native
from assay.market.tables import CLASSES
from assay.market.workload import Kind

FILE = "model.txt"
OBJECTIVES: dict[Kind, tuple[str, str]] = {
    "classification": ("multiclass", "multi_logloss"),
    "regression": ("regression", "rmse"),
    "binary": ("binary", "binary_logloss"),
}


class LightGBM(BoostingRule):
    """Parameters of LightGBM under the names of its scikit-learn interface.

    Attributes:
        subsample: Share of rows drawn anew every ``subsample_freq`` rounds.
        max_depth: Deepest tree, -1 = limited by ``num_leaves`` only.
    """

    kind: Literal["lightgbm"] = "lightgbm"
    num_leaves: int = Field(default=15, ge=2, le=4096)
    max_depth: int = Field(default=-1, ge=-1, le=64)
    min_child_samples: int = Field(default=50, ge=1)
    subsample_freq: int = Field(default=1, ge=0)
    min_split_gain: float = Field(default=0.0, ge=0)
    max_bin: int = Field(default=255, ge=2, le=4096)

    library: ClassVar[str] = "lightgbm"

    def create(self, kind: Kind, *, seed: int) -> Model:
        """An unfitted model."""
        return LightGBMModel(self, kind, seed=seed)

    def restore(self, files: Files, kind: Kind) -> Model:
        """The model in ``model.txt``."""
        model = LightGBMModel(self, kind, seed=0)
        model.open(member(files, FILE).decode())
        return model


class LightGBMModel(BoostedModel):
    """Boosted trees of LightGBM."""

    _text = ""

    def open(self, text: str) -> None:
        """Take the model from its text form."""
        import lightgbm as lgb

        self._text, self._booster = text, lgb.Booster(model_str=text)

    def fit(
        self, X: Matrix, y: Target, tail: tuple[Matrix, Target] | None = None, *, weight: Floats | None = None
    ) -> None:
        """Boost until the score on the tail stops improving, and keep the best rounds only."""
        import lightgbm as lgb

        settings = self._settings()
        rounds = self._params.early_stopping_rounds if tail else None
        train, newer = self._binned(
            (settings["max_bin"], self._seed),
            of=(X, y, weight, *(tail or ())),
            make=lambda: self._datasets(X, y, tail, weight=weight),
        )
        booster = lgb.train(
            settings,
            train,
            self._params.n_estimators,
            valid_sets=newer,
            callbacks=[lgb.early_stopping(rounds, verbose=False)] if rounds else None,
        )
        self.best_iteration = booster.best_iteration if rounds else None
        # Predicting from the text form (the best rounds only) makes a fitted and a reopened model the same to the bit.
        self.open(booster.model_to_string())

    def predict(self, X: Matrix) -> Floats:
        """Probabilities (n, 3) or (n,), or values (n,)."""
        return np.asarray(
            self._booster.predict(X, num_threads=threads_for(len(X), self._params.threads)), dtype=np.float64
        )

    def importance(self) -> Floats:
        """Total gain of the splits on each input."""
        return np.asarray(self._booster.feature_importance("gain"), dtype=np.float64)

    def explain(self, X: Matrix) -> Explained:
        """LightGBM's own SHAP values (tree path dependent) of scores, log-odds or values."""
        flat = self._booster.predict(X, pred_contrib=True, num_threads=self._params.threads)
        width = X.shape[1] + 1
        return from_native(flat.reshape(len(X), len(CLASSES), width) if self._kind == "classification" else flat)

    def dump(self) -> dict[str, bytes]:
        """LightGBM's own text format. A damaged text kills the process that opens it: compare hashes before."""
        return {FILE: self._text.encode()}

    def _datasets(
        self, X: Matrix, y: Target, tail: tuple[Matrix, Target] | None, *, weight: Floats | None
    ) -> tuple[Any, list[Any]]:
        """The rows, and those of the tail, to be put into the same bins by the first fit."""
        import lightgbm as lgb

        train = lgb.Dataset(X, self._encode(y), weight=weight, params=self._settings())
        return train, [lgb.Dataset(tail[0], self._encode(tail[1]), reference=train)] if tail else []

    def _settings(self) -> dict[str, Any]:
        objective, metric = OBJECTIVES[self._kind]
        return self._params.settings(self._kind) | {
            "objective": objective,
            "metric": metric,
            "deterministic": True,
            "force_row_wise": True,
            "feature_pre_filter": False,  # or bins made for one min_child_samples would not do for another
            "seed": self._seed,
            "num_threads": self._params.threads,
            "verbosity": -1,
        }
