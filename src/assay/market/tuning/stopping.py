"""When a search has gone on for long enough without a better trial."""

from collections.abc import Mapping, Sequence
from typing import Any

Trials = Sequence[Mapping[str, Any]]


def best_of(trials: Trials) -> Mapping[str, Any] | None:
    """The complete trial with the best score, the earliest of equals; None when there is none."""
    complete = (trial for trial in trials if trial["state"] == "complete")
    return max(complete, key=lambda trial: (trial["score"], -trial["number"]), default=None)


def stale(trials: Trials) -> int:
    """How many trials came after the best one; all of them while there is none.

    Args:
        trials: Records of trials, in the order in which they count.
    """
    best = best_of(trials)
    return len(trials) if best is None else sum(trial["number"] > best["number"] for trial in trials)


def until_stale(trials: Trials, patience: int | None) -> Trials:
    """The trials up to the one at which patience ran out: a later part of a study would not have been run.

    Args:
        trials: Records of trials by number, without gaps.
        patience: Most trials without a better one; None = no limit.
    """
    if patience is None:
        return trials
    ends = (end for end in range(1, len(trials) + 1) if stale(trials[:end]) >= patience)
    return trials[: next(ends, len(trials))]
