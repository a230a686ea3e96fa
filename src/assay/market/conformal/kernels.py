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
def walk(moments, arrivals, ordered, ranks, rule):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Give every timestamp its level and threshold, from what was known then.

    Args:
        moments: Time, first scored row and number of rows of each timestamp, in order of time; at the end a time after
            all others, the number of scored rows and 0; shape (3, timestamps + 1).
        arrivals: Scored rows, the place of their timestamp, and when their label was known, in order of that; shape
            (3, scored rows).
        ordered: Scores, smallest first.
        ranks: Place in ``ordered`` of the score of each scored row, in order of timestamps.
        rule: Level to aim at, rate, window in timestamps, scores that the first interval waits for.

    Returns:
        Level, and threshold (NaN while waiting), of each timestamp and of the time after all; (2, timestamps + 1).
    """
    times, first, size = moments[0], moments[1], moments[2]
    arrived, at, when = arrivals[0], arrivals[1], arrivals[2]
    target, rate, window, fewest = rule[0], rule[1], int(rule[2]), int(rule[3])
    found = np.full((2, len(times)), np.nan)
    threshold = found[1]
    tree = np.zeros(len(ordered) + 1, dtype=np.int64)
    inside = np.zeros(len(ordered), dtype=np.bool_)
    alpha, n, done, oldest = target, 0, 0, 0
    for moment in range(len(times)):
        while done < len(arrived) and when[done] <= times[moment]:
            row, own = arrived[done], at[done]
            if not np.isnan(threshold[own]):
                alpha += rate * (target - (ordered[ranks[row]] > threshold[own])) / size[own]
            while oldest <= own - window:
                for past in range(first[oldest], first[oldest + 1]):
                    if inside[past]:
                        _add(tree, ranks[past], -1)
                        n -= 1
                oldest += 1
            if own >= oldest:
                _add(tree, ranks[row], 1)
                inside[row] = True
                n += 1
            done += 1
        found[0, moment] = alpha
        threshold[moment] = np.nan if n < fewest else _threshold(tree, ordered, n, alpha)
    return found
