"""When a search stops, and when a trial is pruned."""

from typing import Any

import pytest

from assay.market.tuning.pruning import MIN_PEERS, is_hopeless
from assay.market.tuning.stopping import best_of, stale, until_stale


def trials(*scores: float | None) -> list[dict[str, Any]]:
    """None is a pruned trial, whose score on fewer folds may look like the best."""
    return [
        {
            "number": number,
            "state": "complete" if score is not None else "pruned",
            "score": 9.0 if score is None else score,
        }
        for number, score in enumerate(scores)
    ]


def test_a_pruned_trial_is_never_the_best_and_equals_go_to_the_earlier() -> None:
    assert best_of(trials(1, 3, None, 3))["number"] == 1  # type: ignore[index]
    assert best_of(trials(None)) is None
    failed = {"number": 0, "state": "failed", "score": None}
    assert best_of([failed]) is None


def test_stale_trials_are_those_after_the_best() -> None:
    assert stale(trials(1, 3, 2, None)) == 2
    assert stale(trials(1, 2, 3)) == 0
    assert stale(trials(None, None)) == 2
    assert stale([]) == 0


def test_a_study_ends_where_patience_ran_out() -> None:
    tried = trials(1, 3, 2, None, 5, 4)
    assert until_stale(tried, 2) == tried[:4]
    assert until_stale(tried, 3) == tried
    assert until_stale(tried, None) == tried
    assert until_stale(tried, 1) == tried[:3]


def test_the_median_of_its_peers_decides_about_a_trial() -> None:
    peers = [1.0, 2.0, 3.0, 4.0, 5.0]
    assert len(peers) == MIN_PEERS
    assert is_hopeless(2.9, peers)
    assert not is_hopeless(3.0, peers)
    assert not is_hopeless(0.0, peers[:-1])


@pytest.mark.parametrize("shift", [-10.0, 10.0])
def test_a_fold_that_is_hard_for_all_prunes_nobody_more(shift: float) -> None:
    peers = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    for own in (1.5, 3.4, 3.6, 5.0):
        assert is_hopeless(own + shift, [peer + shift for peer in peers]) == is_hopeless(own, peers)
