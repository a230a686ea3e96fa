"""Stationary bootstrap over blocks of timestamps that carry all their entities.

Labels of horizon h overlap over time, and symbols move together at one time, so single rows are far from independent.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from pydantic import Field

from assay.market.parameters import Parameters

Array = npt.NDArray[np.float64]

REPLICATIONS_AT_ONCE = 100
DEFINED_SHARE = 0.9  # an interval needs the metric to be defined on this share of the resamples


class BootstrapRule(Parameters):
    """How intervals are resampled.

    Attributes:
        replications: Number of resamples.
        seed: Seed of the resamples; the same seed gives the same intervals.
        confidence: Probability that an interval covers the truth.
    """

    replications: int = Field(default=1000, ge=50)
    seed: int = Field(default=0, ge=0)
    confidence: float = Field(default=0.95, gt=0.5, lt=1.0)


def optimal_block(series: Sequence[Array], *, horizon: int = 1) -> float:
    """Mean block length for the stationary bootstrap: the longest that any of the series asks for.

    Politis & White (2004) with the correction of Patton, Politis & White (2009), as in ``arch``.

    Args:
        series: Each (timestamps,), e.g. the mean over entities of centred score times centred return.
        horizon: Bars that a label spans; the block is never shorter.

    Returns:
        Block length in timestamps, at least ``max(horizon, 1)``. Constant and very short series are left out.
    """
    from arch.bootstrap import optimal_block_length

    usable = [values for values in series if len(values) > 20 and np.ptp(values) > 0.0]
    lengths = [float(optimal_block_length(values)["stationary"].iloc[0]) for values in usable]
    return max([float(horizon), 1.0, *(length for length in lengths if math.isfinite(length))])


def resample_weights(n: int, *, block: float, rule: BootstrapRule) -> Iterator[Array]:
    """How often each timestamp is drawn in each resample of the stationary bootstrap (Politis & Romano 1994).

    A resample strings together blocks that start anywhere, wrap around at the end, and have geometric lengths.

    Args:
        n: Number of timestamps.
        block: Mean block length in timestamps; 1 draws timestamps independently.
        rule: Number of resamples and seed.

    Yields:
        Weights (up to 100 resamples, n); each row sums to n.
    """
    generator = np.random.default_rng(rule.seed)
    for first in range(0, rule.replications, REPLICATIONS_AT_ONCE):
        count = min(REPLICATIONS_AT_ONCE, rule.replications - first)
        begins = generator.random((count, n)) < 1.0 / block
        slots = np.broadcast_to(np.arange(n), (count, n))
        last_begin = np.maximum.accumulate(np.where(begins, slots, 0), axis=1)
        starts = generator.integers(0, n, size=(count, n))
        drawn = (np.take_along_axis(starts, last_begin, axis=1) + slots - last_begin) % n
        drawn += np.arange(count)[:, None] * n
        yield np.bincount(drawn.ravel(), minlength=count * n).reshape(count, n).astype(np.float64)


def resample_sums(sums: Array, *, block: float, rule: BootstrapRule) -> Array:
    """Sums over each resample.

    Args:
        sums: (timestamps, K) sufficient statistics per timestamp, over all its entities.
        block: Mean block length in timestamps.
        rule: Number of resamples and seed.

    Returns:
        (replications, K). Columns of different models share the resamples, so differences are paired.
    """
    return np.concatenate([weights @ sums for weights in resample_weights(len(sums), block=block, rule=rule)])


def interval(replicates: Array, *, confidence: float = 0.95) -> tuple[float | None, float | None]:
    """Percentile interval of bootstrap replicates (Efron 1979).

    Args:
        replicates: (replications,); NaN where the metric is undefined on a resample.
        confidence: Probability that the interval covers the truth.

    Returns:
        Lower and upper end; both None when the metric is undefined on more than a tenth of the resamples.
    """
    defined = replicates[np.isfinite(replicates)]
    if len(defined) < DEFINED_SHARE * len(replicates) or len(defined) == 0:
        return None, None
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(defined, [tail, 1.0 - tail])
    return float(low), float(high)
