"""The bars of a ledger as arrays."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Self, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.market.execution import Execution
from assay.market.features.announce import announced
from assay.market.tables import TIME

Floats = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]
Number = TypeVar("Number", np.float64, np.int64)


@dataclass(frozen=True)
class Tape:
    """The bars of a ledger, sorted by entity and time, and where the entities lie among them.

    Attributes:
        rows: ``entity, time`` and what else the bars have.
        bounds: First row of each entity, and the number of rows.
        times: Microseconds by row.
        price: Price of fills by row: the price field, the close where that is null.
        close: Close by row.
    """

    rows: pl.DataFrame
    bounds: Index
    times: Index
    price: Floats
    close: Floats

    @classmethod
    def of(cls, rows: pl.DataFrame, execution: Execution) -> Self:
        """Take the bars of a ledger apart."""
        lengths = rows["entity"].rle().struct.field("len").to_numpy()
        prices = rows.select(
            pl.coalesce(execution.price, "close").cast(pl.Float64).alias("price"), pl.col("close").cast(pl.Float64)
        )
        return cls(
            rows=rows,
            bounds=np.concatenate(([0], np.cumsum(lengths, dtype=np.int64))),
            times=microseconds(rows["time"]),
            price=prices["price"].to_numpy(),
            close=prices["close"].to_numpy(),
        )

    @property
    def entities(self) -> list[str]:
        """Names, in the order of the rows."""
        return self.rows["entity"].gather(self.bounds[:-1]).to_list()

    @property
    def first(self) -> Index:
        """The first row of each entity."""
        return self.bounds[:-1]

    @property
    def last(self) -> Index:
        """The last row of each entity."""
        return self.bounds[1:] - 1

    def by_row(self, values: npt.NDArray[Number]) -> npt.NDArray[Number]:
        """Repeat a value per entity on its rows."""
        return np.repeat(values, np.diff(self.bounds))

    def before(self, values: Floats) -> Floats:
        """Values of the row before; zero at the first row of an entity."""
        shifted = np.concatenate(([0.0], values[:-1])) if len(values) else values
        shifted[self.first] = 0.0
        return shifted

    def running_sum(self, values: Floats) -> Floats:
        """Sum of the values of an entity up to each row."""
        sums = np.empty_like(values)
        for start, stop in pairwise(self.bounds):
            np.cumsum(values[start:stop], out=sums[start:stop])
        return sums

    def find(self, entity: pl.Series, time: pl.Series) -> Index:
        """The first row of an entity that is not before a time; the row after its last where there is none.

        Args:
            entity: Names; all of them have rows.
            time: Times, no nulls.
        """
        with announced("the kernels of the ledger"):
            from assay.market.backtest.kernels import first_at_or_after
        numbers = {name: number for number, name in enumerate(self.entities)}
        codes = (
            entity.replace_strict(numbers, return_dtype=pl.Int64).to_numpy(writable=True).astype(np.int64, copy=False)
        )
        return np.asarray(first_at_or_after(self.bounds, self.times, codes, microseconds(time)))


def microseconds(times: pl.Series) -> Index:
    """Times as numbers."""
    return times.cast(TIME).to_physical().to_numpy(writable=True)
