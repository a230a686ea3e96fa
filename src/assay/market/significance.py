"""Is the skill real? Resampling, effective sample size and t-statistics that know about overlap and co-movement.

The resampling unit is always a block of timestamps that carries all entities: labels of horizon h overlap over time,
and symbols move together at one time, so single rows are far from independent.
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


def mean_correlation(values: Array, entity: Index, time: Index) -> float:
    """Mean pairwise correlation of entities over the timestamps they share.

    Uses ``sum_i sum_j z_i z_j = (sum z)^2 - sum z^2`` per timestamp, so it costs one pass over the rows.

    Args:
        values: (n,) e.g. forward returns.
        entity: (n,) code of the entity, 0 to entities - 1.
        time: (n,) code of the timestamp, 0 to timestamps - 1.

    Returns:
        Between 0 and 1; a negative mean counts as 0, and so does a single entity.
    """
    count = np.maximum(np.bincount(entity), 1)
    centred = values - (np.bincount(entity, weights=values) / count)[entity]
    spread = np.sqrt(np.bincount(entity, weights=centred**2) / count)[entity]
    z = np.divide(centred, spread, out=np.zeros_like(centred), where=spread > 0)
    present = np.bincount(time)
    pairs = float((present * (present - 1)).sum())
    if pairs == 0.0:
        return 0.0
    products = np.bincount(time, weights=z) ** 2 - np.bincount(time, weights=z**2)
    return min(max(float(products.sum()) / pairs, 0.0), 1.0)


def effective_rows(n_timestamps: int, horizon: int, *, entities: float = 1.0, correlation: float = 0.0) -> float:
    """How many independent rows the table is worth.

    ``n / h`` for labels that overlap over h bars (average uniqueness 1/h, Lopez de Prado 2018, ch. 4), times
    ``E / (1 + (E - 1) rho)`` for E entities with mean correlation rho (design effect, Kish 1965).

    Args:
        n_timestamps: Timestamps with labels.
        horizon: Bars that a label spans.
        entities: Mean number of entities per timestamp.
        correlation: Mean pairwise correlation of their returns.
    """
    return n_timestamps / max(horizon, 1) * entities / (1.0 + (entities - 1.0) * correlation)


def hac_lag(n_timestamps: int, horizon: int) -> int:
    """Lags for Newey-West: twice the overlap, or the rule of thumb ``4 (n / 100)^(2/9)`` when that is longer.

    Bartlett weights shrink with the lag, so stopping at the overlap ``h - 1`` would count only part of it.
    """
    return max(2 * (horizon - 1), int(4.0 * math.pow(n_timestamps / 100.0, 2.0 / 9.0)))


def hac_t(score: Array, returns: Array, starts: Index, *, lag: int) -> float | None:
    """t-statistic of the slope of standardised returns on the standardised score (the slope is the pooled IC).

    Scores are summed per timestamp, which allows any correlation between entities at one time, and weighted by
    Bartlett over ``lag`` timestamps (Newey & West 1987; for panels Driscoll & Kraay 1998). No small-sample factor.

    Args:
        score: (n,) direction score, rows in time order.
        returns: (n,) realised forward return.
        starts: (timestamps,) first row of each timestamp.
        lag: Timestamps over which rows are allowed to be correlated; 0 clusters by timestamp only.

    Returns:
        None when the score, the returns or the residuals do not vary.
    """
    if len(score) < 3 or np.ptp(score) == 0.0 or np.ptp(returns) == 0.0:
        return None
    x = (score - score.mean()) / score.std()
    y = (returns - returns.mean()) / returns.std()
    slope = float(np.mean(x * y))
    moments = np.add.reduceat(x * (y - slope * x), starts)
    variance = _long_run_sum(moments, lag)
    return slope * len(x) / math.sqrt(variance) if variance > 0.0 else None


def _long_run_sum(moments: Array, lag: int) -> float:
    total = float(moments @ moments)
    for k in range(1, min(lag, len(moments) - 1) + 1):
        total += 2.0 * (1.0 - k / (lag + 1.0)) * float(moments[k:] @ moments[:-k])
    return total


def ic_t(score: Array, returns: Array, starts: Index, *, horizon: int) -> float | None:
    """The IC's t-statistic, overlap-aware, or the one clustered by timestamp only when that is smaller.

    Newey-West raises t when the series is negatively autocorrelated; the smaller of the two is quoted.
    Arguments and None as in ``hac_t``; the lag follows ``hac_lag``.
    """
    both = [hac_t(score, returns, starts, lag=lag) for lag in (0, hac_lag(len(starts), horizon))]
    return min((t for t in both if t is not None), key=abs, default=None)


def rows_needed(ic: float, *, power: float = 0.8, level: float = 0.05) -> int:
    """Independent rows that show an IC of this size, by Fisher's z: ``((z_a + z_b) / atanh(ic))^2 + 3``.

    Multiply by the horizon for overlapping labels.

    Args:
        ic: The true correlation, not 0.
        power: Chance to find it.
        level: Chance to find one that is not there, one-sided.
    """
    from scipy.stats import norm

    z = float(norm.ppf(power) + norm.ppf(1.0 - level))
    return math.ceil((z / math.atanh(abs(ic))) ** 2 + 3.0)


def sharpe_interval(
    returns: Array, *, bars_per_year: float, block: float, rule: BootstrapRule, risk: Array | None = None
) -> dict[str, float | None]:
    """Annualised Sharpe ratio with a stationary-bootstrap interval.

    Args:
        returns: (timestamps,) net return per bar of the whole book, zeros included.
        bars_per_year: Bars in a year; the ratio is scaled by its root (no correction for autocorrelation).
        block: Mean block length in bars.
        rule: How to resample.
        risk: (timestamps,) returns whose deviation is the risk; ``returns`` are then a part of them, and the ratio is
            what that part adds to the Sharpe ratio of the whole. None: the same returns.

    Returns:
        ``value, low, high``; all None where the risk never varies.
    """
    risk = returns if risk is None else risk
    if len(returns) < 3 or np.ptp(risk) == 0.0:
        return {"value": None, "low": None, "high": None}
    n = len(returns)
    centre, level = returns.mean(), risk.mean()
    sums = np.column_stack([returns - centre, risk - level, (risk - level) ** 2])
    resampled = resample_sums(sums, block=max(block, 1.0), rule=rule)
    year = math.sqrt(bars_per_year)

    def sharpe(totals: Array) -> Array:
        total, shift, squares = totals.T
        variance = (squares - shift**2 / n) / (n - 1)
        deviation = np.sqrt(np.where(variance > 0.0, variance, np.nan))
        return np.asarray((total / n + centre) / deviation * year)

    low, high = interval(sharpe(resampled), confidence=rule.confidence)
    return {"value": float(sharpe(sums.sum(axis=0)[None, :])[0]), "low": low, "high": high}
