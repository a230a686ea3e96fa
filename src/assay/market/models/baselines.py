"""Baselines that every result is held against; they learn next to nothing."""

import json
from typing import ClassVar, Literal

import numpy as np

from assay.market.models.base import BOTH_KINDS, Files, Floats, Matrix, Model, ModelRule, Target, class_codes, member
from assay.market.tables import CLASSES
from assay.market.workload import Kind

FILE = "model.json"


class ClassPrior(ModelRule):
    """Predicts the class shares of the training part for every row."""

    kind: Literal["class_prior"] = "class_prior"

    heads: ClassVar[frozenset[Kind]] = frozenset({"classification"})
    library: ClassVar[str] = "numpy"
    inputs: ClassVar[tuple[str, ...] | None] = ()

    def create(self, kind: Kind, *, seed: int) -> Model:  # noqa: ARG002
        """An unfitted baseline."""
        return ConstantModel(np.empty(0))

    def restore(self, files: Files, kind: Kind) -> Model:  # noqa: ARG002
        """The baseline in ``model.json``."""
        return ConstantModel(np.array(json.loads(member(files, FILE))))


class Zero(ModelRule):
    """Predicts a return of zero for every row."""

    kind: Literal["zero"] = "zero"

    heads: ClassVar[frozenset[Kind]] = frozenset({"regression"})
    library: ClassVar[str] = "numpy"
    inputs: ClassVar[tuple[str, ...] | None] = ()

    def create(self, kind: Kind, *, seed: int) -> Model:  # noqa: ARG002
        """The baseline; there is nothing to fit."""
        return ConstantModel(np.array(0.0))

    def restore(self, files: Files, kind: Kind) -> Model:  # noqa: ARG002
        """The baseline in ``model.json``."""
        return ConstantModel(np.array(json.loads(member(files, FILE))))


class Drift(ModelRule):
    """Predicts the commoner direction of the training part, or its mean return, for every row.

    On a market that rises, always LONG beats a coin: a direction that does not beat this is no skill.
    """

    kind: Literal["drift"] = "drift"

    heads: ClassVar[frozenset[Kind]] = BOTH_KINDS
    library: ClassVar[str] = "numpy"
    inputs: ClassVar[tuple[str, ...] | None] = ()

    def create(self, kind: Kind, *, seed: int) -> Model:  # noqa: ARG002
        """An unfitted baseline."""
        return DriftModel(np.empty(0) if kind == "classification" else np.array(0.0))

    def restore(self, files: Files, kind: Kind) -> Model:  # noqa: ARG002
        """The baseline in ``model.json``."""
        return DriftModel(np.array(json.loads(member(files, FILE))))


class LastSign(ModelRule):
    """Predicts that the direction of the last return goes on."""

    kind: Literal["last_sign"] = "last_sign"

    heads: ClassVar[frozenset[Kind]] = BOTH_KINDS
    library: ClassVar[str] = "numpy"
    inputs: ClassVar[tuple[str, ...] | None] = ("return_1",)

    def create(self, kind: Kind, *, seed: int) -> Model:  # noqa: ARG002
        """An unfitted baseline."""
        return LastSignModel(kind, size=0.0)

    def restore(self, files: Files, kind: Kind) -> Model:
        """The baseline in ``model.json``."""
        return LastSignModel(kind, size=json.loads(member(files, FILE)))


class ConstantModel:
    """The same probabilities, or the same value, for every row."""

    best_iteration: int | None = None

    def __init__(self, answer: Floats) -> None:
        self._answer = answer

    def fit(self, X: Matrix, y: Target, tail: tuple[Matrix, Target] | None = None) -> None:  # noqa: ARG002
        """Count the classes; a constant value needs no fit."""
        if self._answer.ndim:
            self._answer = np.bincount(class_codes(y), minlength=len(CLASSES)) / len(y)

    def predict(self, X: Matrix) -> Floats:
        """Probabilities (n, 3) or values (n,)."""
        return np.tile(self._answer, (len(X), 1)) if self._answer.ndim else np.full(len(X), self._answer)

    def importance(self) -> Floats:
        """No inputs, no weights."""
        return np.empty(0)

    def dump(self) -> dict[str, bytes]:
        """The answer as JSON."""
        return {FILE: json.dumps(self._answer.tolist()).encode()}


class DriftModel(ConstantModel):
    """Half the probability on the commoner side of the training part, or its mean, for every row."""

    def fit(self, X: Matrix, y: Target, tail: tuple[Matrix, Target] | None = None) -> None:  # noqa: ARG002
        """Count both sides, or average."""
        if self._answer.ndim:
            side = 1 if np.sum(y > 0) >= np.sum(y < 0) else -1
            self._answer = np.where(np.array(CLASSES) == side, 0.5, 0.25)
        else:
            self._answer = np.array(np.mean(y, dtype=np.float64))


class LastSignModel:
    """Half the probability, or the mean absolute training target, on the side of the last return.

    A last return of zero, or a missing one, has no side: even probabilities, value zero.
    """

    best_iteration: int | None = None

    def __init__(self, kind: Kind, size: float) -> None:
        self._kind, self._size = kind, size

    def fit(self, X: Matrix, y: Target, tail: tuple[Matrix, Target] | None = None) -> None:  # noqa: ARG002
        """Measure the mean absolute training target."""
        self._size = float(np.abs(np.asarray(y, dtype=np.float64)).mean())

    def predict(self, X: Matrix) -> Floats:
        """Probabilities (n, 3) or values (n,)."""
        side = np.sign(np.nan_to_num(X[:, 0].astype(np.float64)))
        if self._kind == "regression":
            return side * self._size
        out = np.where(side[:, None] == np.array(CLASSES), 0.5, 0.25)
        out[side == 0] = 1 / len(CLASSES)
        return out

    def importance(self) -> Floats:
        """All weight on the last return."""
        return np.ones(1)

    def dump(self) -> dict[str, bytes]:
        """The mean absolute training target as JSON."""
        return {FILE: json.dumps(self._size).encode()}
