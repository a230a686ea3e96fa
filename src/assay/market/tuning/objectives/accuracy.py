"""Accuracy."""

import numpy as np
import numpy.typing as npt

from assay.market.models.base import Target


def accuracy(y: Target, called: npt.NDArray[np.int8]) -> float:
    """Share of rows whose class was called right; higher is better.

    Args:
        y: Classes -1/0/1, shape (n,).
        called: Called classes -1/0/1, shape (n,).
    """
    return float((called == y).mean())
