"""Maps from the probabilities of a model to calibrated ones: fitted once, kept as plain JSON."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.market.calibration.rule import CalibrationRule
from assay.market.errors import BundleError
from assay.market.tables import CLASSES

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
State = Mapping[str, Any]

SMALLEST = 1e-6  # probabilities below it count as this much in a logarithm
FLATTEST = 20.0  # temperatures are looked for between its inverse and this
WIDENED = 0.1  # share of its width by which the fitted range is widened at each end
OUTSIDE = 0.05  # share of newest scores of a class that may lie outside


def fit(probabilities: Array, classes: Codes, *, rule: CalibrationRule, effective_rows: float) -> dict[str, Any]:
    """Fit one map on labelled rows.

    Args:
        probabilities: SHORT, NEUTRAL, LONG, shape (n, 3).
        classes: True class as the position in those columns, shape (n,).
        rule: Which method.
        effective_rows: What the rows are worth; an isotonic step never comes closer to 0 or 1 than one row in so many.

    Returns:
        The state, ready for JSON: ``method``, its numbers, and ``range``: smallest and largest score seen per class.
    """
    numbers: dict[str, Any] = {}
    if rule.method == "sigmoid":
        numbers = _fit_sigmoid(probabilities, classes)
    elif rule.method == "isotonic":
        numbers = _fit_isotonic(probabilities, classes, 1.0 / (effective_rows + 2.0))
    elif rule.method == "temperature":
        numbers = {"temperature": _fit_temperature(_logs(probabilities), classes)}
    elif rule.method == "dirichlet":
        numbers = _fit_dirichlet(_logs(probabilities), classes, rule.l2)
    seen = np.column_stack([probabilities.min(axis=0), probabilities.max(axis=0)])
    return {"method": rule.method, **numbers, "range": seen.tolist()}


def apply(state: State | None, probabilities: Array) -> Array:
    """Calibrate probabilities.

    Args:
        state: What `fit` gave; None changes nothing.
        probabilities: SHORT, NEUTRAL, LONG, shape (n, 3).

    Returns:
        Shape (n, 3), each row summing to 1.

    Raises:
        BundleError: The state is of no known method.
    """
    if state is None:
        return probabilities
    if state.get("method") not in _APPLY:
        raise BundleError(
            "calibration",
            "the state is of no known method",
            expected=" or ".join(_APPLY),
            found=state.get("method"),
            do="train again",
        )
    return _normalised(_APPLY[state["method"]](state, probabilities))


def within_range(state: State | None, probabilities: Array) -> bool:
    """Whether scores lie where the calibrator has been fitted: outside it extrapolates and is not to be used.

    Per class the range is the smallest to the largest score of the fit, widened by a tenth of its width at each end;
    at most 5 % of the scores may lie outside (of fewer than 20 none). A model refitted on more rows, or scored on rows
    it was trained on, may give bolder scores than the out-of-sample ones.

    Args:
        state: What `fit` gave; None has no range.
        probabilities: Newest scores, shape (n, 3).
    """
    if state is None:
        return True
    low, high = np.asarray(state["range"]).T
    room = WIDENED * (high - low)
    outside = (probabilities < low - room) | (probabilities > high + room)
    return bool((outside.sum(axis=0) <= OUTSIDE * len(probabilities)).all())


def _logs(probabilities: Array) -> Array:
    return np.log(np.maximum(probabilities, SMALLEST))


def _log_odds(probabilities: Array) -> Array:
    inside = np.clip(probabilities, SMALLEST, 1.0 - SMALLEST)
    return np.asarray(np.log(inside) - np.log1p(-inside))


def _softmax(scores: Array) -> Array:
    # Column by column: numpy reduces rows of three a hundred times slower.
    largest = np.maximum(np.maximum(scores[:, 0], scores[:, 1]), scores[:, 2])
    return _normalised(np.exp(scores - largest[:, None]))


def _normalised(values: Array) -> Array:
    return np.asarray(values / (values @ np.ones(len(CLASSES)))[:, None])


def _sigmoid(z: Array) -> Array:
    from scipy.special import expit

    return np.asarray(expit(z))


def _minimise(fun: Callable[[Array], tuple[float, Array]], start: Array, hess: Callable[[Array], Array]) -> Array:
    """The minimum of a smooth convex function by Newton steps in a trust region."""
    from scipy.optimize import minimize

    return np.asarray(minimize(fun, start, jac=True, hess=hess, method="trust-exact", options={"gtol": 1e-7}).x)


def _fit_sigmoid(probabilities: Array, classes: Codes) -> dict[str, list[float]]:
    """One sigmoid of the log-odds per class against the rest (Platt 1999); the three are normalised when applied.

    On log-odds slope 1 and intercept 0 change nothing, which no sigmoid of a probability can.
    """
    odds = _log_odds(probabilities)
    lines = [_platt(odds[:, code], classes == code) for code in range(len(CLASSES))]
    return {"slope": [float(slope) for slope, _ in lines], "intercept": [float(shift) for _, shift in lines]}


def _platt(score: Array, positive: npt.NDArray[np.bool_]) -> Array:
    """Slope and intercept of least cross-entropy against Platt's targets, (N+ + 1)/(N+ + 2) and 1/(N- + 2)."""
    hits, n = int(positive.sum()), len(score)
    target = np.where(positive, (hits + 1.0) / (hits + 2.0), 1.0 / (n - hits + 2.0))
    design = np.column_stack([score, np.ones(n)])

    def share(line: Array) -> Array:
        return _sigmoid(design @ line)

    def loss(line: Array) -> tuple[float, Array]:
        z = design @ line
        return float((np.logaddexp(0.0, z) - target * z).mean()), (share(line) - target) @ design / n

    def curvature(line: Array) -> Array:
        q = share(line)
        return np.asarray(design.T @ (design * (q * (1.0 - q))[:, None]) / n)

    return _minimise(loss, np.array([1.0, 0.0]), curvature)


def _apply_sigmoid(state: State, probabilities: Array) -> Array:
    z = np.asarray(state["slope"]) * _log_odds(probabilities) + np.asarray(state["intercept"])
    return _sigmoid(z)


def _fit_isotonic(probabilities: Array, classes: Codes, closest: float) -> dict[str, list[list[float]]]:
    """A rising function per class against the rest (Zadrozny & Elkan 2002), scikit-learn's; normalised when applied."""
    from sklearn.isotonic import IsotonicRegression

    steps = []
    for code in range(len(CLASSES)):
        model = IsotonicRegression(y_min=closest, y_max=1.0 - closest, out_of_bounds="clip")
        model.fit(probabilities[:, code], (classes == code).astype(np.float64))
        steps.append((model.X_thresholds_.tolist(), model.y_thresholds_.tolist()))
    return {"x": [x for x, _ in steps], "y": [y for _, y in steps]}


def _apply_isotonic(state: State, probabilities: Array) -> Array:
    return np.column_stack(
        [np.interp(p, x, y) for p, x, y in zip(probabilities.T, state["x"], state["y"], strict=True)]
    )


def _fit_temperature(logs: Array, classes: Codes) -> float:
    """One temperature for all three scores (Guo et al. 2017): where the cross-entropy is flat, or the end of the range.

    With the inverse temperature b the derivative of the loss is the mean of E_b[log p] - log p(true class).
    """
    from scipy.optimize import brentq

    true = logs[np.arange(len(logs)), classes].mean()

    def slope(inverse: float) -> float:
        return float((_softmax(inverse * logs) * logs).sum() / len(logs) - true)

    low, high = 1.0 / FLATTEST, FLATTEST
    if slope(low) >= 0.0:
        return FLATTEST
    return 1.0 / high if slope(high) <= 0.0 else float(1.0 / brentq(slope, low, high, xtol=1e-9))


def _apply_temperature(state: State, probabilities: Array) -> Array:
    return _softmax(_logs(probabilities) / state["temperature"])


def _fit_dirichlet(logs: Array, classes: Codes, l2: float) -> dict[str, Any]:
    """Softmax of a linear map of the log-probabilities (Kull et al. 2019), off-diagonal and intercept regularised.

    The loss is the mean cross-entropy + l2 (sum over i != j of w_ij^2 / 6 + sum of b_i^2 / 3), the paper's ODIR.
    """
    k, n = len(CLASSES), len(logs)
    design = np.column_stack([logs, np.ones(n)])
    true, rows = np.eye(k)[classes], np.arange(n)
    pull = np.column_stack([(1.0 - np.eye(k)) / (k * (k - 1)), np.full(k, 1.0 / k)]) * l2

    def loss(flat: Array) -> tuple[float, Array]:
        weights = flat.reshape(k, k + 1)
        q = _softmax(design @ weights.T)
        entropy = -np.log(np.maximum(q[rows, classes], np.finfo(np.float64).tiny)).mean()
        slope = (q - true).T @ design / n + 2.0 * pull * weights
        return float(entropy + (pull * weights**2).sum()), slope.ravel()

    def curvature(flat: Array) -> Array:
        q = _softmax(design @ flat.reshape(k, k + 1).T)
        blocks = np.empty((k, k + 1, k, k + 1))
        for i in range(k):
            for j in range(i, k):
                weight = q[:, i] * ((i == j) - q[:, j])
                blocks[i, :, j, :] = blocks[j, :, i, :] = design.T @ (design * weight[:, None]) / n
        return np.asarray(blocks.reshape(flat.size, flat.size) + 2.0 * np.diag(pull.ravel()))

    found = _minimise(loss, np.column_stack([np.eye(k), np.zeros(k)]).ravel(), curvature).reshape(k, k + 1)
    return {"weights": found[:, :k].tolist(), "intercept": found[:, k].tolist()}


def _apply_dirichlet(state: State, probabilities: Array) -> Array:
    return _softmax(_logs(probabilities) @ np.asarray(state["weights"]).T + np.asarray(state["intercept"]))


_APPLY: dict[str, Callable[[State, Array], Array]] = {
    "none": lambda _, probabilities: probabilities,
    "sigmoid": _apply_sigmoid,
    "isotonic": _apply_isotonic,
    "temperature": _apply_temperature,
    "dirichlet": _apply_dirichlet,
}
