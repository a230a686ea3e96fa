"""Sharpe ratio of single decisions, after costs."""

import numpy as np
import numpy.typing as npt

from assay.market.models.base import Floats

BP = 1e-4


def sharpe(side: npt.NDArray[np.int8], returns: Floats, time: npt.NDArray[np.int64], *, cost_bp: float) -> float:
    """Mean over standard deviation of the net return per timestamp; higher is better.

    Every decision is a trade of its own, held to the end of its label. The net returns of one timestamp, flat rows
    included, are averaged over the entities, which move together. Labels of neighbouring timestamps overlap: their
    returns depend on each other, which widens the error of the ratio but favours no configuration. So it is good for
    ordering configurations, and it is neither annualised nor comparable with the Sharpe ratio of a backtest.

    Args:
        side: Position taken, -1/0/1, shape (n,).
        returns: Forward returns, shape (n,).
        time: Decision times, shape (n,).
        cost_bp: Cost of entering and leaving a position, together, in basis points of its value.

    Returns:
        The ratio; 0 where nothing varies, e.g. when nothing is traded.
    """
    net = side * returns - np.abs(side) * cost_bp * BP
    _, moment = np.unique(time, return_inverse=True)
    per_time = np.bincount(moment, net) / np.bincount(moment)
    deviation = float(per_time.std(ddof=1)) if len(per_time) > 1 else 0.0
    return float(per_time.mean() / deviation) if deviation > 0 else 0.0
