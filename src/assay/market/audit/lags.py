"""Correlations at every circular lag at once, and how large they become by chance.

A circular shift keeps what makes correlations of market data large by chance (slow series, overlapping outcomes,
entities that move together) and breaks what a series says about another: one offset for all entities at a time (Politis
and Romano 1994 shift blocks in the same way).
"""

from typing import cast

import numpy as np
import numpy.typing as npt
import polars as pl

Floats = npt.NDArray[np.float64]
OVERLAP = 1e-6  # share of the largest overlap below which there is none but for rounding
LEVEL = 0.99  # family-wise: this share of the shifts stays below the null


class Grid:
    """Entities by times: brings columns of a table with ``entity`` and ``time`` into matrices of the same shape.

    Args:
        table: Any rows with unique ``entity`` and ``time``; its times and entities make the grid.
    """

    def __init__(self, table: pl.DataFrame) -> None:
        self.entities = table["entity"].unique().sort()
        self.times = table["time"].unique().sort()
        self._at = (
            self.entities.search_sorted(table["entity"]).to_numpy(),
            self.times.search_sorted(table["time"]).to_numpy(),
        )

    def __len__(self) -> int:
        return len(self.times)

    def ranks(self, values: pl.Series) -> Floats:
        """Ranks over all rows, mean 0, NaN where there is no value; shape (entities, times)."""
        return self.place((values.rank() / max(values.count(), 1) - 0.5).cast(pl.Float64).to_numpy())

    def place(self, values: npt.NDArray[np.float64]) -> Floats:
        """Any values; shape (entities, times)."""
        matrix = np.full((len(self.entities), len(self.times)), np.nan)
        matrix[self._at] = values
        return matrix


class Shifted:
    """Correlates other series with one outcome, at every circular lag.

    Args:
        outcome: Shape (entities, times), mean about 0, NaN where missing.
    """

    def __init__(self, outcome: Floats) -> None:
        self.times = outcome.shape[1]
        self._outcome = _transforms(outcome)

    def correlations(self, series: Floats) -> Floats:
        """Correlation, over all entities and times where both are defined, of series(t) with outcome(t + lag).

        Args:
            series: Shape (entities, times), mean about 0, NaN where missing.

        Returns:
            Shape (times,): lags 0, 1, ... and, from the end, -1, -2, ...; 0 where nothing overlaps.
        """
        x, xx, present = _transforms(series)
        y, yy, there = self._outcome
        product, left, right = (
            np.fft.irfft((np.conj(a) * b).sum(axis=0), n=self.times) for a, b in ((x, y), (xx, there), (present, yy))
        )
        size = np.sqrt(np.maximum(left, 0) * np.maximum(right, 0))
        overlap = size > OVERLAP * max(float(size.max()), OVERLAP)
        found: Floats = np.divide(product, size, out=np.zeros(self.times), where=overlap)
        return found


def far_lags(times: int, nearest: int, count: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Random lags that are further than ``nearest`` from 0 either way, at most ``count``; empty if there are few."""
    lags = np.arange(nearest + 1, times - nearest)
    return np.sort(rng.choice(lags, min(count, len(lags)), replace=False)) if len(lags) else lags


def null_levels(by_chance: npt.NDArray[np.float64]) -> Floats:
    """What each correlation stays below, so that at 99 % of the lags all of them do.

    Correlations over few or slow rows are larger by chance, so each is measured in its own standard deviations
    (the studentised maximum of White 2000 and Romano and Wolf 2005).

    Args:
        by_chance: Correlations at lags far from 0, shape (series, lags).

    Returns:
        One level per series, shape (series,); infinite where the correlations do not vary.
    """
    spread = np.sqrt((by_chance**2).mean(axis=1, keepdims=True))
    sizes = np.divide(np.abs(by_chance), spread, out=np.zeros_like(by_chance), where=spread > 0)
    level = np.quantile(sizes.max(axis=0), LEVEL, method="higher")
    return cast("Floats", np.where(spread > 0, level * spread, np.inf)[:, 0])


def _transforms(values: Floats) -> tuple[npt.NDArray[np.complex128], ...]:
    there = np.isfinite(values)
    known = np.where(there, values, 0.0)
    return tuple(np.fft.rfft(part, axis=1) for part in (known, known * known, there.astype(np.float64)))
