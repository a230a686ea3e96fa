"""How far rows are from independent: labels that overlap in time, entities that move together, and what follows."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist
from typing import Self

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.market.calibration.methods import Array
from assay.market.significance import BootstrapRule, effective_rows, mean_correlation, optimal_block, resample_sums

Index = npt.NDArray[np.int64]

CELLS = 1000  # timestamps are taken in cells of equal length when there are more of them

MANY = 20  # blocks of a group that its own design effect needs


def ranks(values: pl.Series) -> Index:
    """Each value as its place among the distinct values, from 0; shape (n,)."""
    return np.asarray(values.rank("dense").cast(pl.Int64).to_numpy() - 1)


@dataclass(frozen=True)
class Dependence:
    """How labelled rows hang together.

    Attributes:
        entity: Code of the entity of each row, shape (n,).
        time: Code of its timestamp, in order of time, shape (n,).
        horizon: Timestamps from a decision until its label is known, the median over the rows.
        correlation: Mean correlation of the returns of two entities at one timestamp, not below 0.
    """

    entity: Index
    time: Index
    horizon: int
    correlation: float

    @classmethod
    def of(cls, labelled: pl.DataFrame) -> Self:
        """Measure it on labelled rows with ``entity, time, label_end, forward_return``; it sees no other rows."""
        entity, time = ranks(labelled["entity"]), ranks(labelled["time"])
        moments = labelled["time"].unique().sort().to_physical().to_numpy()
        ahead = np.searchsorted(moments, labelled["label_end"].to_physical().to_numpy()) - time
        # Labels known after the last timestamp look shorter than they are.
        whole = ahead[labelled["label_end"].to_physical().to_numpy() <= moments[-1]]
        together = mean_correlation(labelled["forward_return"].to_numpy(), entity, time)
        return cls(entity, time, max(1, int(np.median(whole))) if len(whole) else 1, together)

    @property
    def timestamps(self) -> int:
        """Number of distinct timestamps."""
        return int(self.time.max()) + 1 if len(self.time) else 0

    @property
    def effective_rows(self) -> float:
        """How many independent rows these are worth."""
        if not len(self.time):
            return 0.0
        per_time = len(self.time) / self.timestamps
        return effective_rows(self.timestamps, self.horizon, entities=per_time, correlation=self.correlation)

    def latent(self, draws: int, seed: int) -> Iterator[npt.NDArray[np.float32]]:
        """Standard normals that depend on each other as the rows' returns do: overlap in time, a shared market.

        Each is the sum of the last ``horizon`` innovations of its entity and of the market, weighted so that two
        entities have the measured correlation. The first rows of an entity share innovations with the last of another.

        Args:
            draws: How many sets.
            seed: Seed of the innovations.

        Yields:
            Shape (n,), in the order of the rows.
        """
        generator = np.random.default_rng(seed)
        order = np.lexsort((self.time, self.entity))
        place = np.empty(len(order), dtype=np.int64)
        place[order] = np.arange(len(order))
        shared, own = (np.float32(math.sqrt(part)) for part in (self.correlation, 1.0 - self.correlation))
        for _ in range(draws):
            market = _overlapping(generator, self.timestamps, self.horizon)
            yield shared * market[self.time] + own * _overlapping(generator, len(order), self.horizon)[place]


def _overlapping(generator: np.random.Generator, n: int, length: int) -> npt.NDArray[np.float32]:
    """Standard normals, each the scaled sum of ``length`` innovations, all but one of them shared with the next."""
    innovations = generator.standard_normal(n + length - 1, dtype=np.float32)
    if length == 1:
        return innovations
    total = np.concatenate([[0.0], np.cumsum(innovations, dtype=np.float64)])
    return np.asarray((total[length:] - total[:-length]) / math.sqrt(length), dtype=np.float32)


@dataclass(frozen=True)
class Shares:
    """How often something happened in each group of rows.

    Attributes:
        share: Share of the rows of each group, NaN for a group without rows; (groups,).
        low: Lower end of its interval, NaN likewise; (groups,).
        high: Upper end; (groups,).
        rows: Rows of each group; (groups,).
    """

    share: Array
    low: Array
    high: Array
    rows: Index


def shares(hits: Array, groups: Index, time: Index, *, block: float, rule: BootstrapRule) -> Shares:
    """Shares by group with Wilson intervals on effective counts (Wilson 1927).

    A resample of blocks of timestamps, which carry all entities, gives the variance of each share; over the binomial
    one that is the design effect of the group, at least 1 (Kish 1965). A group in fewer than 20 blocks, or one where
    nothing or everything happened, takes the design effect of all rows together.

    Args:
        hits: 1 or 0 (or a share in between), shape (n,).
        groups: Number of the group of each row, from 0, shape (n,).
        time: Code of the timestamp of each row, in order of time, shape (n,).
        block: Mean length of a block in timestamps.
        rule: Resamples, seed and confidence.
    """
    count, width = int(groups.max(initial=0)) + 1, _cell_width(time)
    cell = time // width
    sums = np.column_stack([_per_cell(cell, groups, weight) for weight in (hits, np.ones(len(hits)))])
    whole = np.column_stack([sums[:, :count].sum(axis=1), sums[:, count:].sum(axis=1)])
    drawn = resample_sums(np.column_stack([sums, whole]), block=max(block / width, 1.0), rule=rule)
    rows = np.bincount(groups, minlength=count)
    top, bottom = (np.append(part.sum(axis=0), part.sum()) for part in (sums[:, :count], sums[:, count:]))
    share = np.divide(top, bottom, out=np.full(count + 1, np.nan), where=bottom > 0)
    hits_drawn = np.column_stack([drawn[:, :count], drawn[:, -2]])
    rows_drawn = np.column_stack([drawn[:, count : 2 * count], drawn[:, -1]])
    effect = _design_effects(share, bottom, hits_drawn, rows_drawn)
    blocks = _times_of(groups, time, count) / max(block, 1.0)
    own = (blocks >= MANY) & np.isfinite(effect[:-1])
    effect = np.where(own, effect[:-1], np.nan_to_num(effect[-1], nan=1.0))
    low, high = wilson(share[:-1], rows / np.maximum(effect, 1.0), rule.confidence)
    return Shares(share[:-1], low, high, rows)


def wilson(share: Array, n: Array, confidence: float) -> tuple[Array, Array]:
    """Wilson's score interval of a share of ``n`` independent rows; NaN where the share is."""
    z2 = NormalDist().inv_cdf((1.0 + confidence) / 2.0) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        middle = (share + z2 / (2.0 * n)) / (1.0 + z2 / n)
        half = np.sqrt(z2 * (share * (1.0 - share) / n + z2 / (4.0 * n**2))) / (1.0 + z2 / n)
    return np.asarray(np.maximum(middle - half, 0.0)), np.asarray(np.minimum(middle + half, 1.0))


def block_length(values: Array, time: Index, *, horizon: int) -> float:
    """Mean length in timestamps of the blocks that values depend on each other in; see `optimal_block`.

    Args:
        values: Any value of each row, e.g. its loss, shape (n,).
        time: Code of the timestamp of each row, in order of time, shape (n,).
        horizon: Timestamps that a label spans; a block is never shorter.
    """
    width = _cell_width(time)
    rows = np.bincount(time // width)
    series = (np.bincount(time // width, weights=values) / np.maximum(rows, 1))[rows > 0]
    return max(float(horizon), width * optimal_block([series]))


def _cell_width(time: Index) -> int:
    return max(1, math.ceil((int(time.max(initial=0)) + 1) / CELLS))


def _times_of(groups: Index, time: Index, count: int) -> Index:
    """Distinct timestamps of each group, shape (groups,)."""
    pairs = np.sort(groups * (int(time.max(initial=0)) + 1) + time)
    first = np.append(True, pairs[1:] != pairs[:-1])[: len(pairs)]
    return np.bincount(pairs[first] // (int(time.max(initial=0)) + 1), minlength=count)


def _per_cell(cell: Index, groups: Index, weight: Array) -> Array:
    count, cells = int(groups.max(initial=0)) + 1, int(cell.max(initial=0)) + 1
    sums = np.bincount(cell * count + groups, weights=weight, minlength=cells * count)
    return np.asarray(sums.reshape(cells, count), dtype=np.float64)


def _design_effects(share: Array, rows: Array, hits_drawn: Array, rows_drawn: Array) -> Array:
    """Variance of the resampled share over the binomial one; NaN where either is undefined or zero."""
    # The linearised ratio: stable where a resample holds few rows of a group.
    errors = (hits_drawn - np.nan_to_num(share) * rows_drawn) / np.maximum(rows, 1.0)
    binomial = share * (1.0 - share) / np.maximum(rows, 1.0)
    effect: Array = np.divide(errors.var(axis=0), binomial, out=np.full(len(share), np.nan), where=binomial > 0)
    return effect
