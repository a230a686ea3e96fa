"""The interval from its width."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
State = Mapping[str, Any]


def interval(state: State | None, prediction: Array, scale: Array) -> tuple[Array, Array]:
    """Intervals for new rows.

    Args:
        state: One of ``final`` that `bound` gave; None gives no interval.
        prediction: Forecasts, shape (n,).
        scale: Volatility known with each, in the unit of the forecast, shape (n,). Missing or 0: the median scale of
            the state takes its place.

    Returns:
        Lower and upper end, each (n,). NaN where there is no finite interval: nothing to judge by yet, a level of 0 or
        below, or no scale at all.
    """
    prediction = np.asarray(prediction, dtype=np.float64)
    state = state or {"threshold": None, "median_scale": None}
    threshold = math.nan if state["threshold"] is None else float(state["threshold"])
    usual = math.nan if state["median_scale"] is None else float(state["median_scale"])
    half = np.maximum(threshold, 0.0) * np.where(usable(scale), scale, usual)
    return prediction - half, prediction + half


def usable(scale: Array) -> npt.NDArray[np.bool_]:
    """Whether each scale can divide a score, shape (n,)."""
    return np.isfinite(scale) & (scale > 0)
