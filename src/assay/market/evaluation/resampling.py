"""Every metric of every contender on the same resampled blocks of time, and intervals from them.

The 95 % intervals are percentile intervals of the stationary bootstrap, made to cover what they say on few blocks:
blocks twice as long as the Politis-White length, which is best for a variance and too short for an interval (Sun,
Phillips & Jin 2008), and ends stretched by ``small_sample_stretch``. ``benchmarks/interval_coverage.py`` measures it.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from assay.market.evaluation.contenders import Lineup
from assay.market.metrics import Metric, Sums, statistics, sum_per_group
from assay.market.metrics.forecasts import Array
from assay.market.significance import (
    effective_blocks,
    optimal_block,
    resample_sums,
    small_sample_stretch,
    stretched_interval,
)

Estimate = dict[str, float | None]

LONGER = 2.0
FEWEST = 4  # blocks that the longest block leaves, unless the horizon is longer
NOTHING = -1.0  # degrees of freedom of what no block carries
NO_LIMITS = (-math.inf, math.inf)


@dataclass(frozen=True)
class Resampled:
    """One metric of one contender, or a difference of two of them: what it is on each resample.

    Attributes:
        replicates: (replications,), NaN where undefined.
        degrees: Effective blocks that carry the metric, minus one; -1 where nothing does.
        block: Mean block length in timestamps.
    """

    replicates: Array
    degrees: float
    block: float

    def __sub__(self, other: "Resampled") -> "Resampled":
        """The paired difference; it rests on no more blocks than either side that says anything."""
        carried = [side.degrees for side in (self, other) if side.degrees > NOTHING]
        return Resampled(self.replicates - other.replicates, min(carried, default=NOTHING), self.block)

    def times(self, factor: float) -> "Resampled":
        """The metric times a factor."""
        return Resampled(factor * self.replicates, self.degrees, self.block)


@dataclass(frozen=True)
class Blocks:
    """Mean block lengths in timestamps.

    Attributes:
        direction: For metrics that lean on the side that was called; they forget as soon as labels stop overlapping.
        level: For all others, which follow how wild the market is and remember as long as it does.
    """

    direction: float
    level: float

    def of(self, metric: Metric) -> float:
        """The length for one metric."""
        return self.direction if metric.about_direction else self.level


@dataclass(frozen=True)
class Resamples:
    """All metrics of all contenders, those of one block length on the same resamples.

    Attributes:
        blocks: Mean block lengths.
        timestamps: Number of timestamps.
        confidence: Probability that an interval covers the truth.
        found: By contender and metric.
    """

    blocks: Blocks
    timestamps: int
    confidence: float
    found: dict[str, dict[str, Resampled]]

    def estimate(
        self, key: str, value: float | None, resampled: Resampled, *, limits: tuple[float, float] = NO_LIMITS
    ) -> Estimate:
        """A value with its interval, cut off where no value can be.

        No interval without a value, or where fewer than two blocks carry it: one occasion says nothing of the next.
        """
        if value is None or resampled.degrees < 1.0:
            return {key: value, "low": None, "high": None}
        stretch = small_sample_stretch(
            self.timestamps, block=resampled.block, degrees=resampled.degrees, confidence=self.confidence
        )
        ends = stretched_interval(value, resampled.replicates, stretch=stretch, confidence=self.confidence)
        low, high = (None if end is None else min(max(end, limits[0]), limits[1]) for end in ends)
        return {key: value, "low": low, "high": high}


def block_lengths(lineup: Lineup) -> Blocks:
    """Twice what products and signs of score and return ask for, or these and the losses, of all models.

    At least the horizon; otherwise short enough to leave four blocks.
    """
    models = [lineup.common(name) for name in lineup.with_role("model")]
    products = [_per_timestamp(lineup, rows.centred * (rows.returns - rows.returns.mean())) for rows in models]
    signs = [_per_timestamp(lineup, rows.side * np.sign(rows.returns)) for rows in models]
    losses = [_per_timestamp(lineup, rows.loss) for rows in models]
    return Blocks(_length(lineup, products + signs), _length(lineup, products + signs + losses))


def _length(lineup: Lineup, series: list[Array]) -> float:
    wanted = LONGER * optimal_block(series, horizon=lineup.horizon)
    return max(float(lineup.horizon), min(wanted, lineup.timestamps / FEWEST), 1.0)


def _per_timestamp(lineup: Lineup, values: Array) -> Array:
    return np.asarray(np.add.reduceat(values, lineup.starts) / lineup.per_timestamp)


def resample(lineup: Lineup, blocks: Blocks) -> Resamples:
    """Draw the resamples.

    Args:
        lineup: The contenders.
        blocks: Mean block lengths.
    """
    found: dict[str, dict[str, Resampled]] = {name: {} for name in lineup.contenders}
    summed = {name: sum_per_group(statistics(lineup.common(name)), lineup.starts) for name in lineup.contenders}
    columns = {name: dict(zip(names, sums.T, strict=True)) for name, (names, sums) in summed.items()}
    for direction in (True, False):
        metrics = [metric for metric in lineup.metrics.values() if metric.about_direction == direction]
        for name, drawn in _drawn(lineup, columns, metrics, blocks.of(metrics[0])):
            found[name] |= drawn
    return Resamples(blocks, lineup.timestamps, lineup.rule.confidence, found)


def _drawn(
    lineup: Lineup, columns: Mapping[str, Sums], metrics: list[Metric], block: float
) -> Iterator[tuple[str, dict[str, Resampled]]]:
    """Metrics of one block length for every contender, drawn together so that differences are paired."""
    some = next(iter(columns.values()))
    used = sorted({name for metric in metrics for name in metric.sums_in(some)})
    sums = np.column_stack([column[name] for column in columns.values() for name in used])
    drawn = resample_sums(sums, block=block, rule=lineup.rule)
    for i, (contender, column) in enumerate(columns.items()):
        totals = dict(zip(used, drawn[:, i * len(used) : (i + 1) * len(used)].T, strict=True))
        carriers = {metric.carried_by for metric in metrics}
        degrees = {name: effective_blocks(column[name], block=block) - 1.0 for name in carriers}
        yield (
            contender,
            {metric.name: Resampled(metric.value(totals), degrees[metric.carried_by], block) for metric in metrics},
        )


def told(metric: Metric) -> dict[str, str]:
    """A metric as the reader is told about it."""
    return {"label": metric.label, "better": metric.better, "definition": metric.definition, "unit": metric.unit}
