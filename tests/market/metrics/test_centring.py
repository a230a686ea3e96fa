import numpy as np
import pytest

from assay.market.metrics import Timing, less_mean_so_far


def timing(folds: list[int], times: list[int]) -> Timing:
    return Timing(np.array(folds), np.array(times))


def test_each_row_loses_the_mean_of_its_fold_up_to_its_own_time() -> None:
    random = np.random.default_rng(1)
    time = np.sort(random.integers(0, 40, 120))
    fold = 1 + time // 15
    values = random.standard_normal(120)
    so_far = [values[(fold == fold[i]) & (time <= time[i])].mean() for i in range(120)]
    assert less_mean_so_far(values, Timing(fold, time)) == pytest.approx(values - so_far, abs=1e-12)


def test_rows_of_one_time_know_each_other() -> None:
    assert less_mean_so_far(np.array([1.0, 3.0, 5.0]), timing([1, 1, 1], [0, 0, 1])).tolist() == [-1.0, 1.0, 2.0]


def test_a_constant_of_each_fold_becomes_exactly_zero() -> None:
    values = np.repeat([0.1, 1 / 3, -7e9], 1000)
    folds = np.repeat([1, 2, 3], 1000)
    assert (less_mean_so_far(values, Timing(folds, np.arange(3000))) == 0.0).all()


def test_a_new_fold_at_the_same_time_begins_anew() -> None:
    assert less_mean_so_far(np.array([1.0, 2.0]), timing([1, 2], [5, 5])).tolist() == [0.0, 0.0]


def test_without_times_it_is_the_plain_mean() -> None:
    assert less_mean_so_far(np.array([1.0, 2.0, 6.0]), None).tolist() == [-2.0, -1.0, 3.0]
    assert less_mean_so_far(np.zeros(0), None).tolist() == []
    assert less_mean_so_far(np.zeros(0), timing([], [])).tolist() == []


def test_the_future_changes_nothing_before_it() -> None:
    values, when = np.random.default_rng(1).standard_normal(50), Timing(np.ones(50, dtype=int), np.arange(50))
    changed = values.copy()
    changed[30:] += 100.0
    assert (less_mean_so_far(values, when)[:30] == less_mean_so_far(changed, when)[:30]).all()


def test_a_score_that_follows_the_past_has_no_product_with_what_comes() -> None:
    """Past return over 50 bars and next return over 5 on random walks: a mean of all 400 looks ahead."""
    careful, careless = [], []
    when = Timing(np.ones(400, dtype=int), np.arange(400))
    for seed in range(800):
        path = np.cumsum(np.random.default_rng(seed).standard_normal(455))
        past, ahead = path[50:-5] - path[:-55], path[55:] - path[50:-5]
        careful.append(np.mean(less_mean_so_far(past, when) * ahead) / np.sqrt(250))
        careless.append(np.mean(less_mean_so_far(past, None) * ahead) / np.sqrt(250))
    error = np.std(careful) / np.sqrt(800)
    assert abs(np.mean(careful)) < 2 * error
    assert np.mean(careless) == pytest.approx(-np.sqrt(250) / 400, abs=3 * error)
