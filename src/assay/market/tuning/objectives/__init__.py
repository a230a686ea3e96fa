"""What tuning optimises: one file per objective, joined here by name."""

from collections.abc import Callable

from assay.market.tuning.budget import Objective
from assay.market.tuning.objectives.accuracy import accuracy
from assay.market.tuning.objectives.accuracy_direction import accuracy_direction
from assay.market.tuning.objectives.ic import ic
from assay.market.tuning.objectives.log_loss import log_loss
from assay.market.tuning.objectives.mcc import mcc
from assay.market.tuning.objectives.mse import mse
from assay.market.tuning.objectives.outcome import Outcome
from assay.market.tuning.objectives.sharpe import sharpe

__all__ = ["Outcome", "raw_value", "score"]

# By name: the value of an outcome, and the sign that makes more of it better.
_OBJECTIVES: dict[str, tuple[Callable[[Outcome, Objective], float], int]] = {
    "log_loss": (lambda told, _: log_loss(told.y, told.out), -1),
    "accuracy": (lambda told, _: accuracy(told.y, told.side), 1),
    "accuracy_direction": (lambda told, rule: accuracy_direction(told.y, told.side, weight=rule.accuracy_weight), 1),
    "mcc": (lambda told, _: mcc(told.y, told.side), 1),
    "mse": (lambda told, _: mse(told.y, told.out), -1),
    "ic": (lambda told, _: ic(told.direction, told.returns), 1),
    "sharpe": (lambda told, rule: sharpe(told.side, told.returns, told.time, cost_bp=rule.cost_bp), 1),
}


def raw_value(name: str, outcome: Outcome, rule: Objective) -> float:
    """The objective ``name`` in its own unit.

    Args:
        name: One of those that `Objective` offers.
        outcome: Answers of a model and what came out.
        rule: Parameters of the objectives.
    """
    return _OBJECTIVES[name][0](outcome, rule)


def score(name: str, raw: float) -> float:
    """A raw value turned so that higher is better."""
    return _OBJECTIVES[name][1] * raw
