"""Which rows of a labels table can train, as masks."""

import numpy as np
import numpy.typing as npt
import polars as pl

Mask = npt.NDArray[np.bool_]


def labelled(labels: pl.DataFrame) -> pl.Series:
    """Rows with a label whose end is known, (rows,)."""
    return labels["label"].is_not_null() & labels["label_end"].is_not_null()


def mask(rows: pl.Series) -> Mask:
    """Truth of each row as an array (rows,); null is false."""
    return rows.fill_null(value=False).to_numpy()
