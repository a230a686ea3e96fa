"""Mean squared error."""

from assay.market.models.base import Floats, Target


def mse(y: Target, predicted: Floats) -> float:
    """Mean squared difference of prediction and outcome; lower is better.

    Args:
        y: Returns, shape (n,).
        predicted: Predicted returns, shape (n,).
    """
    return float(((y - predicted) ** 2).mean())
