import json
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize, minimize_scalar
from sklearn.calibration import _sigmoid_calibration
from sklearn.linear_model import LogisticRegression

from assay.market.calibration import CalibrationRule, apply, fit, within_range
from assay.market.calibration.rule import FEWEST
from assay.market.errors import BundleError

METHODS = ("sigmoid", "isotonic", "temperature", "dirichlet")


def softmax(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def draw(n: int, seed: int, *, sharpness: float = 1.0, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Forecasts, and classes that come true by them before they were sharpened and shifted."""
    rng = np.random.default_rng(seed)
    scores = 0.7 * rng.standard_normal((n, 3)) + np.array([0.0, 0.4, 0.1])
    true = softmax(scores)
    classes = (rng.random((n, 1)) > true.cumsum(axis=1)[:, :2]).sum(axis=1)
    return softmax(sharpness * scores + shift * np.array([1.0, 0.0, 0.0])), classes


def fitted(method: str, p: np.ndarray, y: np.ndarray, effective: float = 1000.0, **rule: Any) -> dict[str, Any]:
    return fit(p, y, rule=CalibrationRule(method=method, **rule), effective_rows=effective)


def log_loss(p: np.ndarray, y: np.ndarray) -> float:
    return float(-np.log(p[np.arange(len(y)), y]).mean())


@pytest.mark.parametrize("method", METHODS)
def test_a_bold_and_shifted_model_becomes_what_it_should_have_said(method: str) -> None:
    p, y = draw(20_000, 1, sharpness=2.5, shift=0.0 if method == "temperature" else 1.0)
    fresh, came = draw(20_000, 2, sharpness=2.5, shift=0.0 if method == "temperature" else 1.0)
    right, _ = draw(20_000, 2)
    calibrated = apply(fitted(method, p, y), fresh)
    assert log_loss(calibrated, came) < log_loss(fresh, came) - 0.05
    # one-vs-rest maps see one score of three, so what they give cannot be exact
    assert np.abs(calibrated - right).mean() < (0.02 if method in ("temperature", "dirichlet") else 0.05)


@pytest.mark.parametrize("method", METHODS)
def test_a_calibrated_model_is_hardly_changed(method: str) -> None:
    p, y = draw(20_000, 3)
    assert np.abs(apply(fitted(method, p, y), p) - p).mean() < (0.02 if method == "isotonic" else 0.01)


@pytest.mark.parametrize("method", ["none", *METHODS])
def test_states_survive_json_and_give_distributions(method: str) -> None:
    p, y = draw(500, 4, sharpness=2)
    state = fitted(method, p, y)
    again = json.loads(json.dumps(state, allow_nan=False))
    odd = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [1 / 3, 1 / 3, 1 / 3]])
    out = apply(again, np.vstack([p, odd]))
    assert np.array_equal(out, apply(state, np.vstack([p, odd])))
    assert np.isfinite(out).all()
    assert (out >= 0).all()
    assert out.sum(axis=1) == pytest.approx(np.ones(len(out)))


@pytest.mark.parametrize("method", METHODS)
def test_a_class_that_never_came_is_no_obstacle(method: str) -> None:
    p, y = draw(400, 5)
    out = apply(fitted(method, p, np.where(y == 1, 0, y)), p)
    assert out.sum(axis=1) == pytest.approx(np.ones(len(out)))
    assert out[:, 1].mean() < p[:, 1].mean()


def test_sigmoid_is_that_of_scikit_learn_on_log_odds() -> None:
    p, y = draw(700, 6, sharpness=3)
    state = fitted("sigmoid", p, y)
    for code in range(3):
        a, b = _sigmoid_calibration(np.log(p[:, code] / (1 - p[:, code])), (y == code).astype(float))
        assert (state["slope"][code], state["intercept"][code]) == pytest.approx((-a, -b), abs=2e-4)


def test_sigmoid_aims_at_the_smoothed_targets_of_platt() -> None:
    """Where scores tell nothing the best sigmoid is the mean target: here (4/5 + 7 * 1/9) / 10 for 3 hits of 10."""
    p = np.tile([0.2, 0.3, 0.5], (10, 1))
    y = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2, 2])
    share = apply(fitted("sigmoid", p, y), p)[0]
    short, neutral, long = (3 * 4 / 5 + 7 / 9) / 10, (3 * 4 / 5 + 7 / 9) / 10, (4 * 5 / 6 + 6 / 8) / 10
    assert share == pytest.approx(np.array([short, neutral, long]) / (short + neutral + long), abs=1e-6)


def pool_adjacent_violators(y: list[float]) -> list[float]:
    blocks: list[list[float]] = []
    for value in y:
        blocks.append([value])
        while len(blocks) > 1 and np.mean(blocks[-2]) >= np.mean(blocks[-1]):
            blocks[-2:] = [blocks[-2] + blocks[-1]]
    return [float(np.mean(block)) for block in blocks for _ in block]


def test_isotonic_pools_adjacent_violators_and_stays_off_0_and_1() -> None:
    p, y = draw(60, 7)
    state = fitted("isotonic", p, y, effective=18.0)
    columns = []
    for code in range(3):
        order = np.argsort(p[:, code])
        pooled = np.empty(60)
        pooled[order] = np.clip(pool_adjacent_violators(list((y == code)[order].astype(float))), 1 / 20, 19 / 20)
        columns.append(pooled)
    expected = np.column_stack(columns)
    assert apply(state, p) == pytest.approx(expected / expected.sum(axis=1, keepdims=True))


@pytest.mark.parametrize("sharpness", [0.3, 1.0, 3.0])
def test_temperature_minimises_the_log_loss(sharpness: float) -> None:
    p, y = draw(5000, 8, sharpness=sharpness)
    best = minimize_scalar(lambda t: log_loss(softmax(np.log(p) / t), y), bounds=(0.1, 10), method="bounded")
    assert fitted("temperature", p, y)["temperature"] == pytest.approx(best.x, rel=1e-3)
    assert best.x == pytest.approx(sharpness, rel=0.15)


def test_temperature_stays_in_its_range() -> None:
    p, _ = draw(300, 9)
    assert fitted("temperature", p, p.argmin(axis=1))["temperature"] == 20.0
    assert fitted("temperature", p, p.argmax(axis=1))["temperature"] == pytest.approx(0.05)


def test_dirichlet_without_a_pull_is_logistic_regression_on_log_probabilities() -> None:
    p, y = draw(2000, 10, sharpness=2, shift=0.7)
    model = LogisticRegression(C=np.inf, max_iter=1000, tol=1e-8).fit(np.log(p), y)
    assert apply(fitted("dirichlet", p, y, l2=1e-9), p) == pytest.approx(model.predict_proba(np.log(p)), abs=2e-4)


@pytest.mark.parametrize("l2", [0.01, 1.0])
def test_dirichlet_pulls_all_but_the_diagonal_to_zero(l2: float) -> None:
    p, y = draw(400, 11, sharpness=2, shift=0.7)

    def loss(flat: np.ndarray) -> float:
        w, b = flat[:9].reshape(3, 3), flat[9:]
        off = (w**2).sum() - (np.diag(w) ** 2).sum()
        return log_loss(softmax(np.log(p) @ w.T + b), y) + l2 * (off / 6 + (b**2).sum() / 3)

    best = minimize(loss, np.append(np.eye(3).ravel(), np.zeros(3)), method="BFGS", options={"gtol": 1e-6})
    state = fitted("dirichlet", p, y, l2=l2)
    assert np.append(np.ravel(state["weights"]), state["intercept"]) == pytest.approx(best.x, abs=2e-4)


def test_the_pull_matters() -> None:
    p, y = draw(400, 12, shift=1.0)
    far, near = (np.abs(fitted("dirichlet", p, y, l2=l2)["intercept"]).max() for l2 in (0.001, 10.0))
    assert near < far / 10


def test_no_state_changes_nothing_and_an_unknown_one_is_refused() -> None:
    p, _ = draw(10, 13)
    assert apply(None, p) is p
    with pytest.raises(BundleError, match="no known method"):
        apply({"method": "magic"}, p)


def test_range_is_that_of_the_fit_and_a_tenth_more() -> None:
    p, y = draw(300, 14)
    state = fitted("sigmoid", p, y)
    low, high = p.min(axis=0), p.max(axis=0)
    assert state["range"] == np.column_stack([low, high]).tolist()
    inside = np.vstack([low - 0.09 * (high - low), high + 0.09 * (high - low)])
    assert within_range(state, inside)
    assert not within_range(state, low[None, :] - 0.11 * (high - low))
    assert not within_range(state, high[None, :] + 0.11 * (high - low))
    assert within_range(None, p)


def test_one_score_in_twenty_may_lie_outside_its_range() -> None:
    p, y = draw(300, 15)
    state = fitted("sigmoid", p, y)
    bold = np.array([[0.999, 0.0005, 0.0005]])
    assert within_range(state, np.vstack([p[:19], bold]))
    assert not within_range(state, np.vstack([p[:18], bold]))


def test_each_method_says_how_many_rows_it_needs_unless_told() -> None:
    assert [CalibrationRule(method=method).fewest for method in METHODS] == [FEWEST[method] for method in METHODS]
    assert CalibrationRule(method="isotonic", min_rows=7).fewest == 7
