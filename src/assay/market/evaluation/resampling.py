"""Every metric of every contender on the same resampled blocks of time, and intervals from them.

The 95 % intervals are percentile intervals of the stationary bootstrap, made to cover what they say on few blocks:
blocks twice as long as the Politis-White length, which is best for a variance and too short for an interval (Sun,
Phillips & Jin 2008), and ends stretched by ``small_sample_stretch``. What is measured is in ``benchmarks/coverage.py``.
"""

from dataclasses import dataclass

import numpy as np

from assay.market.evaluation.contenders import Field
from assay.market.metrics import Metric, statistics, sum_per_group
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


@dataclass(frozen=True)
class Resampled:
    """One metric of one contender, or a difference of two of them: what it is on each resample.

    Attributes:
        replicates: (replications,), NaN where undefined.
        degrees: Effective blocks that carry the metric, minus one.
    """

    replicates: Array
    degrees: float

    def __sub__(self, other: "Resampled") -> "Resampled":
        """The paired difference; it rests on no more blocks than either side."""
        return Resampled(self.replicates - other.replicates, min(self.degrees, other.degrees))

    def times(self, factor: float) -> "Resampled":
        """The metric times a factor."""
        return Resampled(factor * self.replicates, self.degrees)


@dataclass(frozen=True)
class Resamples:
    """All metrics of all contenders on the same resamples.

    Attributes:
        block: Mean block length in timestamps.
        timestamps: Number of timestamps.
        confidence: Probability that an interval covers the truth.
        found: By contender and metric.
    """

    block: float
    timestamps: int
    confidence: float
    found: dict[str, dict[str, Resampled]]

    def estimate(self, key: str, value: float | None, resampled: Resampled) -> Estimate:
        """A value with its interval; none without a value."""
        low, high = None, None
        if value is not None:
            stretch = small_sample_stretch(
                self.timestamps, block=self.block, degrees=resampled.degrees, confidence=self.confidence
            )
            low, high = stretched_interval(value, resampled.replicates, stretch=stretch, confidence=self.confidence)
        return {key: value, "low": low, "high": high}


def block_length(field: Field) -> float:
    """Mean block length in timestamps: twice what products and losses of the models ask for, at least the horizon."""
    wanted = LONGER * optimal_block(_dependence(field), horizon=field.horizon)
    return max(float(field.horizon), min(wanted, field.timestamps / FEWEST), 1.0)


def resample(field: Field, block: float) -> Resamples:
    """Draw the resamples.

    Args:
        field: The contenders.
        block: Mean block length in timestamps.
    """
    summed = [sum_per_group(statistics(field.common(name)), field.starts) for name in field.contenders]
    names, width = summed[0][0], len(summed[0][0])
    drawn = resample_sums(np.concatenate([sums for _, sums in summed], axis=1), block=block, rule=field.rule)
    found = {}
    for i, (contender, (_, sums)) in enumerate(zip(field.contenders, summed, strict=True)):
        columns = dict(zip(names, sums.T, strict=True))
        totals = dict(zip(names, drawn[:, i * width : (i + 1) * width].T, strict=True))
        degrees = {
            carrier: effective_blocks(columns[carrier], block=block) - 1.0
            for carrier in {metric.carried_by for metric in field.metrics.values()}
        }
        found[contender] = {
            name: Resampled(metric.value(totals), degrees[metric.carried_by]) for name, metric in field.metrics.items()
        }
    return Resamples(block, field.timestamps, field.rule.confidence, found)


def told(metric: Metric) -> dict[str, str]:
    """A metric as the reader is told about it."""
    return {"label": metric.label, "better": metric.better, "definition": metric.definition, "unit": metric.unit}


def _dependence(field: Field) -> list[Array]:
    """Per timestamp: what the IC averages and what the loss averages, of every model."""
    series = []
    for name in field.with_role("model"):
        rows = field.common(name)
        product = rows.centred * (rows.returns - rows.returns.mean())
        series += [np.add.reduceat(x, field.starts) / field.per_timestamp for x in (product, rows.loss)]
    return series
