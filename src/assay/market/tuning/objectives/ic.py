"""Information coefficient."""

import numpy as np
import polars as pl

from assay.market.models.base import Floats


def ic(direction: Floats, returns: Floats) -> float:
    """Spearman's rank correlation of forecast and forward return over all rows; higher is better.

    Args:
        direction: Predicted return, or p(LONG) - p(SHORT), shape (n,).
        returns: Forward returns, shape (n,).

    Returns:
        In [-1, 1]; 0 for a constant forecast, which orders nothing.
    """
    ranks = pl.DataFrame({"direction": direction, "returns": returns}).select(pl.all().rank()).to_numpy()
    forecast, truth = (ranks - ranks.mean(axis=0)).T
    norm = np.sqrt((forecast**2).sum() * (truth**2).sum())
    return float(forecast @ truth / norm) if norm > 0 else 0.0
