"""CatBoost: gradient-boosted trees that ask the same question at every node of a level."""

import json
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from assay.market.models.base import Explained, Files, Floats, Matrix, Model, Target, member, spread
from assay.market.models.bins import BinnedModel
from assay.market.models.boosting import BoostedRule, scorable, threads_for
from assay.market.models.margins import by_class, from_native, sigmoid, softmax
from assay.market.workload import Kind

FILE = "model.cbm"
LOSSES: dict[Kind, str] = {"classification": "MultiClass", "regression": "RMSE", "binary": "Logloss"}


class CatBoost(BoostedRule):
    """Parameters of CatBoost under its own names.

    Attributes:
        iterations: Most boosting rounds; early stopping usually ends sooner.
        depth: Levels of each tree, which has ``2 ** depth`` leaves.
        subsample: Share of rows drawn for each tree (Bernoulli).
        rsm: Share of inputs tried at each split.
        l2_leaf_reg: Penalty of leaf values.
        random_strength: Noise on the scores of splits, which shrinks from tree to tree.
        border_count: Most thresholds per input.
    """

    kind: Literal["catboost"] = "catboost"
    iterations: int = Field(default=300, ge=1, le=10_000)
    learning_rate: float = Field(default=0.05, gt=0, le=1)
    depth: int = Field(default=5, ge=1, le=16)
    subsample: float = Field(default=0.8, gt=0, le=1)
    rsm: float = Field(default=0.5, gt=0, le=1)
    l2_leaf_reg: float = Field(default=3.0, ge=0)
    random_strength: float = Field(default=1.0, ge=0)
    border_count: int = Field(default=128, ge=1, le=65_535)

    library: ClassVar[str] = "catboost"
    install: ClassVar[str] = "pip install catboost"

    def create(self, kind: Kind, *, seed: int) -> Model:
        """An unfitted model."""
        return CatBoostModel(self, kind, seed=seed)

    def restore(self, files: Files, kind: Kind) -> Model:
        """The model in ``model.cbm``."""
        import catboost

        content = member(files, FILE)
        # "CBM1", a length, and so many bytes: the library now and then reads on behind the end of what was cut short.
        if int.from_bytes(content[4:8], "little") > len(content) - 8:
            raise ValueError("the file ends before its model does")
        booster = catboost.CatBoost()
        booster.load_model(blob=content)
        return CatBoostModel(self, kind, seed=0, booster=booster)


class CatBoostModel(BinnedModel):
    """Boosted symmetric trees: probabilities of three classes, or of being right, or values."""

    def __init__(self, params: CatBoost, kind: Kind, *, seed: int, booster: Any = None) -> None:  # noqa: ANN401
        self._params, self._kind, self._seed = params, kind, seed
        self._booster = booster
        self.best_iteration: int | None = None

    def fit(
        self, X: Matrix, y: Target, tail: tuple[Matrix, Target] | None = None, *, weight: Floats | None = None
    ) -> None:
        """Boost until the score on the tail stops improving, and keep the best rounds only."""
        import catboost

        patience = self._params.early_stopping_rounds
        newer = scorable(tail, y, self._kind) if tail and patience else None
        settings = self._settings()
        rows = self._binned(
            (settings["border_count"], self._seed),
            of=(X, y, weight),
            make=lambda: self._pool(X, y, weight),
        )
        booster = catboost.CatBoost(settings)
        booster.fit(
            rows,
            eval_set=catboost.Pool(*newer) if newer else None,
            early_stopping_rounds=patience if newer else None,
            use_best_model=newer is not None,
        )
        self.best_iteration = booster.tree_count_ if newer else None
        _forget_the_fit(booster, LOSSES[self._kind])
        self._booster = booster

    def predict(self, X: Matrix) -> Floats:
        """Probabilities (n, 3) or (n,), or values (n,)."""
        threads = threads_for(len(X), self._params.threads) or -1
        margins = self._booster.predict(X, prediction_type="RawFormulaVal", thread_count=threads)
        if self._kind == "classification":
            return spread(softmax(margins), self._booster.classes_)
        return sigmoid(margins) if self._kind == "binary" else np.asarray(margins, dtype=np.float64)

    def importance(self) -> Floats:
        """How much the answer changes on average with each input, in percent of all."""
        return np.asarray(self._booster.get_feature_importance(), dtype=np.float64)

    def explain(self, X: Matrix) -> Explained:
        """CatBoost's own SHAP values (tree path dependent) of scores, log-odds or values."""
        import catboost

        threads = self._params.threads or -1
        found = from_native(
            self._booster.get_feature_importance(catboost.Pool(X), type="ShapValues", thread_count=threads)
        )
        return by_class(found, self._booster.classes_) if self._kind == "classification" else found

    def dump(self) -> dict[str, bytes]:
        """CatBoost's own binary format."""
        return {FILE: self._booster._serialize_model()}  # what pickle would call; the public way writes a file

    def _pool(self, X: Matrix, y: Target, weight: Floats | None) -> Any:  # noqa: ANN401
        import catboost

        pool = catboost.Pool(X, y, weight=weight)
        pool.quantize(border_count=self._params.border_count, random_seed=self._seed)
        return pool

    def _settings(self) -> dict[str, Any]:
        return self._params.model_dump(exclude={"kind", "search", "early_stopping_rounds", "threads"}) | {
            "loss_function": LOSSES[self._kind],
            "bootstrap_type": "Bernoulli",
            "boosting_type": "Plain",
            "random_seed": self._seed,
            "thread_count": self._params.threads or -1,
            "allow_writing_files": False,
            "logging_level": "Silent",
        }


def _forget_the_fit(booster: Any, loss: str) -> None:  # noqa: ANN401
    """Drop what a fit writes about itself (clock, random id, threads), so that equal models give equal bytes."""
    notes = booster.get_metadata()
    for name in set(notes.keys()) - {"class_params"}:
        del notes[name]
    notes["params"] = json.dumps({"loss_function": {"type": loss, "params": {}}})  # without it SHAP values warn
