"""The planted signal in its four forms: what it is, what can be known of it ahead, and how it is distributed.

All forms have mean 0 and variance 1. ``u`` is open interest and ``v`` funding, both in standard deviations.

- ``linear``: ``WEIGHTS`` on u and v.
- ``interaction``: u times v, with main effects that make up a third of it; the rest no linear model sees.
- ``regime``: the linear signal, which holds when the market is busy and turns, weaker, when it is quiet.
- ``sequence``: where the linear signal has come from: the exponential mean of its past less what u and v tell about
  that. It is independent of u and v, so no transformation of the newest row holds any of it.
"""

from dataclasses import dataclass

import numpy as np

from assay.market.simulator.dynamics import WEIGHTS, Dynamics, Floats, dynamics
from assay.market.simulator.rule import Form

MAIN = 1 / 3  # share of the main effects in the variance of the interaction
BUSY, QUIET = 1.9**0.5, -(0.1**0.5)  # strength of the signal in both regimes; mean square 1
SPELL = 250.0  # mean length of a regime in bars
NODES = 801  # of a quadrature between -WIDTH and WIDTH standard deviations
WIDTH = 8.0


def regime_memory() -> float:
    """Autocorrelation of the regime (1 busy, -1 quiet) from bar to bar."""
    return 1 - 2 / SPELL


@dataclass(frozen=True)
class Signal:
    """A form of the signal.

    Attributes:
        form: Its name.
        dynamics: Of the state it is made of.
    """

    form: Form
    dynamics: Dynamics

    @property
    def loadings(self) -> Floats:
        """Weights on the three states of the part that is linear in them, which has variance 1."""
        S = self.dynamics.covariance
        weights = np.array([*WEIGHTS, 0.0])
        if self.form == "sequence":
            weights = np.array([*-np.linalg.solve(S[:2, :2], S[:2, 2]), 1.0])
        return np.asarray(weights / np.sqrt(weights @ S @ weights))

    def of(self, state: Floats, regime: Floats) -> Floats:
        """The signal.

        Args:
            state: Shape (3, ...).
            regime: 1 busy, -1 quiet, same shape without the first axis.
        """
        return self.expected(state, np.zeros((3, 3)), regime)

    def expected(self, mean: Floats, error: Floats, regime: Floats) -> Floats:
        """The expected signal when the state is Gaussian around ``mean`` and ``regime`` is the expected regime.

        Args:
            mean: Expected state, shape (3, ...).
            error: Its covariance, shape (3, 3).
            regime: Expected regime, -1 to 1.
        """
        if self.form == "interaction":
            u, v = mean[0], mean[1]
            common = self.dynamics.covariance[0, 1]
            product = (u * v + error[0, 1] - common) / np.sqrt(1 + common**2)
            return np.asarray(np.sqrt(1 - MAIN) * product + np.sqrt(MAIN / (2 + 2 * common)) * (u + v))
        linear = np.tensordot(self.loadings, mean, axes=1)
        if self.form == "regime":
            return np.asarray(linear * ((BUSY + QUIET) / 2 + (BUSY - QUIET) / 2 * regime))
        return np.asarray(linear)

    def law(self) -> tuple[Floats, Floats]:
        """Values of the signal, about NODES of them in ascending order, and their probabilities."""
        nodes, weights = normal_law(NODES)
        if self.form == "regime":
            return condensed(np.r_[BUSY * nodes, QUIET * nodes], np.r_[weights, weights] / 2)
        if self.form != "interaction":
            return nodes, weights
        common = self.dynamics.covariance[0, 1]
        u, other = (grid.ravel() for grid in np.meshgrid(nodes, nodes))
        v = common * u + np.sqrt(1 - common**2) * other
        return condensed(self.of(np.stack([u, v, 0 * u]), 0 * u), np.outer(weights, weights).ravel())


def normal_law(nodes: int) -> tuple[Floats, Floats]:
    """Equally spaced values of a standard normal variable and their probabilities."""
    values = np.linspace(-WIDTH, WIDTH, nodes)
    weights = np.exp(-(values**2) / 2)
    return values, weights / weights.sum()


def condensed(values: Floats, weights: Floats, nodes: int = NODES) -> tuple[Floats, Floats]:
    """Fewer values with the same mean: neighbours of the same sign are put together, more of them far from zero."""
    least, most = float(np.arcsinh(values.min())), float(np.arcsinh(values.max()))
    edges = np.union1d(np.sinh(np.linspace(least, most, nodes)), 0.0)
    part = np.searchsorted(edges, values, side="right")
    mass, total = (np.asarray(np.bincount(part, what), dtype=np.float64) for what in (weights, weights * values))
    kept = mass > 0
    return total[kept] / mass[kept], mass[kept]


def signal_of(form: Form) -> Signal:
    """The signal of a form."""
    return Signal(form, dynamics())
