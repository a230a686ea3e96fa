"""Accuracy and directional accuracy in one number."""

import numpy as np
import numpy.typing as npt

from assay.market.models.base import Target
from assay.market.tuning.objectives.accuracy import accuracy


def accuracy_direction(y: Target, called: npt.NDArray[np.int8], *, weight: float) -> float:
    """``weight`` x accuracy + (1 - ``weight``) x directional accuracy; higher is better.

    Args:
        y: Classes -1/0/1, shape (n,).
        called: Called classes -1/0/1, shape (n,).
        weight: Share of accuracy, in [0, 1].
    """
    return weight * accuracy(y, called) + (1 - weight) * directional_accuracy(y, called)


def directional_accuracy(y: Target, called: npt.NDArray[np.int8]) -> float:
    """Of the rows that truly moved (LONG or SHORT), the share called on the right side; 0 when none moved.

    A NEUTRAL call on a move is a miss: were only the called rows counted, a search would end at models that call the
    one row they are sure of.
    """
    moved = y != 0
    return float((called[moved] == y[moved]).mean()) if moved.any() else 0.0
