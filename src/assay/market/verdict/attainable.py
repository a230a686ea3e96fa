"""What a level that somebody hopes for takes in terms of the information coefficient (IC).

All of it is for a forecast and a return that are jointly normal, one bet per row, and a model that gets the most out of
its IC: real models need more.
"""

import math
from collections.abc import Callable, Mapping

import numpy as np

from assay.market.significance.bootstrap import Array

GRID = np.linspace(-8.0, 8.0, 4001)  # of the signal, in standard deviations
WEIGHTS = np.exp(-0.5 * GRID**2) / np.exp(-0.5 * GRID**2).sum()
FULL = 0.9999  # an IC of 1 divides by zero


def ic_for_direction(level: float) -> float:
    """IC for calling the sign of every return right so often: ``sin(pi (level - 1/2))`` (Sheppard 1899).

    Args:
        level: Share of signs called right; 1/2 takes nothing.
    """
    return math.sin(math.pi * (level - 0.5))


def ic_for_r2(level: float) -> float:
    """IC for explaining this share of the variance: its root.

    Args:
        level: R2; what is not above 0 takes nothing.
    """
    return math.sqrt(max(level, 0.0))


def ic_for_error(level: float, naive: float, *, squared: bool) -> float:
    """IC for an error this small, given that of a forecast that knows nothing: ``e = e0 sqrt(1 - ic^2)``.

    Args:
        level: Wanted error.
        naive: Error of the naive forecast.
        squared: Whether both are mean squares, and not their root or mean sizes.
    """
    left = level / naive if squared else (level / naive) ** 2
    return math.sqrt(max(1.0 - left, 0.0))


def ic_for_sharpe(level: float, bets: float) -> float:
    """IC for a Sharpe ratio before costs, with the sign of every forecast bet.

    A bet has mean ``ic sqrt(2 / pi)`` and variance ``1 - 2 ic^2 / pi``; ``bets`` independent ones a year.

    Args:
        level: Sharpe ratio per year; what is not above 0 takes nothing.
        bets: Independent bets a year.
    """
    per_bet = max(level, 0.0) / math.sqrt(bets)
    return min(per_bet * math.sqrt(math.pi / 2.0) / math.sqrt(1.0 + per_bet**2), 1.0)


def ic_for_classes(metric: str, level: float, shares: Mapping[str, float]) -> float | None:
    """IC for a level of a metric of SHORT / NEUTRAL / LONG, without any knowledge of volatility.

    Classes are cut from a normal return so that they have their shares; the forecast calls the class that adds most to
    the metric. For F1 (macro), which has no such rule, it calls as for balanced accuracy, so that the IC is an upper
    bound.

    Args:
        metric: ``accuracy``, ``balanced_accuracy`` or ``f1_macro``.
        level: Wanted level.
        shares: Share of the rows of SHORT, NEUTRAL and LONG, in this order.

    Returns:
        0.0 for a level that takes no skill; None for one that no IC reaches, a metric that is not known here, or a
        class that never comes.
    """
    from scipy.optimize import brentq

    prior = np.array(list(shares.values()))
    if metric not in _SCORES or (prior <= 0.0).any():
        return None

    def short_of(ic: float) -> float:
        return _SCORES[metric](_posterior(prior, ic), prior) - level

    if short_of(0.0) >= 0.0:
        return 0.0
    return float(brentq(short_of, 0.0, FULL, xtol=1e-6)) if short_of(FULL) > 0.0 else None


def _posterior(prior: Array, ic: float) -> Array:
    """Probability of each class given the signal, (signals, 3)."""
    from scipy.special import ndtr, ndtri

    cuts = ndtri(np.cumsum(prior)[:2] / prior.sum())
    below = ndtr((cuts[None, :] - ic * GRID[:, None]) / math.sqrt(1.0 - ic**2))
    return np.diff(np.column_stack([np.zeros(len(GRID)), below, np.ones(len(GRID))]), axis=1)


def _accuracy(posterior: Array, _prior: Array) -> float:
    return float(WEIGHTS @ posterior.max(axis=1))


def _balanced_accuracy(posterior: Array, prior: Array) -> float:
    return float(WEIGHTS @ (posterior / prior).max(axis=1)) / 3.0


def _f1_macro(posterior: Array, prior: Array) -> float:
    called = (posterior / prior).argmax(axis=1)[:, None] == np.arange(3)
    hits, calls = WEIGHTS @ (posterior * called), WEIGHTS @ called
    return float((2.0 * hits / (calls + prior)).mean())


_SCORES: dict[str, Callable[[Array, Array], float]] = {
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
    "f1_macro": _f1_macro,
}
