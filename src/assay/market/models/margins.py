"""Margins, what a model adds up before it answers, and SHAP values in their unit."""

from typing import Any

import numpy as np
import numpy.typing as npt

from assay.market.models.base import Explained, Floats, class_codes
from assay.market.tables import CLASSES
from assay.market.workload import Kind

NEVER = float(np.log(np.finfo(np.float64).tiny))  # score of a class that training never showed; its softmax is 0


def softmax(margins: npt.NDArray[Any]) -> Floats:
    """Probabilities of scores, row by row; rows sum to 1.

    Args:
        margins: Shape (n, classes).
    """
    powers = np.exp(margins - margins.max(axis=1, keepdims=True), dtype=np.float64)
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def sigmoid(margins: npt.NDArray[Any]) -> Floats:
    """Probabilities of log-odds, shape (n,)."""
    return softmax(np.stack((np.zeros(len(margins)), margins), axis=1))[:, 1]


def from_native(contributions: npt.NDArray[Any]) -> Explained:
    """SHAP values as boosting libraries give them.

    Args:
        contributions: What each input adds, the base in the last column: shape (n, p + 1), or (n, classes, p + 1) for
            scores of classes; at least one row.
    """
    both = np.asarray(contributions, dtype=np.float64)
    values, base = both[..., :-1], np.asarray(both[0, ..., -1])
    return Explained(values.swapaxes(1, 2) if values.ndim == 3 else values, base)


def by_class(explained: Explained, classes: npt.NDArray[Any], *, never: float = NEVER) -> Explained:
    """SHAP values of the classes seen in training, put into the columns of all three.

    Args:
        explained: Of each seen class, shape (n, p, seen); or, where two were seen, log-odds of the second, shape
            (n, p): these count half for it and half against the other, so that the softmax is the same.
        classes: Seen classes -1/0/1 in the order of the columns.
        never: Base of a class never seen.
    """
    values, base = explained.values, explained.base
    if values.ndim == 2:
        values, base = np.stack((-values / 2, values / 2), axis=-1), np.stack((-base / 2, base / 2))
    full, levels = np.zeros((*values.shape[:2], len(CLASSES))), np.full(len(CLASSES), never)
    full[..., class_codes(classes)], levels[class_codes(classes)] = values, base
    return Explained(full, levels)


def for_kind(explained: Explained, kind: Kind, classes: npt.NDArray[Any]) -> Explained:
    """SHAP values of a decision function: by class for a classification, as they are otherwise."""
    return by_class(explained, classes) if kind == "classification" else explained
