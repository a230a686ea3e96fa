"""Stability over folds against hand numbers and a slow loop."""

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.market.selection import Selection, stability
from assay.market.selection.stability import nogueira

MOMENT = datetime(2020, 1, 1, tzinfo=UTC)


def selection(consensus: dict[str, float], kept: str, unusable: str = "") -> Selection:
    dropped = {name: "consensus" for name in consensus if name not in kept} | dict.fromkeys(unusable, "constant")
    return Selection(
        rows=9,
        last_time_seen=MOMENT,
        last_label_end=MOMENT,
        kept=tuple(kept),
        dropped=dropped,
        consensus=consensus,
    )


def test_the_estimate_by_hand() -> None:
    """Two choices of two of four features that share one.

    p = (1, 1/2, 1/2, 0), so the mean sample variance 2 p (1 - p) is (0 + 1/2 + 1/2 + 0) / 4 = 1/4; drawing 2 of 4 has
    variance 1/2 * 1/2 = 1/4: stability 0. Each choice alone gives the same, so the interval has no width.
    """
    chosen = np.array([[1, 1, 0, 0], [1, 0, 1, 0]], dtype=bool)
    assert nogueira(chosen) == pytest.approx((0, 0, 0))


def test_the_interval_by_hand() -> None:
    """Three choices {a}, {a}, {b} of three features.

    p = (2/3, 1/3, 0), mean of 3/2 p (1 - p) = 3/2 * (2/9 + 2/9) / 3 = 2/9; 1/3 * 2/3 = 2/9: stability 0. Without the
    correction (it is multiplied by the stability) the parts are (p_chosen / 3 - 1/9) / (2/9): 1/2, 1/2, 0, their mean
    1/3, squares 1/36 + 1/36 + 1/9 = 1/6, variance 4/9 * 1/6 = 2/27.
    """
    chosen = np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0]], dtype=bool)
    half = 1.959963984540054 * (2 / 27) ** 0.5
    assert nogueira(chosen) == pytest.approx((0, -half, half))


def test_equal_choices_are_stable() -> None:
    assert nogueira(np.tile([True, False, True], (5, 1))) == pytest.approx((1, 1, 1))


def slow(chosen: np.ndarray) -> tuple[float, float]:
    """Definition 4 and theorem 8, feature by feature and choice by choice."""
    m, d = chosen.shape
    p = [sum(chosen[i, f] for i in range(m)) / m for f in range(d)]
    k = [sum(chosen[i, f] for f in range(d)) for i in range(m)]
    mean_k = sum(k) / m
    chance = mean_k / d * (1 - mean_k / d)
    estimate = 1 - sum(m / (m - 1) * share * (1 - share) for share in p) / d / chance
    parts = []
    for i in range(m):
        overlap = sum(int(chosen[i, f]) * p[f] for f in range(d)) / d
        bracket = 2 * k[i] * mean_k / d**2 - k[i] / d - mean_k / d + 1
        parts.append((overlap - k[i] * mean_k / d**2 + estimate / 2 * bracket) / chance)
    centre = sum(parts) / m
    return estimate, 4 / m**2 * sum((part - centre) ** 2 for part in parts)


@given(st.integers(2, 7), st.integers(2, 12), st.integers(0, 10_000))
@settings(deadline=None, max_examples=80)
def test_estimate_and_interval_agree_with_a_slow_loop(m: int, d: int, seed: int) -> None:
    chosen = np.random.default_rng(seed).random((m, d)) < 0.4
    chosen[0, 0], chosen[0, 1] = True, False
    estimate, low, high = nogueira(chosen)
    expected, variance = slow(chosen)
    assert estimate == pytest.approx(expected, abs=1e-12)
    assert (low, high) == pytest.approx(
        (expected - 1.959964 * variance**0.5, expected + 1.959964 * variance**0.5), abs=1e-6
    )


def test_random_choices_are_at_zero_on_average() -> None:
    rng = np.random.default_rng(0)
    draws = [nogueira(rng.random((5, 60)).argsort(axis=1) < 20)[0] or 0.0 for _ in range(300)]
    assert abs(np.mean(draws)) < 0.01


@pytest.mark.parametrize("chosen", [np.ones((3, 4)), np.zeros((3, 4)), np.eye(4)[:1], np.zeros((0, 4))])
def test_where_it_is_undefined_there_is_no_number(chosen: np.ndarray) -> None:
    assert nogueira(chosen.astype(bool)) == (None, None, None)


def test_the_document_compares_the_outer_folds_only() -> None:
    folds = {
        "all": selection({"a": 9, "b": 9}, "ab"),
        "fold 1": selection({"a": 1, "b": 2.5, "c": 2.5}, "ab", "d"),
        "fold 2": selection({"a": 2, "b": 1, "d": 3}, "ab", "c"),
        "fold 3": selection({"a": 3, "b": 2, "c": 1}, "bc", "d"),
        "inner 1": selection({"z": 1}, "z"),
    }
    got = stability(folds)
    assert (got["folds"], got["confidence"]) == (3, 0.95)
    chosen = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 1, 1, 0]], dtype=bool)
    assert (got["estimate"], got["low"], got["high"]) == pytest.approx(nogueira(chosen))
    assert [list(record.values()) for record in got["features"]] == [
        ["b", 1.0, 3, pytest.approx(5.5 / 3), pytest.approx(np.std([2.5, 1, 2], ddof=1))],
        ["a", pytest.approx(2 / 3), 3, 2.0, 1.0],
        ["c", pytest.approx(1 / 3), 2, 1.75, pytest.approx(1.5 / 2**0.5)],
        ["d", 0.0, 1, 3.0, None],
    ]
    assert list(got["features"][0]) == ["name", "share", "ranked", "mean_rank", "rank_spread"]


def test_features_that_were_never_ranked_come_last() -> None:
    got = stability({"fold 1": selection({"a": 2, "b": 1}, "b", "x"), "fold 2": selection({"a": 2, "b": 1}, "b", "x")})
    assert [(record["name"], record["mean_rank"]) for record in got["features"]] == [
        ("b", 1.0),
        ("a", 2.0),
        ("x", None),
    ]


def test_without_folds_there_is_nothing_to_compare() -> None:
    got = stability({"all": selection({"a": 1}, "a")})
    assert (got["folds"], got["estimate"], got["features"]) == (0, None, [])
