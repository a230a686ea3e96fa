"""Where the rows of each entity lie in a sorted table, and work that is spread over entities."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

Array: TypeAlias = npt.NDArray[np.float64]
Rows: TypeAlias = npt.NDArray[np.int64]
Mask: TypeAlias = npt.NDArray[np.bool_]

PIECE = 16_384  # rows: small enough for a processor's cache, large enough to be worth a call


@dataclass(frozen=True)
class Spans:
    """Rows of the entities in a table that is sorted by entity and time. All arrays are int64, one value per entity.

    Attributes:
        starts: First row of the history.
        firsts: First row whose value is wanted.
        stops: Row after the last.
    """

    starts: Rows
    firsts: Rows
    stops: Rows

    def everywhere(self) -> "Spans":
        """The same entities with every row wanted."""
        return Spans(self.starts, self.starts, self.stops)

    def wanted(self) -> Rows:
        """Numbers of the wanted rows."""
        return _ranges(self.firsts, self.stops)

    def reaching_back(self, rows: int) -> tuple[Rows, "Spans"]:
        """Numbers of the wanted rows and up to ``rows`` of history before the first, and where they lie by themselves.

        Entities of which nothing is wanted lose their history.
        """
        begins = np.where(self.firsts < self.stops, np.maximum(self.starts, self.firsts - rows), self.stops)
        stops = np.cumsum(self.stops - begins)
        starts = stops - (self.stops - begins)
        return _ranges(begins, self.stops), Spans(starts, starts + (self.firsts - begins), stops)

    def positions(self, rows: Rows) -> Rows:
        """How many rows of its entity's history lie before each of these rows."""
        return rows - self.starts[np.searchsorted(self.stops, rows, side="right")]


def spans_of(entities: pl.Series, wanted: Mask | None = None) -> Spans:
    """Find the rows of each entity.

    Args:
        entities: Column of a table sorted by it and time.
        wanted: Rows whose values are wanted, within an entity all from some row on; all by default.
    """
    stops = np.cumsum(entities.rle().struct.field("len").to_numpy(), dtype=np.int64)
    starts = np.r_[np.int64(0), stops[:-1]][: len(stops)]
    if wanted is None:
        return Spans(starts, starts, stops)
    count = np.r_[np.int64(0), np.cumsum(wanted, dtype=np.int64)]
    return Spans(starts, stops - (count[stops] - count[starts]), stops)


def in_parallel(work: Callable[[Rows, Rows, Rows], None], spans: Spans, *, threads: int | None = None) -> None:
    """Call ``work(starts, firsts, stops)`` on pieces of a table, each some successive entities, in a pool of threads.

    The work must write to the rows of its entities alone; then no result depends on the number of threads.

    Args:
        work: Releases the interpreter's lock to gain anything.
        spans: Entities to divide.
        threads: Most threads at a time; one per processor by default.
    """
    pieces = list(_pieces(spans))
    threads = min(threads or os.cpu_count() or 1, len(pieces))
    if threads <= 1:
        for piece in pieces:
            work(*piece)
        return
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(work, *piece) for piece in pieces]:
            done.result()


def _ranges(begins: Rows, ends: Rows) -> Rows:
    counts = ends - begins
    return np.arange(counts.sum()) + np.repeat(ends - np.cumsum(counts), counts)


def _pieces(spans: Spans) -> Iterator[tuple[Rows, Rows, Rows]]:
    """Successive entities of together about `PIECE` rows."""
    bounds = np.flatnonzero(np.diff(spans.starts // PIECE, prepend=-1))
    for begin, end in pairwise([*bounds, len(spans.starts)]):
        yield spans.starts[begin:end], spans.firsts[begin:end], spans.stops[begin:end]
