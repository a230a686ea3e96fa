"""Walks over tranches and over the book of all entities, compiled on import, which therefore happens late."""

from typing import Any

import numpy as np
from numba import njit

_OPTIONS: dict[str, Any] = {"nogil": True, "cache": True, "error_model": "numpy"}


@njit("i8[::1](i8[::1], i8[::1], i8[::1], i8[::1])", **_OPTIONS)
def first_at_or_after(bounds, times, entities, wanted):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Find the first row of an entity whose time is not before the wanted one.

    A bisection whose span grows from the last find: fast when the wanted times are nearly in order, right in any.

    Args:
        bounds: First row of each entity, and the number of rows.
        times: Time of each row.
        entities: Number of the entity of each wanted time.
        wanted: Times.

    Returns:
        Row of each wanted time; the row after the last of the entity where all are earlier.
    """
    found = np.empty(len(wanted), dtype=np.int64)
    for i in range(len(wanted)):
        low, stop, step = bounds[entities[i]], bounds[entities[i] + 1], 1
        if i > 0 and entities[i] == entities[i - 1] and wanted[i] >= wanted[i - 1]:
            low = found[i - 1]
        high = low
        while high < stop and times[high] < wanted[i]:
            low, high, step = high + 1, min(stop, high + step), 2 * step
        while low < high:
            middle = (low + high) // 2
            if times[middle] < wanted[i]:
                low = middle + 1
            else:
                high = middle
        found[i] = low
    return found


@njit("void(i8[::1], i8[::1], f8[:, ::1], i8[::1], f8[:, ::1])", **_OPTIONS)
def hold(bounds, walk, orders, leave, held):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Open a tranche for every order and add it to the rows after which it is held.

    Every row is a sum of what is open, and no running total: a closed tranche leaves no rounding dust behind.

    Args:
        bounds: First row of each entity, and the number of rows.
        walk: Bars from the decision to the fill, bars a tranche is held at most, and whether bars are filled at their
            open (1) or close (0).
        orders: Price of fills, weight and price of a resting exit (NaN = none) by row of the decision; (3, rows).
        leave: Row of the exit by row of the decision.
        held: Quantity after each row. Then, if there are resting exits: quantity that left inside the bar at a price of
            its own, its absolute worth there, and its signed worth; shape (1 or 4, rows), zero at first.
    """
    price, weight, resting = orders[0], orders[1], orders[2]
    delay, horizon, at_open = walk
    for entity in range(len(bounds) - 1):
        stop = bounds[entity + 1]
        for fill in range(bounds[entity] + delay, stop):
            decided = fill - delay
            if weight[decided] == 0.0:
                continue
            quantity = weight[decided] / (horizon * price[fill])
            end = min(leave[decided], fill + horizon)
            for row in range(fill, min(end, stop)):
                held[0, row] += quantity
            if end < stop and end >= fill + 1 - at_open and not np.isnan(resting[decided]):
                held[1, end] += quantity
                held[2, end] += abs(quantity) * resting[decided]
                held[3, end] += quantity * resting[decided]


@njit("void(i8[::1], i8[::1], f8[:, ::1], i8[::1], f8[::1])", **_OPTIONS)
def expose(bounds, walk, orders, leave, planned):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Value, at each decision, the position that its fill will lead to, from what is known at that time.

    A filled tranche counts at the close of the decision, an ordered one with its weight; one that has left is gone, and
    one that may leave before the fill is still there.

    Args:
        bounds: First row of each entity, and the number of rows.
        walk: See ``hold``.
        orders: Price of fills, weight, and close, by row; shape (3, rows).
        leave: See ``hold``.
        planned: Share of the entity's capital by row of the decision, zero at first. Nothing is planned at the last row
            of an entity.
    """
    price, weight, close = orders[0], orders[1], orders[2]
    delay, horizon, _ = walk
    for entity in range(len(bounds) - 1):
        last = bounds[entity + 1] - 1
        for decided in range(bounds[entity], last):
            share = weight[decided] / horizon
            if share == 0.0:
                continue
            fill = decided + delay
            for row in range(decided, min(decided + horizon, leave[decided], last)):
                planned[row] += share if row < fill else share / price[fill] * close[row]


@njit("void(i8[::1], i8[:, ::1], f8[::1], f8, f8[::1])", **_OPTIONS)
def share_out(order, rows, planned, most, scale):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Scale the positions of all entities with a bar alike wherever the sum of all would exceed a limit.

    Args:
        order: Rows sorted by time.
        rows: Time and number of the entity of each row; shape (2, rows).
        planned: Position by row of the decision. An entity without a bar at a time counts with what it was left with.
        most: Largest sum of absolute positions.
        scale: Factor by row of the decision, written.
    """
    times, entities = rows[0], rows[1]
    left = np.zeros(entities.max() + 1)
    begin = 0
    while begin < len(order):
        end, asked = begin, 0.0
        while end < len(order) and times[order[end]] == times[order[begin]]:
            left[entities[order[end]]] = 0.0
            asked += abs(planned[order[end]])
            end += 1
        room = max(0.0, most - left.sum())
        factor = 1.0 if asked <= room else room / asked
        for i in range(begin, end):
            scale[order[i]] = factor
            left[entities[order[i]]] = factor * abs(planned[order[i]])
        begin = end
