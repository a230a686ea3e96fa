"""Sums over the last rows of each row. Importing this compiles it, so it is imported where it is first needed.

A walk over the lags adds to all rows of a block at once. Each row's additions then come in the order of the lags, so a
sum depends on the rows of its window and on nothing else, to the last bit.
"""

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar, cast

import numpy as np
from numba import float64, int64, njit, types, void

from assay.market.features.entities import Array, Rows

Pair: TypeAlias = tuple[Array, Array]
Bounds: TypeAlias = tuple[int, int]
Function = TypeVar("Function", bound=Callable[..., Any])

BLOCK = 512  # rows whose sums stay in the fastest cache
TOTAL, FIRST, SECOND, THIRD, FOURTH, LAGGED, OTHER_FIRST, OTHER_SECOND, PRODUCT, DISTANCE = range(10)
SUMS = {
    "total": TOTAL,
    "first": FIRST,
    "second": SECOND,
    "third": THIRD,
    "fourth": FOURTH,
    "lagged": LAGGED,
    "other_first": OTHER_FIRST,
    "other_second": OTHER_SECOND,
    "product": PRODUCT,
    "distance": DISTANCE,
}
_READ = types.Array(float64, 1, "C", readonly=True)
_ROWS = types.Array(int64, 1, "C", readonly=True)
_TUPLE: Any = types.Tuple
_PAIR, _SPANS = _TUPLE((_READ, _READ)), _TUPLE((_ROWS, _ROWS, _ROWS))
_SIGNATURE: Any = void(_PAIR, _SPANS, _ROWS, _ROWS, float64[:, :, ::1])


def _compiled(function: Function) -> Function:
    """Compiled with its caller."""
    return cast("Function", njit(function, nogil=True, error_model="numpy"))


def _kept(function: Function) -> Function:
    """Compiled now, and kept for later runs."""
    return cast("Function", njit(_SIGNATURE, nogil=True, cache=True, error_model="numpy")(function))


@_compiled
def _add_one(kind: int, values: Array, rows: Bounds, lags: Bounds, sums: Array) -> None:  # noqa: C901
    """Sums over one series. A loop per kind: only bare loops become vector instructions."""
    begin, end = rows
    now = values[begin:end]
    if kind == TOTAL:
        for lag in range(lags[0], lags[1]):
            late = values[begin - lag : end - lag]
            for i in range(len(sums)):
                sums[i] += late[i]
    elif kind == FIRST:
        for lag in range(lags[0], lags[1]):
            late = values[begin - lag : end - lag]
            for i in range(len(sums)):
                sums[i] += late[i] - now[i]
    elif kind == SECOND:
        for lag in range(lags[0], lags[1]):
            late = values[begin - lag : end - lag]
            for i in range(len(sums)):
                sums[i] += (late[i] - now[i]) ** 2
    elif kind == THIRD:
        for lag in range(lags[0], lags[1]):
            late = values[begin - lag : end - lag]
            for i in range(len(sums)):
                sums[i] += (late[i] - now[i]) ** 3
    elif kind == FOURTH:
        for lag in range(lags[0], lags[1]):
            late = values[begin - lag : end - lag]
            for i in range(len(sums)):
                sums[i] += (late[i] - now[i]) ** 4
    elif kind == LAGGED:
        for lag in range(lags[0], lags[1]):
            late = values[begin - lag : end - lag]
            for i in range(len(sums)):
                sums[i] += lag * (late[i] - now[i])


@_compiled
def _add_two(kind: int, pair: Pair, rows: Bounds, lags: Bounds, sums: Array) -> None:
    """Sums over two series."""
    begin, end = rows
    values, others = pair
    now, other_now = values[begin:end], others[begin:end]
    if kind == PRODUCT:
        for lag in range(lags[0], lags[1]):
            late, other_late = values[begin - lag : end - lag], others[begin - lag : end - lag]
            for i in range(len(sums)):
                sums[i] += (late[i] - now[i]) * (other_late[i] - other_now[i])
    elif kind == DISTANCE:
        for lag in range(lags[0], lags[1]):
            late = values[begin - lag : end - lag]
            for i in range(len(sums)):
                sums[i] += abs(late[i] - other_now[i])


@_compiled
def _add(kind: int, pair: Pair, rows: Bounds, lags: Bounds, sums: Array) -> None:
    """Add a range of lags to the sums of a range of rows."""
    values, others = pair
    if kind == OTHER_FIRST:
        _add_one(FIRST, others, rows, lags, sums)
    elif kind == OTHER_SECOND:
        _add_one(SECOND, others, rows, lags, sums)
    elif kind in (PRODUCT, DISTANCE):
        _add_two(kind, pair, rows, lags, sums)
    else:
        _add_one(kind, values, rows, lags, sums)


@_kept
def walk(pair: Pair, spans: tuple[Rows, Rows, Rows], kinds: Rows, lengths: Rows, out: Array) -> None:
    """Fill sums of several kinds over windows of several lengths.

    Args:
        pair: The values and the others, each of shape (rows,); the same array twice where there is one series.
        spans: ``starts``, ``firsts`` and ``stops`` of the entities.
        kinds: Of `SUMS`.
        lengths: Rising.
        out: Shape (kinds, lengths, rows); rows without a full window are left as they are.
    """
    starts, firsts, stops = spans
    sums = np.empty(BLOCK)
    for entity in range(len(starts)):
        for block in range(firsts[entity], stops[entity], BLOCK):
            end = min(block + BLOCK, stops[entity])
            for k in range(len(kinds)):
                sums[:] = 0
                walked = 0
                for n in range(len(lengths)):
                    begin = max(block, starts[entity] + lengths[n] - 1)  # first with a window so long
                    if begin < end:
                        filled = sums[begin - block : end - block]
                        _add(kinds[k], pair, (begin, end), (walked, lengths[n]), filled)
                        out[k, n, begin:end] = filled
                        walked = lengths[n]
