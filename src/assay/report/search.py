"""A search for parameters as the page sees it: where each value lies in its range, and what it did to the score."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.report.format import is_number

Floats = npt.NDArray[np.float64]
Trial = Mapping[str, Any]

FEWEST = 8  # complete trials from which something can be said about a parameter
DRAWS = 400  # shuffles of the scores that show what chance reaches
CHANCE = 0.95


@dataclass(frozen=True)
class Axis:
    """The range of one parameter: from ``low`` to ``high``, evenly or on a logarithmic scale, or its ``options``."""

    name: str
    low: float = 0.0
    high: float = 1.0
    log: bool = False
    options: tuple[Any, ...] = ()

    @classmethod
    def read(cls, name: str, span: Mapping[str, Any]) -> "Axis":
        """Read ``{"low", "high", "log"}`` or ``{"options"}``."""
        if "options" in span:
            return cls(name, options=tuple(map(_frozen, span["options"])))
        return cls(name, float(span["low"]), float(span["high"]), bool(span["log"]))

    def place(self, value: object) -> float | None:
        """Where a value lies, from 0 for the low end to 1; None for what is no value of this parameter."""
        if self.options:
            found = _frozen(value)
            return self.options.index(found) / (len(self.options) - 1) if found in self.options else None
        if not is_number(value) or (self.log and value <= 0):
            return None
        low, high, at = (math.log(x) if self.log else x for x in (self.low, self.high, float(value)))
        return (at - low) / (high - low)

    def ticks(self) -> list[tuple[float, Any]]:
        """Places with their values: every option, or both ends and a round value in the middle."""
        if self.options:
            return [(place / (len(self.options) - 1), option) for place, option in enumerate(self.options)]
        middle = math.sqrt(self.low * self.high) if self.log else (self.low + self.high) / 2
        values = (self.low, float(f"{middle:.2g}"), self.high)
        return [(place, value) for value in values if (place := self.place(value)) is not None]


def _frozen(value: object) -> object:
    return tuple(value) if isinstance(value, list | tuple) else value


@dataclass(frozen=True)
class Effect:
    """How much of the scores one parameter explains, and how much chance would reach in 19 of 20 cases (0 to 1)."""

    name: str
    share: float
    chance: float


def complete(trials: Sequence[Trial]) -> list[Trial]:
    """Return the trials that ran to their end, in order."""
    found = [trial for trial in trials if trial["state"] == "complete" and is_number(trial["score"])]
    return sorted(found, key=lambda trial: trial["number"])


def best_of(trials: Sequence[Trial]) -> Trial | None:
    """Return the best complete trial, the earlier of equals; None if there is none."""
    return max(complete(trials), key=lambda trial: (trial["score"], -trial["number"]), default=None)


def without_gain(trials: Sequence[Trial]) -> int:
    """Count the trials, of any state, after the best one."""
    best = best_of(trials)
    return len(trials) if best is None else sum(trial["number"] > best["number"] for trial in trials)


def effects(trials: Sequence[Trial], axes: Sequence[Axis], *, seed: int = 0) -> list[Effect]:
    """Say what each parameter did to the score: the adjusted R2 of the ranks of the scores on that parameter alone.

    A number is fitted by a parabola on its own scale, a choice by the mean of each option, with least squares. R2 is
    adjusted for the terms used (Wherry 1931; of groups it is Kelley's epsilon squared, 1935), so that 0 is what a
    parameter without influence shows on average; ranks keep a few bad trials from deciding. What parameters do together
    is not seen. Chance is the 95 % quantile of the same over shuffled scores.

    Args:
        trials: Trials of one search; only complete ones count.
        axes: The parameters searched.
        seed: Seed of the shuffles.

    Returns:
        One per parameter, largest first; none with fewer than 8 complete trials, or when all scores are the same.
    """
    from scipy.stats import rankdata

    done = complete(trials)
    ranks = rankdata([trial["score"] for trial in done]) if done else np.empty(0)
    if len(done) < FEWEST or np.ptp(ranks) == 0:
        return []
    rng, z = np.random.default_rng(seed), ranks - ranks.mean()
    scores = np.stack([z, *(rng.permutation(z) for _ in range(DRAWS))])
    found = [_effect(axis, [axis.place(trial["params"].get(axis.name)) for trial in done], scores) for axis in axes]
    return sorted(found, key=lambda effect: (-effect.share, effect.name))


def _effect(axis: Axis, places: Sequence[float | None], scores: Floats) -> Effect:
    terms = _terms(axis, places)
    n, k = terms.shape
    if k == 0 or n - k - 1 < 1:
        return Effect(axis.name, 0.0, 0.0)
    q, _ = np.linalg.qr(terms - terms.mean(axis=0))
    explained = ((scores @ q) ** 2).sum(axis=1) / (scores**2).sum(axis=1)
    adjusted = np.maximum(0.0, 1 - (1 - explained) * (n - 1) / (n - k - 1))
    return Effect(axis.name, float(adjusted[0]), float(np.quantile(adjusted[1:], CHANCE)))


def _terms(axis: Axis, places: Sequence[float | None]) -> Floats:
    """Columns that a parameter is fitted by, without the constant: (trials, terms)."""
    x = np.array([math.nan if place is None else place for place in places])
    levels = np.unique(x)  # NaN, a value that is missing, is a level of its own
    if axis.options or np.isnan(x).any():
        return np.stack([np.isnan(x) if np.isnan(level) else x == level for level in levels[1:]] or [x[:0]], 1) * 1.0
    return np.stack([x**power for power in range(1, min(2, len(levels) - 1) + 1)] or [x[:0]], axis=1)
