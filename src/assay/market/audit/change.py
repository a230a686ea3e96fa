"""Other futures: panels whose rows up to a time are as they were and whose later rows are not."""

from datetime import datetime
from typing import Literal, cast

import numpy as np
import polars as pl

from assay.market.tables import KEY, PRICES

Kind = Literal["rescaled", "permuted", "noisy"]
KINDS: tuple[Kind, ...] = ("rescaled", "permuted", "noisy")
FACTOR = 3.0  # rescaled by e to the power of this, either way
QUOTES = (*PRICES, "vwap")  # change together, so that a bar stays a bar


def until(panel: pl.DataFrame, cut: datetime) -> pl.DataFrame:
    """The panel as it was at ``cut``: no later row."""
    return panel.filter(pl.col("time") <= cut)


def with_other_future(panel: pl.DataFrame, cut: datetime, kind: Kind, rng: np.random.Generator) -> pl.DataFrame:
    """The panel with other values after ``cut``; entities, times, columns and types stay.

    Args:
        panel: Sorted by entity and time.
        cut: Last time that stays as it was.
        kind: ``rescaled``: each column by one large factor, up or down; ``permuted``: the later rows of an entity in
            another order; ``noisy``: each row by a factor of its own. The prices of a bar share their factor. Columns
            with negative values get noise added; columns that are no floats are permuted.
        rng: Draws factors, noise and order.
    """
    later = panel.filter(pl.col("time") > cut)
    values = [name for name in panel.columns if name not in KEY]
    floats = [name for name in values if later.schema[name].is_float()]
    shuffled = values if kind == "permuted" else [name for name in values if name not in floats]
    moved = later.with_columns(_reordered(later, rng).select(shuffled)) if shuffled else later
    if kind != "permuted":
        moved = moved.with_columns(_changed(later, floats, kind, rng))
    return pl.concat([until(panel, cut), moved.select(panel.columns)]).sort(KEY)


def _reordered(later: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """The rows of each entity in another order."""
    lengths = later["entity"].rle().struct.field("len").to_list()
    starts = np.cumsum([0, *lengths])[:-1]
    return later[np.concatenate([start + rng.permutation(n) for start, n in zip(starts, lengths, strict=True)])]


def _changed(later: pl.DataFrame, columns: list[str], kind: Kind, rng: np.random.Generator) -> list[pl.Series]:
    bar = _factors(later.height, kind, rng)
    changed = []
    for name in columns:
        own = _factors(later.height, kind, rng)
        column = later[name]
        if (column < 0).any():
            spread = cast("float", column.std()) or 1.0
            values = column + pl.Series(rng.normal(0, FACTOR * spread, later.height))
        else:
            values = column * pl.Series(bar if name in QUOTES else own)
        changed.append(values.cast(column.dtype).alias(name))
    return changed


def _factors(rows: int, kind: Kind, rng: np.random.Generator) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    if kind == "rescaled":
        return np.full(rows, np.exp(FACTOR * rng.choice([-1.0, 1.0])))
    return np.exp(rng.normal(0, 1, rows))
