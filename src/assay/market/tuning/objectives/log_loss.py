"""Multi-class log loss."""

import numpy as np

from assay.market.models.base import Floats, Target, class_codes

SMALLEST = 1e-15  # least probability that is counted, so that one sure miss does not decide everything


def log_loss(y: Target, probabilities: Floats) -> float:
    """Mean of minus the logarithm of the probability given to the true class, in nats; lower is better.

    Args:
        y: Classes -1/0/1, shape (n,).
        probabilities: Of SHORT, NEUTRAL, LONG, shape (n, 3).
    """
    chosen = probabilities[np.arange(len(y)), class_codes(y)]
    return float(-np.log(np.maximum(chosen, SMALLEST)).mean())
