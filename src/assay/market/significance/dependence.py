"""How many independent rows a table is worth, and how many a given skill takes."""

import math

import numpy as np
import numpy.typing as npt

from assay.market.significance.bootstrap import Array

Index = npt.NDArray[np.int64]

ACTIVE = 0.1  # share of the mean weight from which on a timestamp can begin an episode


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


def effective_blocks(carried: Array, *, block: float) -> float:
    """How many blocks of time a figure rests on: ``(sum w)^2 / sum w^2`` over the weight w of each block (Kish 1965).

    Equal blocks all count; when most of the weight lies in a few of them, about those few do. It is the effective
    number of clusters of Carter, Schnepel & Steigerwald (2017) for a figure to which blocks add by their weight.

    Args:
        carried: (timestamps,) weight of each timestamp, none negative, e.g. its sum of squared scores.
        block: Length of a block in timestamps.

    Returns:
        0 where nothing carries weight.
    """
    weights = np.add.reduceat(carried, np.arange(0, len(carried), max(math.ceil(block), 1)))
    total, squares = float(weights.sum()), float((weights**2).sum())
    return total**2 / squares if squares > 0.0 else 0.0


def episodes(carried: Array, *, horizon: int) -> int:
    """How many independent occasions a score rests on: effective blocks of one horizon, each begun by an active score.

    An episode begins at the first timestamp that carries a tenth of the mean weight or more and lasts one horizon; the
    next begins with the next such timestamp. Episodes that carry little count for little (see ``effective_blocks``): a
    score that always says something has about ``timestamps / horizon`` of them, one that speaks up on five days five.

    Args:
        carried: (timestamps,) weight of each timestamp, none negative: its sum of squared centred scores.
        horizon: Bars that a label spans.

    Returns:
        0 for a score that never varies.
    """
    active = np.flatnonzero(carried >= ACTIVE * carried.mean()) if carried.any() else np.zeros(0, dtype=np.int64)
    after = np.searchsorted(active, active + max(horizon, 1))
    begins, place = [], 0
    while place < len(active):
        begins.append(active[place])
        place = int(after[place])
    if not begins:
        return 0
    total = np.concatenate([[0.0], np.cumsum(carried)])
    starts = np.array(begins)
    weights = total[np.minimum(starts + max(horizon, 1), len(carried))] - total[starts]
    return round(float(weights.sum() ** 2 / (weights**2).sum()))


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
