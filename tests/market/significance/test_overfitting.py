"""Combinatorially symmetric cross-validation against a hand example, a slow loop and what noise does."""

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from scipy.stats import rankdata

from assay.market.errors import DataError
from assay.market.significance import probability_of_backtest_overfitting

# Whichever of the three is best in two of the rows is the worst in the other two.
BY_HAND = np.array([[3.0, -1.0, 2.0], [1.0, -3.0, -2.0], [-1.0, 3.5, -1.0], [-3.0, 0.5, 1.0]])


def slow_logits(returns: Any, blocks: int) -> list[float]:
    """One split after the other, as the paper describes it."""
    size = len(returns) // blocks
    rows = np.arange(len(returns))[len(returns) - size * blocks :].reshape(blocks, size)
    found = []
    for half in combinations(range(blocks), blocks // 2):
        inside = returns[rows[list(half)].ravel()]
        outside = returns[rows[[b for b in range(blocks) if b not in half]].ravel()]
        ratios = [part.mean(axis=0) / part.std(axis=0, ddof=1) for part in (inside, outside)]
        relative = rankdata(ratios[1])[ratios[0].argmax()] / (returns.shape[1] + 1)
        found.append(np.log(relative / (1 - relative)))
    return found


def test_the_hand_example_is_overfitted_in_every_split() -> None:
    found = probability_of_backtest_overfitting(BY_HAND, blocks=4)
    assert found.value == 1.0
    assert found.logits == pytest.approx([-np.log(3)] * 6)  # rank 1 of 3: w = 1/4
    assert (found.blocks, found.strategies) == (4, 3)


@pytest.mark.parametrize(("rows", "strategies", "blocks"), [(64, 3, 4), (83, 10, 8), (200, 2, 6)])
def test_splits_are_those_of_the_slow_loop(rows: int, strategies: int, blocks: int) -> None:
    returns = 0.2 + np.random.default_rng(rows).standard_normal((rows, strategies))
    found = probability_of_backtest_overfitting(returns, blocks=blocks)
    slow = slow_logits(returns, blocks)
    assert found.logits == pytest.approx(slow)
    assert found.value == np.mean(np.array(slow) <= 0)


def test_sixteen_blocks_make_12870_splits() -> None:
    returns = np.random.default_rng(1).standard_normal((320, 5))
    assert len(probability_of_backtest_overfitting(returns).logits) == 12_870


def test_noise_averages_about_a_half_and_one_figure_says_little() -> None:
    rng = np.random.default_rng(2)
    found = [probability_of_backtest_overfitting(rng.standard_normal((160, 9)), blocks=8).value for _ in range(400)]
    assert np.mean(found) == pytest.approx(0.54, abs=0.04)
    assert 0.12 < np.std(found) < 0.28


def test_a_strategy_with_an_edge_is_best_in_both_halves() -> None:
    returns = np.random.default_rng(3).standard_normal((400, 8))
    returns[:, 2] += 1.0
    assert probability_of_backtest_overfitting(returns, blocks=8).value == 0.0
    # Re-centred columns would force the value up whatever the edge.
    assert probability_of_backtest_overfitting(returns - returns.mean(axis=0), blocks=8).value > 0.9


def test_ties_share_their_rank() -> None:
    """Two equal columns of two: rank 1.5 of 3, a logit of 0, which counts as overfitted."""
    one = np.random.default_rng(4).standard_normal((40, 1))
    found = probability_of_backtest_overfitting(np.hstack([one, one]), blocks=4)
    assert (found.logits == 0.0).all()
    assert found.value == 1.0


def test_a_book_that_rests_beats_those_that_lose_and_no_other() -> None:
    rests, noise = np.zeros((40, 1)), np.random.default_rng(5).standard_normal((40, 2))
    losing = probability_of_backtest_overfitting(np.hstack([rests, noise - 3]), blocks=4)
    assert losing.logits == pytest.approx([np.log(3)] * 6)  # chosen in every split, and then the best of three
    gaining = probability_of_backtest_overfitting(np.hstack([rests, noise + 3]), blocks=4)
    others = probability_of_backtest_overfitting(noise + 3, blocks=4)
    assert gaining.logits == pytest.approx(np.where(others.logits > 0, np.log(3), 0.0))  # one place up


@pytest.mark.parametrize("constant", [0.1, 0.3, -0.7])
def test_rounding_gives_a_constant_no_ratio(constant: float) -> None:
    others = np.random.default_rng(6).standard_normal((42, 3))
    constant_first, zero_first = (
        probability_of_backtest_overfitting(np.column_stack([np.full(42, value), others]), blocks=6).logits
        for value in (constant, 0.0)
    )
    assert (constant_first == zero_first).all()


@pytest.mark.parametrize(
    ("shape", "blocks", "message"),
    [((40, 1), 4, "at least two strategies"), ((40, 3), 5, "even number"), ((3, 3), 2, "at least 4 bars")],
)
def test_what_cannot_be_split_is_an_error(shape: tuple[int, int], blocks: int, message: str) -> None:
    with pytest.raises(DataError, match=message):
        probability_of_backtest_overfitting(np.zeros(shape), blocks=blocks)
