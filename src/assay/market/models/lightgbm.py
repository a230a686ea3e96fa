"""LightGBM: gradient-boosted trees grown leaf by leaf."""

from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from assay.market.models.base import BOTH_KINDS, Files, Floats, Matrix, Model, ModelRule, Target, class_codes, member
from assay.market.tables import CLASSES
from assay.market.workload import Kind

FILE = "model.txt"


class LightGBM(ModelRule):
    """Parameters of LightGBM under the names of its scikit-learn interface.

    Attributes:
        n_estimators: Most boosting rounds; early stopping usually ends sooner.
        early_stopping_rounds: Rounds without a better score on the purged tail; None = no early stopping, no tail.
        subsample: Share of rows drawn anew every ``subsample_freq`` rounds.
        max_depth: Deepest tree, -1 = limited by ``num_leaves`` only.
        threads: CPU threads, 0 = all cores.
    """

    kind: Literal["lightgbm"] = "lightgbm"
    n_estimators: int = Field(default=300, ge=1, le=10_000)
    learning_rate: float = Field(default=0.05, gt=0, le=1)
    num_leaves: int = Field(default=15, ge=2, le=4096)
    max_depth: int = Field(default=-1, ge=-1, le=64)
    min_child_samples: int = Field(default=50, ge=1)
    subsample: float = Field(default=0.8, gt=0, le=1)
    subsample_freq: int = Field(default=1, ge=0)
    colsample_bytree: float = Field(default=0.5, gt=0, le=1)
    reg_alpha: float = Field(default=0.0, ge=0)
    reg_lambda: float = Field(default=1.0, ge=0)
    min_split_gain: float = Field(default=0.0, ge=0)
    max_bin: int = Field(default=255, ge=2, le=4096)
    early_stopping_rounds: int | None = Field(default=30, ge=1)
    threads: int = Field(default=0, ge=0)

    heads: ClassVar[frozenset[Kind]] = BOTH_KINDS
    library: ClassVar[str] = "lightgbm"

    @property
    def stops_early(self) -> bool:
        """Whether a purged tail chooses the number of rounds."""
        return self.early_stopping_rounds is not None

    def create(self, kind: Kind, *, seed: int) -> Model:
        """An unfitted model."""
        return LightGBMModel(self, kind, seed)

    def restore(self, files: Files, kind: Kind) -> Model:
        """The model in ``model.txt``."""
        model = LightGBMModel(self, kind, seed=0)
        model.open(member(files, FILE).decode())
        return model


class LightGBMModel:
    """Multi-class probabilities (log loss) or values (squared error)."""

    def __init__(self, params: LightGBM, kind: Kind, seed: int) -> None:
        self._params, self._kind, self._seed = params, kind, seed
        self._booster: Any = None
        self._text = ""
        self.best_iteration: int | None = None

    def open(self, text: str) -> None:
        """Take the model from its text form."""
        import lightgbm as lgb

        self._text, self._booster = text, lgb.Booster(model_str=text)

    def fit(self, X: Matrix, y: Target, tail: tuple[Matrix, Target] | None = None) -> None:
        """Boost until the score on the tail stops improving, and keep the best rounds only."""
        import lightgbm as lgb

        settings = self._settings()
        rounds = self._params.early_stopping_rounds if tail else None
        train = lgb.Dataset(X, self._encode(y), params=settings)
        booster = lgb.train(
            settings,
            train,
            self._params.n_estimators,
            valid_sets=[lgb.Dataset(tail[0], self._encode(tail[1]), reference=train)] if tail else None,
            callbacks=[lgb.early_stopping(rounds, verbose=False)] if rounds else None,
        )
        self.best_iteration = booster.best_iteration if rounds else None
        # Predicting from the text form (the best rounds only) makes a fitted and a reopened model the same to the bit.
        self.open(booster.model_to_string())

    def predict(self, X: Matrix) -> Floats:
        """Probabilities (n, 3) or values (n,)."""
        return np.asarray(self._booster.predict(X, num_threads=self._params.threads), dtype=np.float64)

    def importance(self) -> Floats:
        """Total gain of the splits on each input."""
        return np.asarray(self._booster.feature_importance("gain"), dtype=np.float64)

    def dump(self) -> dict[str, bytes]:
        """LightGBM's own text format. A damaged text kills the process that opens it: compare hashes before."""
        return {FILE: self._text.encode()}

    def _encode(self, y: Target) -> Target:
        return class_codes(y) if self._kind == "classification" else y

    def _settings(self) -> dict[str, Any]:
        objective = {"classification": "multiclass", "regression": "regression"}[self._kind]
        rounds = {"kind", "search", "n_estimators", "early_stopping_rounds", "threads"}
        settings = self._params.model_dump(exclude=rounds) | {
            "objective": objective,
            "metric": {"classification": "multi_logloss", "regression": "rmse"}[self._kind],
            "deterministic": True,
            "force_row_wise": True,
            "seed": self._seed,
            "num_threads": self._params.threads,
            "verbosity": -1,
        }
        return settings | ({"num_class": len(CLASSES)} if self._kind == "classification" else {})
