"""The walk of the adaptive level through time, compiled when this module is imported, which therefore happens late.

Scores are kept as counts by rank in a binary indexed tree (Fenwick 1994): the window takes and loses a score, and gives
its k-th smallest, in as many steps as the number of scores has binary digits. Ranks are over all scores, past and
future, which orders those inside the window and tells nothing else about the rest.
"""

from typing import Any

import numpy as np
from numba import njit

ROUNDING = 1e-9  # relative; (n + 1)(1 - alpha) that is whole must not round up to the next
_OPTIONS: dict[str, Any] = {"nogil": True, "cache": True, "error_model": "numpy"}


@njit("void(i8[::1], i8, i8)", **_OPTIONS)
def _add(tree, rank, count):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    at = rank + 1
    while at < len(tree):
        tree[at] += count
        at += at & -at


@njit("i8(i8[::1], i8)", **_OPTIONS)
def _smallest(tree, k):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Rank of the k-th smallest, k from 1."""
    step, at = 1, 0
    while step * 2 < len(tree):
        step *= 2
    while step > 0:
        if at + step < len(tree) and tree[at + step] < k:
            at += step
            k -= tree[at]
        step //= 2
    return at


@njit("f8(i8[::1], f8[::1], i8, f8)", **_OPTIONS)
def _threshold(tree, ordered, n, alpha):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """The k-th smallest of n scores, k = ceil((n + 1)(1 - alpha)); infinite above n, minus infinite below 1."""
    place = (n + 1) * (1.0 - alpha)
    k = np.ceil(place - ROUNDING * max(1.0, abs(place)))
    if k > n:
        return np.inf
    return -np.inf if k < 1 else ordered[_smallest(tree, int(k))]


@njit("f8[:, ::1](i8[:, ::1], i8[:, ::1], f8[::1], i8[::1], f8[::1])", **_OPTIONS)
def walk(moments, known, ordered, ranks, rule):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Give every timestamp its level and threshold, from what was known then.

    Args:
        moments: Time and first scored row of each timestamp, in order of time; at the end a time after all others and
            the number of scored rows; shape (2, timestamps + 1).
        known: Each timestamp with scored rows, and when the last of its labels was known, in order of that; shape
            (2, timestamps with scored rows).
        ordered: Scores, smallest first.
        ranks: Place in ``ordered`` of the score of each scored row, in order of timestamps.
        rule: Level to aim at, rate, window in timestamps, scores that the first interval waits for.

    Returns:
        Level, and threshold (NaN while waiting), of each timestamp and of the time after all; (2, timestamps + 1).
    """
    times, first, past, when = moments[0], moments[1], known[0], known[1]
    target, rate, window, fewest = rule[0], rule[1], int(rule[2]), int(rule[3])
    found = np.empty((2, len(times)))
    threshold = found[1]
    tree = np.zeros(len(ordered) + 1, dtype=np.int64)
    alpha, n, done = target, 0, 0
    for moment in range(len(times)):
        while done < len(past) and when[done] <= times[moment]:
            begin, end = first[past[done]], first[past[done] + 1]
            limit, missed = threshold[past[done]], 0
            for row in range(begin, end):
                missed += ordered[ranks[row]] > limit
                _add(tree, ranks[row], 1)
            if not np.isnan(limit):
                alpha += rate * (target - missed / (end - begin))
            n += end - begin
            if done >= window:
                begin, end = first[past[done - window]], first[past[done - window] + 1]
                for row in range(begin, end):
                    _add(tree, ranks[row], -1)
                n -= end - begin
            done += 1
        found[0, moment] = alpha
        threshold[moment] = np.nan if n < fewest else _threshold(tree, ordered, n, alpha)
    return found
