"""The state behind open interest and funding: a vector autoregression, its covariances and its paths."""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

COUPLING = np.array([[0.95, 0.04], [0.02, 0.90]])  # open interest and funding, from bar to bar
INNOVATIONS = np.diag([0.08, 0.15])  # variances of what moves them by itself
FEEDBACK = np.array([0.10, 0.15])  # what a shock of the price adds
WEIGHTS = np.array([-0.8, 0.6])  # of the planted signal, on both in their own standard deviations
MEMORY = 0.9  # of the exponential mean of the signal's past


@dataclass(frozen=True)
class Dynamics:
    """``z[t+1] = A z[t] + e[t+1] + b g[t+1]`` with ``z`` = open interest, funding and the mean of the signal's past.

    ``e`` is Gaussian and ``g`` the standard Gaussian behind the price shock of the same bar. Open interest and funding
    have variance 1 in the long run; the third state is ``m[t] = MEMORY m[t-1] + (1 - MEMORY) WEIGHTS x[t]``.

    Attributes:
        transition: ``A``, shape (3, 3).
        innovation: Covariance of ``e``, shape (3, 3).
        feedback: ``b``, shape (3,).
    """

    transition: Floats
    innovation: Floats
    feedback: Floats

    @cached_property
    def covariance(self) -> Floats:
        """Covariance of ``z`` in the long run: the solution of ``S = A S A' + cov(e) + b b'`` (discrete Lyapunov)."""
        from scipy.linalg import solve_discrete_lyapunov

        return np.asarray(
            solve_discrete_lyapunov(self.transition, self.innovation + np.outer(self.feedback, self.feedback))
        )

    def power(self, steps: int) -> Floats:
        """``A`` to the power of ``steps``."""
        return np.linalg.matrix_power(self.transition, steps)

    def forecast_error(self, steps: int) -> Floats:
        """Covariance of ``z[t + steps]`` given ``z[t-1]`` and ``g[t]``, i.e. what neither feed nor price has told."""
        known = self.covariance - self.innovation
        power = self.power(steps)
        return np.asarray(self.covariance - power @ known @ power.T)

    def path(self, shocks: Floats, rng: np.random.Generator) -> Floats:
        """Draw paths that start in the long run.

        Args:
            shocks: ``g``, shape (symbols, bars).
            rng: Source of ``e`` and of the first state.

        Returns:
            ``z``, shape (3, symbols, bars).
        """
        A, b = self.transition[:2, :2], self.feedback[:2]
        noise = np.sqrt(np.diag(self.innovation)[:2])
        inputs = rng.standard_normal((2, *shocks.shape)) * noise[:, None, None] + b[:, None, None] * shocks
        start = np.linalg.cholesky(self.covariance) @ rng.standard_normal((3, len(shocks)))
        values, vectors = np.linalg.eig(A)  # both eigenvalues are real, since both couplings are positive
        modes = np.tensordot(np.linalg.inv(vectors), inputs, 1)
        first = np.linalg.solve(vectors, start[:2])
        x = np.tensordot(
            vectors, np.stack([ar1(m, v, s) for m, v, s in zip(modes, values, first, strict=True)]), axes=1
        )
        memory = ar1(np.tensordot((1 - MEMORY) * WEIGHTS, x, axes=1), MEMORY, start[2])
        return np.concatenate([x, memory[None]])


@lru_cache(maxsize=1)
def dynamics() -> Dynamics:
    """The dynamics of all mock markets, scaled so that open interest and funding have variance 1."""
    from scipy.linalg import solve_discrete_lyapunov

    raw = solve_discrete_lyapunov(COUPLING, INNOVATIONS + np.outer(FEEDBACK, FEEDBACK))
    unit = 1 / np.sqrt(np.diag(raw))
    A = COUPLING * np.outer(unit, 1 / unit)
    intake = np.vstack([np.eye(2), (1 - MEMORY) * WEIGHTS])
    transition = np.zeros((3, 3))
    transition[:, :2] = intake @ A
    transition[2, 2] = MEMORY
    covariance = intake @ (INNOVATIONS * np.outer(unit, unit)) @ intake.T
    return Dynamics(transition, covariance, intake @ (FEEDBACK * unit))


def ar1(inputs: Floats, memory: float, before: Floats) -> Floats:
    """``y[t] = memory y[t-1] + inputs[t]`` along the last axis, from ``y`` before the first input."""
    from scipy.signal import lfilter

    found, _ = lfilter([1.0], [1.0, -memory], inputs, zi=memory * before[..., None])
    return np.asarray(found)
