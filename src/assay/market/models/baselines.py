"""Baselines that every result is held against; they learn next to nothing, and count every training row once."""

import json
from typing import Any, ClassVar, Literal

import numpy as np

from assay.market.models.base import (
    BOTH_KINDS,
    Explained,
    Files,
    Floats,
    Matrix,
    Model,
    ModelRule,
    Target,
    class_codes,
    member,
)
from assay.market.tables import CLASSES
from assay.market.workload import Kind

FILE = "model.json"


class ConstantModel:
    """The same probabilities, or the same value, for every row; a return of zero unless a subclass learns another."""

    best_iteration: int | None = None

    def __init__(self, kind: Kind, learned: Any = 0.0) -> None:  # noqa: ANN401  a number or a list of them
        self._kind, self._learned = kind, np.asarray(learned, dtype=np.float64)

    def fit(
        self,
        X: Matrix,  # noqa: ARG002
        y: Target,
        tail: tuple[Matrix, Target] | None = None,  # noqa: ARG002
        *,
        weight: Floats | None = None,  # noqa: ARG002
    ) -> None:
        """Learn from the targets alone, each row counting once."""
        self._learned = np.asarray(self._learn(y), dtype=np.float64)

    def _learn(self, y: Target) -> Any:  # noqa: ANN401, ARG002
        """A constant that is given stays as it is."""
        return self._learned

    def predict(self, X: Matrix) -> Floats:
        """Probabilities (n, 3) or values (n,)."""
        return np.tile(self._learned, (len(X), 1)) if self._learned.ndim else np.full(len(X), self._learned)

    def importance(self) -> Floats:
        """No inputs, no weights."""
        return np.empty(0)

    def explain(self, X: Matrix) -> Explained | None:  # noqa: ARG002
        """There is nothing to explain."""
        return None

    def dump(self) -> dict[str, bytes]:
        """What was learned as JSON."""
        return {FILE: json.dumps(self._learned.tolist()).encode()}


class PriorModel(ConstantModel):
    """The class shares of the training part for every row."""

    def _learn(self, y: Target) -> Any:  # noqa: ANN401
        """Count the classes."""
        return np.bincount(class_codes(y), minlength=len(CLASSES)) / len(y)


class DriftModel(ConstantModel):
    """Half the probability on the commoner side of the training part, or its mean, for every row."""

    def _learn(self, y: Target) -> Any:  # noqa: ANN401
        """Count both sides, or average."""
        if self._kind == "classification":
            side = 1 if np.sum(y > 0) >= np.sum(y < 0) else -1
            return np.where(np.array(CLASSES) == side, 0.5, 0.25)
        return np.mean(y, dtype=np.float64)


class LastSignModel(ConstantModel):
    """Half the probability, or the mean absolute training target, on the side of the last return.

    A last return of zero, or a missing one, has no side: even probabilities, value zero.
    """

    def _learn(self, y: Target) -> Any:  # noqa: ANN401
        """Measure the mean absolute training target."""
        return np.abs(np.asarray(y, dtype=np.float64)).mean()

    def predict(self, X: Matrix) -> Floats:
        """Probabilities (n, 3) or values (n,)."""
        side = np.sign(np.nan_to_num(X[:, 0].astype(np.float64)))
        if self._kind == "regression":
            return np.asarray(side * self._learned)
        out = np.where(side[:, None] == np.array(CLASSES), 0.5, 0.25)
        out[side == 0] = 1 / len(CLASSES)
        return out

    def importance(self) -> Floats:
        """All weight on the last return."""
        return np.ones(1)


class BaselineRule(ModelRule):
    """What the baselines share: no parameters, no features, one short JSON file."""

    heads: ClassVar[frozenset[Kind]] = BOTH_KINDS
    library: ClassVar[str] = "numpy"
    inputs: ClassVar[tuple[str, ...] | None] = ()
    fitted_by: ClassVar[type[ConstantModel]]

    def create(self, kind: Kind, *, seed: int) -> Model:  # noqa: ARG002
        """An unfitted baseline; nothing is drawn at random."""
        return self.fitted_by(kind)

    def restore(self, files: Files, kind: Kind) -> Model:
        """The baseline in ``model.json``."""
        return self.fitted_by(kind, json.loads(member(files, FILE)))


class ClassPrior(BaselineRule):
    """Predicts the class shares of the training part for every row."""

    kind: Literal["class_prior"] = "class_prior"

    heads: ClassVar[frozenset[Kind]] = frozenset({"classification"})
    fitted_by: ClassVar[type[ConstantModel]] = PriorModel


class Zero(BaselineRule):
    """Predicts a return of zero for every row."""

    kind: Literal["zero"] = "zero"

    heads: ClassVar[frozenset[Kind]] = frozenset({"regression"})
    fitted_by: ClassVar[type[ConstantModel]] = ConstantModel


class Drift(BaselineRule):
    """Predicts the commoner direction of the training part, or its mean return, for every row.

    On a market that rises, always LONG beats a coin: a direction that does not beat this is no skill.
    """

    kind: Literal["drift"] = "drift"

    fitted_by: ClassVar[type[ConstantModel]] = DriftModel


class LastSign(BaselineRule):
    """Predicts that the direction of the last return goes on."""

    kind: Literal["last_sign"] = "last_sign"

    inputs: ClassVar[tuple[str, ...] | None] = ("return_1",)
    fitted_by: ClassVar[type[ConstantModel]] = LastSignModel
