"""How much a search may do, and what it optimises."""

from typing import Any, Literal

from pydantic import Field

from assay.market.parameters import Parameters
from assay.market.workload import Kind


class Objective(Parameters):
    """What tuning optimises, by kind of head; each is a function in ``objectives``.

    Attributes:
        classification: Log loss; share of right classes; the same with directional accuracy (of the rows that moved,
            the share called on the right side); Matthews correlation; rank correlation of p(LONG) - p(SHORT) with the
            forward return; or Sharpe ratio of single decisions after costs.
        regression: Mean squared error, rank correlation with the forward return, or Sharpe ratio as above.
        accuracy_weight: Share of accuracy in ``accuracy_direction``; the rest is directional accuracy.
        cost_bp: Cost of entering and leaving a position, together, in basis points of its value; for ``sharpe``.
    """

    classification: Literal["log_loss", "accuracy", "accuracy_direction", "mcc", "ic", "sharpe"] = "log_loss"
    regression: Literal["mse", "ic", "sharpe"] = "mse"
    accuracy_weight: float = Field(default=0.7, ge=0, le=1)
    cost_bp: float = Field(default=10.0, ge=0, allow_inf_nan=False)

    def of(self, kind: Kind) -> str:
        """The objective of a head of ``kind``."""
        return {"classification": self.classification, "regression": self.regression}[kind]

    def settings(self, kind: Kind) -> dict[str, Any]:
        """All that decides the values of the objective of ``kind``."""
        parameter = {"accuracy_direction": "accuracy_weight", "sharpe": "cost_bp"}.get(name := self.of(kind))
        return {"name": name} | ({parameter: getattr(self, parameter)} if parameter else {})


class Budget(Parameters):
    """How much tuning may do.

    Attributes:
        trials: Most configurations, the untuned one first.
        sampler: ``tpe`` learns from the trials before (Bergstra et al., *NeurIPS* 2011), ``random`` draws, ``grid``
            goes through all combinations in an order that the seed decides.
        grid_points: Values of each range that the grid tries; choices are tried in whole.
        patience: Stop after so many trials without a better one; None = never.
        pruning: Whether a trial ends early when its mean over the inner folds so far is below the median of the
            complete trials over the same folds.
        seconds: Begin no trial after so much time, counted over all runs of the study; None = no limit.
        processes: Trials that run at a time, each in a process with its share of the threads. With more than one the
            trials depend on who finishes first, so only one gives the same list again.
        inner_folds: Walk-forward folds inside the rows before the first test fold.
        min_train: Share of those rows' timestamps before the first inner fold.
        objective: What to optimise.
    """

    trials: int = Field(default=5, ge=1)
    sampler: Literal["tpe", "random", "grid"] = "tpe"
    grid_points: int = Field(default=3, ge=2)
    patience: int | None = Field(default=None, ge=1)
    pruning: bool = True
    seconds: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    processes: int = Field(default=1, ge=1)
    inner_folds: int = Field(default=2, ge=1)
    min_train: float = Field(default=0.5, gt=0, lt=1)
    objective: Objective = Objective()
