"""Which rows a row may look back on: those of its own entity, up to the nearest gap."""

from datetime import timedelta

import numpy as np
import numpy.typing as npt
import polars as pl


def sequence_index(keys: pl.DataFrame, lookback: int, *, max_gap: timedelta | None) -> npt.NDArray[np.int32]:
    """Positions of the rows that each row looks back on.

    Args:
        keys: Columns ``entity`` and ``time``, sorted by both.
        lookback: Rows of a sequence, the row itself included.
        max_gap: Longest time between two rows that follow each other; None: no limit.

    Returns:
        Positions in ``keys``, oldest first, the row itself last, shape (rows, lookback); -1 where there is no such row:
        before the first of its entity, or beyond a gap.
    """
    breaks = pl.col("entity") != pl.col("entity").shift(1)
    if max_gap is not None:
        breaks |= pl.col("time").diff() > max_gap
    starts = keys.select(breaks.fill_null(value=True)).to_series().to_numpy()
    position = np.arange(keys.height, dtype=np.int32)
    first = np.maximum.accumulate(np.where(starts, position, 0))
    steps = position[:, None] + np.arange(1 - lookback, 1, dtype=np.int32)
    return np.where(steps >= first[:, None], steps, np.int32(-1))
