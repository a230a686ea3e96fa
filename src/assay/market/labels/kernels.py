"""Walks over the bars after each decision, compiled when this module is imported, which therefore happens late."""

from typing import Any

import numpy as np
from numba import njit

VERTICAL, INSIDE, AT_OPEN, BOTH = range(4)  # how a position was left
STRAIGHT = 1e-12  # share of the variance that a straight line leaves over; less is rounding
_OPTIONS: dict[str, Any] = {"nogil": True, "cache": True, "error_model": "numpy"}


@njit("void(f8[:, ::1], i8[::1], i8[::1], f8[::1], i8[:, ::1])", **_OPTIONS)
def first_touch(bars, stop, walk, leave, found):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Find where each position is left.

    Args:
        bars: Price of fills, open, high and low of each bar; then, as factors on the price of the entry, the profit and
            the loss barrier of the decision at that bar, NaN = none; shape (6, rows).
        stop: Row after the last of the entity.
        walk: Bars to the entry, bars from there to the vertical barrier, bars from there to the first that can touch.
        leave: Price of the exit. Written unless that lies beyond the data.
        found: Row of the exit, side (-1, 0, 1) and how, shape (3, rows). Written likewise.
    """
    price, opens, highs, lows, profit, loss = bars[0], bars[1], bars[2], bars[3], bars[4], bars[5]
    end, sides, how = found[0], found[1], found[2]
    delay, horizon, skipped = walk
    for row in range(len(stop)):
        entry = row + delay
        if entry >= stop[row]:
            continue
        up, down = price[entry] * profit[row], price[entry] * loss[row]
        for bar in range(entry + skipped, min(entry + skipped + horizon, stop[row])):
            if opens[bar] <= down or opens[bar] >= up:
                sides[row], how[row], leave[row] = (-1 if opens[bar] <= down else 1), AT_OPEN, opens[bar]
            elif lows[bar] <= down:
                sides[row], how[row], leave[row] = -1, (BOTH if highs[bar] >= up else INSIDE), down
            elif highs[bar] >= up:
                sides[row], how[row], leave[row] = 1, INSIDE, up
            else:
                continue
            end[row] = bar
            break
        if how[row] == VERTICAL and entry + horizon < stop[row]:
            end[row], leave[row] = entry + horizon, price[entry + horizon]


@njit("void(f8[::1], i8[::1], i8[::1], i8[::1], f8[::1])", **_OPTIONS)
def strongest_trend(values, stop, walk, length, strength):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Find the window after each entry whose least-squares slope has the largest absolute t-value.

    Args:
        values: Log prices, NaN where missing.
        stop: Row after the last of the entity.
        walk: Bars to the entry, shortest and longest window in bars after the entry.
        length: The window; of equal ones the shortest. Written unless the longest window ends beyond the data.
        strength: Its t-value. Written likewise.
    """
    delay, shortest, longest = walk
    for row in range(len(stop)):
        entry = row + delay
        if entry + longest >= stop[row]:
            continue
        y_sum, xy_sum, yy_sum = 0.0, 0.0, 0.0
        for x in range(1, longest + 1):
            y = values[entry + x] - values[entry]
            y_sum, xy_sum, yy_sum = y_sum + y, xy_sum + x * y, yy_sum + y * y
            if x < shortest:
                continue
            n = x + 1
            xx, xy, yy = n * (n * n - 1) / 12, xy_sum - x / 2 * y_sum, yy_sum - y_sum * y_sum / n
            left = max(yy - xy * xy / xx, STRAIGHT * yy)
            t = 0.0 if yy <= 0.0 else xy / xx / np.sqrt(left / (n - 2) / xx)
            if abs(t) > abs(strength[row]) or (length[row] == 0 and t == t):
                length[row], strength[row] = x, t
