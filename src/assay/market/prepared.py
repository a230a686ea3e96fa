"""The prepared dataset of a head: labels and features side by side, one row per decision."""

import hashlib

import polars as pl

from assay.market.tables import KEY, LABELS, TIME


def assemble(features: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    """Put labels and features of the same rows side by side.

    Args:
        features: Features table.
        labels: Labels table.

    Returns:
        One row per label row, in its order: the columns of ``labels``, then the features.
    """
    return labels.join(features, on=KEY, how="left", maintain_order="left")


def split_input(model_input: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Take a prepared dataset apart again: features and labels of the same rows in the same order."""
    return model_input.drop(set(LABELS) - set(KEY)), model_input.select(LABELS.keys())


def content_hash(*tables: pl.DataFrame) -> str:
    """SHA-256, in hexadecimal, of names, types and values of tables; the order of rows and columns counts."""
    digest = hashlib.sha256()
    for table in tables:
        for column in table.select(pl.col(TIME).to_physical(), pl.exclude(TIME)):
            digest.update(f"{column.name} {column.dtype} {len(column)}".encode())
            digest.update("\0".join(column).encode() if column.dtype == pl.String else column.to_numpy().tobytes())
    return digest.hexdigest()
