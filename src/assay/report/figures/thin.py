"""Fewer points for the same picture."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np


def keep_extremes(values: Sequence[float], limit: int) -> list[int]:
    """Choose the positions that draw a curve: the lowest and highest point of each stretch, and both ends.

    Args:
        values: The curve, in order.
        limit: At most this many positions.

    Returns:
        Increasing positions; all of them when there are no more than ``limit``.
    """
    if len(values) <= limit:
        return list(range(len(values)))
    curve = np.asarray(values, dtype=float)
    edges = np.linspace(0, len(curve), (limit - 2) // 2 + 1).astype(int)
    kept = {0, len(curve) - 1}
    for start, end in pairwise(edges):
        kept |= {start + int(curve[start:end].argmin()), start + int(curve[start:end].argmax())}
    return sorted(kept)


def evenly(count: int, limit: int) -> list[int]:
    """Choose at most ``limit`` evenly spaced positions out of ``count``, both ends included."""
    if count <= limit:
        return list(range(count))
    return sorted({round(place) for place in np.linspace(0, count - 1, limit).tolist()})
