import numpy as np
import pytest

from assay.market.significance import effective_blocks, effective_rows, episodes, mean_correlation, rows_needed


def test_mean_correlation_is_the_mean_of_the_matrix() -> None:
    random = np.random.default_rng(1)
    table = 0.8 * random.standard_normal((500, 1)) + 0.6 * random.standard_normal((500, 6))
    entity, time = np.tile(np.arange(6), 500), np.repeat(np.arange(500), 6)
    matrix = np.corrcoef(table.T)
    expected = matrix[np.triu_indices(6, 1)].mean()
    assert mean_correlation(table.ravel(), entity, time) == pytest.approx(expected, abs=1e-12)


def test_mean_correlation_of_one_entity_and_of_opposites_is_zero() -> None:
    x = np.random.default_rng(1).standard_normal(50)
    assert mean_correlation(x, np.zeros(50, int), np.arange(50)) == 0.0
    both = np.column_stack([x, -x]).ravel()
    assert mean_correlation(both, np.tile([0, 1], 50), np.repeat(np.arange(50), 2)) == 0.0


def test_effective_rows_count_overlap_and_co_movement() -> None:
    assert effective_rows(1000, 5) == 200.0
    assert effective_rows(1000, 1, entities=12, correlation=0.64) / 1000 == pytest.approx(1.5, abs=0.02)
    assert effective_rows(1000, 1, entities=12, correlation=0.0) == 12_000.0
    assert effective_rows(1000, 1, entities=12, correlation=1.0) == pytest.approx(1000.0)


@pytest.mark.parametrize(("ic", "rows"), [(0.02, 15_456), (0.03, 6_869), (0.05, 2_472), (0.1, 618), (-0.1, 618)])
def test_rows_needed_known_answers(ic: float, rows: int) -> None:
    assert rows_needed(ic) == rows


def test_rows_needed_grow_with_power_and_strictness() -> None:
    assert rows_needed(0.05, power=0.9) > rows_needed(0.05) < rows_needed(0.05, level=0.01)


def test_equal_blocks_all_count_and_unequal_ones_for_fewer() -> None:
    assert effective_blocks(np.ones(100), block=10) == pytest.approx(10.0)
    assert effective_blocks(np.ones(100), block=9.2) == pytest.approx(10.0)
    assert effective_blocks(np.repeat([1.0, 0.0], 50), block=10) == pytest.approx(5.0)
    assert effective_blocks(np.repeat([3.0, 1.0], 10), block=10) == pytest.approx(16 / 10)
    assert effective_blocks(np.zeros(30), block=10) == 0.0


def test_a_score_that_always_says_something_has_an_episode_each_horizon() -> None:
    assert episodes(np.ones(1000), horizon=5) == 200
    assert episodes(np.ones(1000), horizon=1) == 1000


@pytest.mark.parametrize("begin", [0, 3, 7])
def test_a_burst_is_one_episode_wherever_it_begins(begin: int) -> None:
    carried = np.full(1000, 1e-4)
    for burst in range(5):
        carried[100 * burst + begin : 100 * burst + begin + 10] = 1.0
    assert episodes(carried, horizon=10) == 5
    assert episodes(carried, horizon=5) == 10


def test_episodes_that_carry_little_count_for_little() -> None:
    carried = np.full(1000, 0.2)
    carried[[100, 400, 700]] = 1000.0
    assert episodes(carried, horizon=5) == 3


def test_silence_has_no_episodes() -> None:
    assert episodes(np.zeros(100), horizon=5) == 0
