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
Index = npt.NDArray[np.int64]

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
        Block length in timestamps, at least ``max(horizon, 1)``. Constant and very short series are left out,
        and so are those whose memory cannot be told.
    """
    from arch.bootstrap import optimal_block_length

    usable = [values for values in series if len(values) > 20 and np.ptp(values) > 0.0]
    with np.errstate(divide="ignore", invalid="ignore"):  # series that are silent over long stretches
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
        ends = _block_ends(generator, (count, n), block)
        lengths = np.diff(ends, axis=1, prepend=0)
        starts = generator.integers(0, n, size=lengths.shape)
        # Each block adds one from its start on and takes it back behind its end; one that wraps starts again at 0.
        row = np.arange(count)[:, None] * (n + 1)
        stops = starts + lengths
        steps = np.bincount((row + starts).ravel(), minlength=count * (n + 1))
        steps -= np.bincount((row + np.where(stops > n, stops - n, stops)).ravel(), minlength=count * (n + 1))
        steps = steps.reshape(count, n + 1)
        steps[:, 0] += (stops > n).sum(axis=1)
        yield np.cumsum(steps[:, :n], axis=1).astype(np.float64)


def _block_ends(generator: np.random.Generator, shape: tuple[int, int], block: float) -> Index:
    """Where the blocks of each resample end, (count, blocks): increasing, the last ones at n."""
    count, n = shape
    most = math.ceil(n / block + 4.0 * math.sqrt(n / block)) + 1
    ends = np.zeros((count, 1), dtype=np.int64)
    while ends[:, -1].min() < n:
        lengths = generator.geometric(1.0 / block, size=(count, most))
        ends = np.concatenate([ends, ends[:, -1:] + np.cumsum(lengths, axis=1)], axis=1)
    return np.asarray(np.minimum(ends, n))


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


def stretched_interval(
    value: float, replicates: Array, *, stretch: float, confidence: float = 0.95
) -> tuple[float | None, float | None]:
    """Percentile interval whose ends are moved away from the value by a factor; see ``small_sample_stretch``.

    Args:
        value: The metric on the sample; it always lies in the interval.
        replicates: (replications,); NaN where the metric is undefined on a resample.
        stretch: Factor on the distance of either end from the value.
        confidence: Probability that the interval covers the truth.

    Returns:
        Lower and upper end; both None when the metric is undefined on more than a tenth of the resamples.
    """
    low, high = interval(replicates, confidence=confidence)
    if low is None or high is None:
        return None, None
    return value - stretch * max(value - low, 0.0), value + stretch * max(high - value, 0.0)


def small_sample_stretch(n: int, *, block: float, degrees: float, confidence: float = 0.95) -> float:
    """How much wider an interval from few blocks has to be than its resamples say.

    Two things make the percentile interval of a block bootstrap too narrow. Resamples vary about the mean of the
    sample and not about the truth, which loses about ``block / n`` of the variance. And a variance that was itself
    estimated from few blocks calls for quantiles of Student's t, not of the normal (long blocks with the t
    distribution of their number: Ibragimov & Mueller 2010; fixed-smoothing asymptotics: Sun 2014; unequal blocks
    count for fewer: Carter, Schnepel & Steigerwald 2017).

    Args:
        n: Number of timestamps.
        block: Mean block length in timestamps.
        degrees: Degrees of freedom: effective blocks minus one, at least 1.
        confidence: Probability that the interval covers the truth.

    Returns:
        At least 1.
    """
    from scipy.special import ndtri, stdtrit

    tail = (1.0 + confidence) / 2.0
    lost = min(block / n, 0.5)
    return float(stdtrit(max(degrees, 1.0), tail) / ndtri(tail) / math.sqrt(1.0 - lost))


def block_variance(series: Array, *, block: float) -> Array:
    """Variance that the stationary bootstrap gives to a sum, without drawing (Politis & Romano 1994, Lemma 1).

    Args:
        series: (..., timestamps) with mean 0, e.g. what each timestamp adds to a metric.
        block: Mean block length in timestamps.

    Returns:
        (...), not below 0.
    """
    from scipy.fft import irfft, next_fast_len, rfft

    n, keep = series.shape[-1], 1.0 - 1.0 / block
    lag = np.arange(n)
    weight = (1.0 - lag / n) * keep**lag + (lag / n) * keep ** (n - lag)
    size = next_fast_len(2 * n, real=True)
    covariance = irfft(np.abs(rfft(series, size)) ** 2, size)[..., :n]
    return np.asarray(np.maximum(2.0 * covariance @ weight - covariance[..., 0], 0.0))
