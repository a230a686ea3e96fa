"""Matthews correlation of several classes."""

import numpy as np
import numpy.typing as npt

from assay.market.models.base import Target, class_codes
from assay.market.tables import CLASSES


def mcc(y: Target, called: npt.NDArray[np.int8]) -> float:
    """Matthews correlation of called and true classes (Gorodkin, *Comput. Biol. Chem.* 2004); higher is better.

    Args:
        y: Classes -1/0/1, shape (n,).
        called: Called classes -1/0/1, shape (n,).

    Returns:
        In [-1, 1]; 0 when only one class is true or called.
    """
    truth, calls = (np.eye(len(CLASSES))[class_codes(values)] for values in (y, called))
    truth, calls = truth - truth.mean(axis=0), calls - calls.mean(axis=0)
    norm = np.sqrt((truth**2).sum() * (calls**2).sum())
    return float((truth * calls).sum() / norm) if norm > 0 else 0.0
