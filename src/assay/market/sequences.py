"""Which rows a row may look back on: those of its own entity, up to the nearest gap."""

from datetime import timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.market.errors import DataError


def sequence_index(keys: pl.DataFrame, lookback: int, *, max_gap: timedelta | None) -> npt.NDArray[np.int32]:
    """Positions of the rows that each row looks back on.

    Args:
        keys: Columns ``entity`` and ``time``, sorted and unique by both.
        lookback: Rows of a sequence, the row itself included; at least 1.
        max_gap: Longest time between two rows that follow each other; None: no limit.

    Returns:
        Positions in ``keys``, oldest first, the row itself last, shape (rows, lookback); -1 where there is no such row:
        before the first of its entity, or beyond a gap. No position is after the row's own.

    Raises:
        DataError: The rows are not sorted and unique: what stands before a row would not be what came before it.
    """
    new = (pl.col("entity") != pl.col("entity").shift(1)).fill_null(value=True)
    step = pl.col("time").diff()
    _check_sorted(keys, new)
    gap = step > max_gap if max_gap is not None else pl.lit(value=False)
    starts = keys.select(new | gap.fill_null(value=False)).to_series().to_numpy()
    position = np.arange(keys.height, dtype=np.int32)
    first = np.maximum.accumulate(np.where(starts, position, np.int32(0)))
    steps = np.arange(1 - lookback, 1, dtype=np.int32)
    index = np.add.outer(position, steps).astype(np.int32, copy=False)
    index[index < first[:, None]] = -1
    return index


def _check_sorted(keys: pl.DataFrame, new: pl.Expr) -> None:
    back = pl.col("entity") < pl.col("entity").shift(1)
    early = ~new & (pl.col("time").diff() <= timedelta(0))
    wrong = keys.select((back | early).fill_null(value=False).sum()).item()
    if wrong:
        raise DataError(
            "rows of the sequences",
            "are not sorted and unique by entity and time",
            expected="each row later than the one before, entity by entity",
            found=f"{wrong} of {keys.height} rows out of place",
            do="sort the table by entity and time",
        )
