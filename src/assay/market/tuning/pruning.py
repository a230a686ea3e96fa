"""When a trial is not worth its remaining folds."""

from collections.abc import Sequence
from statistics import median

MIN_PEERS = 5  # complete trials before a median means anything


def is_hopeless(own: float, peers: Sequence[float]) -> bool:
    """Whether a trial is worse than the median of its peers (median rule of Golovin et al., *KDD* 2017).

    All are compared over the same folds, so a fold that is hard for all does not count against anyone. With the few
    folds of a walk-forward split a test of paired ranks could never reject (two folds give p >= .25), and keeping the
    best third after one fold would bet on a single period; the median asks only for the better half.

    Args:
        own: Mean score of the trial over its first folds, higher is better.
        peers: Mean scores of the complete trials over the same folds.
    """
    return len(peers) >= MIN_PEERS and own < median(peers)
