"""How answers become one: linear and logarithmic pools, and how their weights are learned."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from assay.market.models.base import Floats, class_codes
from assay.market.tables import CLASS_NAMES, CLASSES

LEAST = 1e-4  # smallest probability that a member is taken at its word for: rarer than its rows could show
NEUTRAL = CLASSES.index(0)


@dataclass(frozen=True)
class Pool:
    """Members and their weights.

    Attributes:
        form: ``linear``: the weighted sum. ``log``: the normalised weighted geometric mean of probabilities (Genest
            and Zidek, *Statistical Science* 1986), times a factor per class.
        weights: By member, >= 0.
        intercepts: Logarithm of the factor of SHORT, NEUTRAL, LONG; None for a linear pool.
    """

    form: Literal["linear", "log"]
    weights: Mapping[str, float]
    intercepts: tuple[float, ...] | None = None

    def apply(self, answers: Mapping[str, Floats]) -> Floats:
        """The answers of the members as one.

        Args:
            answers: By member at least those of the pool: probabilities, shape (n, 3), or returns, shape (n,).

        Returns:
            The same shape; probabilities sum to 1.
        """
        if self.form == "linear":
            return np.asarray(sum(weight * answers[member] for member, weight in self.weights.items()))
        logs = log_probabilities([answers[member] for member in self.weights])
        scores = np.tensordot(np.array(list(self.weights.values())), logs, axes=1) + np.array(self.intercepts)
        return np.asarray(np.exp(_log_softmax(scores)))

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON: ``pool``, ``weights``, ``intercepts`` by class or null."""
        named = dict(zip(CLASS_NAMES, self.intercepts, strict=True)) if self.intercepts else None
        return {"pool": self.form, "weights": dict(self.weights), "intercepts": named}

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> "Pool":
        """Read what `to_dict` gave."""
        named = state["intercepts"]
        return cls(state["pool"], dict(state["weights"]), tuple(named[name] for name in CLASS_NAMES) if named else None)


def log_probabilities(answers: Sequence[Floats]) -> Floats:
    """Logarithms of probabilities, none below that of `LEAST`; shape (members, n, 3)."""
    return np.log(np.maximum(np.stack(answers), LEAST))


def log_losses(probabilities: Floats, y: npt.NDArray[Any]) -> Floats:
    """Minus the log probability of what came, shape (n,).

    Args:
        probabilities: Columns p_short, p_neutral, p_long, shape (n, 3); counted as at least `LEAST`.
        y: Classes -1/0/1, shape (n,).
    """
    return np.asarray(-np.log(np.maximum(probabilities[np.arange(len(y)), class_codes(y)], LEAST)))


def fit_log_pool(answers: Mapping[str, Floats], y: npt.NDArray[Any], *, penalty: float) -> Pool:
    """Learn a logarithmic pool: logistic regression on the members' log-probabilities, one weight per member.

    Class c scores ``b_c + sum_m w_m log p_mc`` and the softmax of the scores is the answer: McFadden's conditional
    logit (1974). One coefficient per member instead of nine leaves it at members + 2 parameters, as much as the few
    independent rows of overlapping labels carry, and lets a weight be read as trust. Weights are >= 0, since a member
    is trusted or not but never bet against (Breiman, "Stacked regressions", *Machine Learning* 1996), need not sum to
    1 (less: the members together are too sure), and are drawn towards equal ones: without evidence, equal weights.

    Args:
        answers: By member probabilities, shape (n, 3), n >= 1.
        y: Classes -1/0/1 that came, shape (n,).
        penalty: Weight of ``|w - 1/M|^2 / 2`` in units of the mean variance of a member's log-probabilities over the
            classes.

    Returns:
        The pool with the smallest penalised mean log loss; the problem is convex.
    """
    from scipy.optimize import minimize

    logs, code = log_probabilities(list(answers.values())), class_codes(y)
    count, rows = logs.shape[:2]
    flat = logs.reshape(count, -1)
    even, hold = np.full(count, 1 / count), penalty * float(logs.var(axis=2).mean())

    def loss(x: Floats) -> tuple[float, Floats]:
        w, b = x[:count], np.insert(x[count:], NEUTRAL, 0.0)
        log_p = _log_softmax((w @ flat).reshape(rows, -1) + b)
        value = hold * ((w - even) ** 2).sum() / 2 - log_p[np.arange(rows), code].mean()
        miss = np.exp(log_p)
        miss[np.arange(rows), code] -= 1
        slope = flat @ miss.ravel() / rows + hold * (w - even)
        return float(value), np.append(slope, np.delete(miss.mean(axis=0), NEUTRAL))

    start = np.append(even, np.zeros(len(CLASSES) - 1))
    bounds = [(0.0, None)] * count + [(None, None)] * (len(CLASSES) - 1)
    x = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-14, "gtol": 1e-9}).x
    intercepts = tuple(np.insert(x[count:], NEUTRAL, 0.0).tolist())
    return Pool("log", dict(zip(answers, x[:count].tolist(), strict=True)), intercepts)


def fit_ridge(answers: Mapping[str, Floats], y: Floats, *, scale: Floats, penalty: float) -> Pool:
    """Learn a linear pool of returns: ridge regression on the members' forecasts.

    Returns and forecasts are divided by ``scale`` first, so that a wild day counts no more than a quiet one. Weights
    are >= 0 and without an intercept (Breiman, "Stacked regressions", *Machine Learning* 1996), and are drawn towards
    equal ones instead of 0 (Diebold and Shin, *International Journal of Forecasting* 2019): see `fit_log_pool`.

    Args:
        answers: By member forecasts, shape (n,), n >= 1.
        y: Returns that came, shape (n,).
        scale: Standard deviation expected at decision time, > 0, shape (n,).
        penalty: Weight of ``|w - 1/M|^2`` in units of the members' mean square.

    Returns:
        The pool with the smallest penalised mean squared error; equal weights if all members say 0.
    """
    from scipy.linalg import solve_triangular
    from scipy.optimize import nnls

    z = np.column_stack(list(answers.values())) / scale[:, None]
    gram, rhs = z.T @ z / len(z), z.T @ (y / scale) / len(z)
    count, unit = len(gram), float(np.trace(gram)) / len(gram)
    w = np.full(count, 1 / count)
    if unit > 0:
        lower = np.linalg.cholesky(gram + penalty * unit * np.eye(count))
        w = nnls(lower.T, solve_triangular(lower, rhs + penalty * unit * w, lower=True))[0]
    return Pool("linear", dict(zip(answers, w.tolist(), strict=True)))


def _log_softmax(scores: Floats) -> Floats:
    shifted = scores - scores.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))
