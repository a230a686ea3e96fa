"""What the gradient-boosting families share: common parameters, early stopping, and the encoding of labels."""

from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from assay.market.models.base import EVERY_KIND, Matrix, ModelRule, Target, class_codes
from assay.market.models.bins import BinnedModel
from assay.market.tables import CLASSES
from assay.market.workload import Kind

FEW = 64  # rows up to which threads cost more than they save: XGBoost hands out blocks of this many


def threads_for(rows: int, threads: int) -> int:
    """Threads that predict so many rows: few are done before the threads of a busy machine have met."""
    return 1 if rows <= FEW else threads


def scorable(tail: tuple[Matrix, Target], y: Target, kind: Kind) -> tuple[Matrix, Target] | None:
    """The rows of a tail whose class training has shown too: some libraries refuse the others. None if there is none.

    Args:
        tail: Inputs and targets of the tail.
        y: Targets of the training rows.
        kind: Kind of the head; values can all be scored.
    """
    if kind == "regression":
        return tail
    seen = np.isin(tail[1], y)
    return (tail[0][seen], tail[1][seen]) if seen.any() else None


class BoostedRule(ModelRule):
    """Parameters that every boosting family has, whatever its library calls the others.

    Attributes:
        early_stopping_rounds: Rounds without a better score on the purged tail; None = no early stopping, no tail.
        threads: CPU threads, 0 = all cores.
    """

    early_stopping_rounds: int | None = Field(default=30, ge=1)
    threads: int = Field(default=0, ge=0)

    heads: ClassVar[frozenset[Kind]] = EVERY_KIND

    @property
    def stops_early(self) -> bool:
        """Whether a purged tail chooses the number of rounds."""
        return self.early_stopping_rounds is not None


class BoostingRule(BoostedRule):
    """Parameters that XGBoost and LightGBM know under the same name; defaults suit weak signals in thousands of rows.

    Attributes:
        n_estimators: Most boosting rounds; early stopping usually ends sooner.
    """

    n_estimators: int = Field(default=300, ge=1, le=10_000)
    learning_rate: float = Field(default=0.05, gt=0, le=1)
    subsample: float = Field(default=0.8, gt=0, le=1)
    colsample_bytree: float = Field(default=0.5, gt=0, le=1)
    reg_alpha: float = Field(default=0.0, ge=0)
    reg_lambda: float = Field(default=1.0, ge=0)

    def settings(self, kind: Kind) -> dict[str, Any]:
        """Parameters as the library takes them, without those that its training function takes by itself."""
        own = self.model_dump(exclude={"kind", "search", "n_estimators", "early_stopping_rounds", "threads"})
        return own | ({"num_class": len(CLASSES)} if kind == "classification" else {})


class BoostedModel(BinnedModel):
    """Probabilities of three classes, or of being right (log loss), or values (squared error)."""

    def __init__(self, params: BoostingRule, kind: Kind, *, seed: int, booster: Any = None) -> None:  # noqa: ANN401
        self._params, self._kind, self._seed = params, kind, seed
        self._booster = booster
        self.best_iteration: int | None = None

    def _encode(self, y: Target) -> Target:
        return class_codes(y) if self._kind == "classification" else y
