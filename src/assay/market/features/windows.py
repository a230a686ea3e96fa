"""Windows over expressions: verbs register them, `with_windows` turns them into columns.

A window is known by the key of its column. Other expressions read it under this key, so that windows of expressions of
windows are possible; they are evaluated level by level, each once, and all windows over one series share a walk.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from types import ModuleType
from typing import TypeAlias

import numpy as np
import polars as pl

from assay.market.features.announce import announced
from assay.market.features.entities import Array, Rows, Spans, in_parallel
from assay.market.features.moments import VERBS, Sums
from assay.market.features.row_wise import is_row_wise

Pair: TypeAlias = tuple[str, str]


@dataclass(frozen=True)
class Window:
    """One column of values over the last rows of each row.

    Attributes:
        verb: What is said about the rows, one of `VERBS`.
        length: Rows per window, the current one included.
        ddof: Taken from the count of rows where a variance divides by it.
        series: Keys of the two series it looks at in `SERIES`; the same twice where it looks at one.
    """

    verb: str
    length: int
    ddof: int
    series: Pair

    @property
    def key(self) -> str:
        """Name of its column."""
        return f"{self.verb}_{self.length}_{self.ddof}({', '.join(dict.fromkeys(self.series))})"


SERIES: dict[str, pl.Expr] = {}
WINDOWS: dict[str, Window] = {}


def window(verb: str, length: int, *series: pl.Expr, ddof: int = 0) -> pl.Expr:
    """Register a window over one or two series of each entity.

    Returns:
        Its column, float64; null while a value in the window is missing or infinite and where the result is not finite.
    """
    keys = [_registered(one) for one in series]
    registered = Window(verb, length, ddof, (keys[0], keys[-1]))
    WINDOWS[registered.key] = registered
    return pl.col(registered.key)


def panel_columns(names: Iterable[str]) -> set[str]:
    """Replace the columns of windows by the columns that the windows read, down to the panel's own."""
    found: set[str] = set()
    for name in names:
        read = WINDOWS.get(name)
        found |= panel_columns(_reads(read)) if read else {name}
    return found


def with_windows(
    panel: pl.DataFrame, names: Iterable[str], spans: Spans, *, threads: int | None = None
) -> pl.DataFrame:
    """Add the columns of windows.

    Args:
        panel: Sorted by entity and time.
        names: Columns that are about to be read; those of no window are left to the panel.
        spans: Where the entities lie in the panel, and the rows on which the columns are about to be read.
        threads: Most threads at a time; no value depends on it.

    Returns:
        The panel with these columns, null before the rows that are read, and with those behind them on all rows.
    """
    pending = {key: one for key, one in _windows_behind(names).items() if key not in panel.columns}
    behind = {name for one in pending.values() for name in _reads(one)}
    while pending:
        ready = [one for one in pending.values() if pending.keys().isdisjoint(_reads(one))]
        inner, outer = ([one for one in ready if (one.key in behind) == inside] for inside in (True, False))
        columns = _evaluate(panel, inner, spans.everywhere(), threads) + _evaluate(panel, outer, spans, threads)
        panel = panel.hstack(columns)
        pending = {key: one for key, one in pending.items() if one not in ready}
    return panel


def _registered(series: pl.Expr) -> str:
    if series.meta.is_column():
        key = series.meta.output_name()
    else:
        key = hashlib.sha256(series.meta.serialize()).hexdigest()[:16]
    SERIES[key] = series
    return key


def _reads(one: Window) -> set[str]:
    return {name for key in one.series for name in SERIES[key].meta.root_names()}


def _windows_behind(names: Iterable[str]) -> dict[str, Window]:
    found: dict[str, Window] = {}
    for name in names:
        if name in WINDOWS:
            found |= _windows_behind(_reads(WINDOWS[name])) | {name: WINDOWS[name]}
    return found


def _evaluate(panel: pl.DataFrame, ready: Sequence[Window], spans: Spans, threads: int | None) -> list[pl.Series]:
    numbers = _numbers(panel, sorted({key for one in ready for key in one.series}))
    values = {one: np.full(panel.height, np.nan) for one in ready}
    walks = [(pair, list(together)) for pair, together in groupby(sorted(ready, key=_series), key=_series)]
    kernels = _kernels()

    def work(starts: Rows, firsts: Rows, stops: Rows) -> None:
        rows = slice(starts[0], stops[-1])
        piece = starts - rows.start, firsts - rows.start, stops - rows.start
        for (left, right), together in walks:
            pair = numbers[left][rows], numbers[right][rows]
            for one, found in _walk(kernels, pair, together, piece):
                values[one][rows] = found

    in_parallel(work, spans, threads=threads)
    return [pl.Series(one.key, found, nan_to_null=True) for one, found in values.items()]


def _numbers(panel: pl.DataFrame, keys: Sequence[str]) -> dict[str, Array]:
    """Values of the series as float64 arrays, NaN where missing."""
    series = [_within_entity(SERIES[key]).cast(pl.Float64).fill_null(float("nan")).alias(key) for key in keys]
    table = panel.lazy().select(series).collect()  # lazily: expressions that the series share are evaluated once
    return {column.name: column.rechunk().to_numpy() for column in table}


def _within_entity(series: pl.Expr) -> pl.Expr:
    return series if is_row_wise(series) else series.over("entity")


def _walk(
    kernels: ModuleType, pair: tuple[Array, Array], together: Sequence[Window], spans: tuple[Rows, Rows, Rows]
) -> Iterator[tuple[Window, Array]]:
    """Values of windows over the same series, from one walk."""
    kinds = sorted({name for one in together for name in VERBS[one.verb].sums})
    lengths = sorted({one.length for one in together})
    sums = np.full((len(kinds), len(lengths), len(pair[0])), np.nan)
    kernels.walk(pair, spans, np.array([kernels.SUMS[name] for name in kinds]), np.array(lengths), sums)
    for one in together:
        of = dict(zip(kinds, sums[:, lengths.index(one.length)], strict=True))
        with np.errstate(all="ignore"):
            values = VERBS[one.verb].formula(Sums(*pair, one.length, of), one.ddof)
        yield one, np.where(np.isfinite(values), values, np.nan)


def _series(one: Window) -> Pair:
    return one.series


@cache
def _kernels() -> ModuleType:
    with announced("the window kernels"):
        from assay.market.features import window_kernels
    return window_kernels
