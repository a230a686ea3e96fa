"""Pools: what they answer, and that learned weights are where the penalised loss is smallest."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from sklearn.linear_model import LinearRegression

from assay.market.ensembles.pools import LEAST, Pool, fit_log_pool, fit_ridge, log_losses

CLASSES = (-1, 0, 1)


def some_probabilities(rng: np.random.Generator, rows: int) -> np.ndarray:
    return rng.dirichlet((2.0, 2.0, 2.0), rows)


def drawn(rng: np.random.Generator, p: np.ndarray) -> np.ndarray:
    return np.array([rng.choice(CLASSES, p=row) for row in p], dtype=np.int8)


def slow_loss(x: np.ndarray, answers: dict[str, np.ndarray], y: np.ndarray, penalty: float) -> float:
    """The definition, row by row and class by class."""
    members, factor = list(answers), np.array([x[-2], 0.0, x[-1]])
    logs = {m: np.log(np.maximum(answers[m], LEAST)) for m in members}
    total = 0.0
    for row, came in enumerate(y):
        scores = [factor[c] + sum(x[i] * logs[m][row, c] for i, m in enumerate(members)) for c in range(3)]
        top = max(scores)
        total += top + np.log(sum(np.exp(score - top) for score in scores)) - scores[came + 1]
    unit = np.mean([np.var(logs[m], axis=1).mean() for m in members])
    return total / len(y) + penalty * unit * sum((w - 1 / len(members)) ** 2 for w in x[:-2]) / 2


def test_a_log_pool_is_where_a_slow_search_ends() -> None:
    rng = np.random.default_rng(1)
    truth, other = some_probabilities(rng, 120), some_probabilities(rng, 120)
    answers = {"a": truth, "b": other, "c": np.sqrt(truth) / np.sqrt(truth).sum(axis=1, keepdims=True)}
    y = drawn(rng, truth)
    found = fit_log_pool(answers, y, penalty=0.3)
    assert found.intercepts is not None
    x = np.array([*found.weights.values(), found.intercepts[0], found.intercepts[2]])
    bounds = [(0, None)] * 3 + [(None, None)] * 2
    slow = minimize(slow_loss, np.full(5, 0.1), args=(answers, y, 0.3), method="SLSQP", bounds=bounds, tol=1e-12)
    np.testing.assert_allclose(x, slow.x, atol=2e-4)
    assert slow_loss(x, answers, y, 0.3) <= slow.fun + 1e-9
    assert found.intercepts[1] == 0.0


def test_a_log_pool_never_bets_against_a_member() -> None:
    rng = np.random.default_rng(2)
    truth = some_probabilities(rng, 400)
    good, bad = (power / power.sum(axis=1, keepdims=True) for power in (truth**0.4, truth**-0.4))
    found = fit_log_pool({"good": good, "bad": bad}, drawn(rng, truth), penalty=0.01)
    assert found.weights["bad"] == 0.0
    assert found.weights["good"] > 1.5  # members that are not sure enough may weigh more than 1 together


@pytest.mark.parametrize("form", ["log", "ridge"])
def test_a_large_penalty_leaves_equal_weights(form: str) -> None:
    rng = np.random.default_rng(3)
    if form == "log":
        answers = {name: some_probabilities(rng, 200) for name in "abcd"}
        found = fit_log_pool(answers, drawn(rng, answers["a"]), penalty=1e6)
    else:
        returns = {name: rng.standard_normal(200) for name in "abcd"}
        found = fit_ridge(returns, returns["a"], scale=np.ones(200), penalty=1e6)
    np.testing.assert_allclose(list(found.weights.values()), 0.25, atol=1e-4)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10_000), members=st.integers(2, 4), penalty=st.floats(0.01, 2.0))
def test_ridge_weights_are_those_of_sklearn_on_more_rows(seed: int, members: int, penalty: float) -> None:
    """A penalty is as many more rows, in which every member alone has to answer its equal weight."""
    rng = np.random.default_rng(seed)
    y, scale = 0.01 * rng.standard_normal(80), rng.uniform(0.5, 2.0, 80)
    answers = {str(m): 0.5 * y + 0.01 * rng.standard_normal(80) for m in range(members)}
    answers["0"] = -answers["0"]
    found = fit_ridge(answers, y, scale=scale, penalty=penalty)
    z = np.column_stack(list(answers.values())) / scale[:, None]
    held = np.sqrt(penalty * len(z) * (z**2).mean())
    more = np.vstack([z, held * np.eye(members)])
    wanted = np.append(y / scale, np.full(members, held / members))
    oracle = LinearRegression(positive=True, fit_intercept=False).fit(more, wanted)
    np.testing.assert_allclose(list(found.weights.values()), oracle.coef_, atol=1e-8)


def test_wild_times_count_no_more_than_quiet_ones() -> None:
    rng = np.random.default_rng(4)
    scale = np.where(np.arange(400) < 380, 0.01, 1.0)
    y = scale * rng.standard_normal(400)
    quiet = np.where(scale < 1, y, scale * rng.standard_normal(400))
    wild = np.where(scale < 1, scale * rng.standard_normal(400), y)
    found = fit_ridge({"quiet": quiet, "wild": wild}, y, scale=scale, penalty=0.01)
    assert found.weights["quiet"] > 0.8
    unscaled = fit_ridge({"quiet": quiet, "wild": wild}, y, scale=np.ones(400), penalty=0.01)
    assert unscaled.weights["wild"] > 0.8


def test_members_that_say_nothing_are_weighed_equally() -> None:
    zero = np.zeros(50)
    assert fit_ridge({"a": zero, "b": zero}, np.ones(50), scale=np.ones(50), penalty=0.1).weights == {
        "a": 0.5,
        "b": 0.5,
    }


def test_a_linear_pool_is_the_weighted_sum() -> None:
    a, b = np.array([[0.2, 0.3, 0.5]]), np.array([[0.6, 0.2, 0.2]])
    out = Pool("linear", {"a": 0.25, "b": 0.75}).apply({"a": a, "b": b, "unused": a})
    np.testing.assert_allclose(out, [[0.5, 0.225, 0.275]])
    np.testing.assert_allclose(
        Pool("linear", {"a": 0.2, "b": 0.1}).apply({"a": a[0], "b": b[0]}), 0.2 * a[0] + 0.1 * b[0]
    )


def test_a_log_pool_is_the_normalised_weighted_geometric_mean() -> None:
    a, b = np.array([[0.2, 0.3, 0.5]]), np.array([[0.6, 0.2, 0.2]])
    out = Pool("log", {"a": 0.25, "b": 0.75}, (0.1, 0.0, -0.2)).apply({"a": a, "b": b})
    raw = a**0.25 * b**0.75 * np.exp([0.1, 0.0, -0.2])
    np.testing.assert_allclose(out, raw / raw.sum())


def test_nobody_is_taken_at_his_word_for_never() -> None:
    sure = np.array([[1.0, 0.0, 0.0]])
    assert log_losses(sure, np.array([1])) == pytest.approx(-np.log(LEAST))
    even = np.full((1, 3), 1 / 3)
    out = Pool("log", {"sure": 0.5, "even": 0.5}, (0.0, 0.0, 0.0)).apply({"sure": sure, "even": even})
    assert out[0, 2] == pytest.approx(np.sqrt(LEAST) / (1 + 2 * np.sqrt(LEAST)))


@pytest.mark.parametrize("pool", [Pool("linear", {"a": 0.1, "b": 0.9}), Pool("log", {"a": 1.5}, (0.25, 0.0, -1.0))])
def test_a_pool_survives_its_document(pool: Pool) -> None:
    assert Pool.from_dict(pool.to_dict()) == pool
