"""Which of many forecasts are better than a reference, and which may be the best, once all that were tried count.

All tests read the same resamples of blocks of timestamps, so a family of models costs one matrix product. With equal
resamples they give what ``arch`` gives, apart from what their docstrings name: gains are studentised here (the switch
of that name does nothing there), and a p-value is never 0.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from assay.market.errors import ConfigurationError, DataError
from assay.market.significance.bootstrap import Array, BootstrapRule, block_variance, optimal_block, resample_sums

FEWEST = 20  # timestamps


@dataclass(frozen=True, eq=False)
class LossResamples:
    """Losses of several models, and their means on resamples that all models share.

    Attributes:
        losses: (timestamps, models), lower is better.
        drawn: (replications, models) mean loss on each resample.
        block: Mean block length in timestamps.
    """

    losses: Array
    drawn: Array
    block: float


class SuperiorAbility(NamedTuple):
    """p-values of the test of superior predictive ability.

    Attributes:
        lower: With models worse than the reference left out of what chance can do.
        consistent: With the clearly worse ones left out; the one to quote.
        upper: With all of them in, as if equal to the reference.
    """

    lower: float
    consistent: float
    upper: float


class _Gains(NamedTuple):
    """What each model gains on the reference: mean (models,), on resamples (replications, models), error (models,)."""

    mean: Array
    drawn: Array
    error: Array


def resample_losses(
    losses: Array, *, rule: BootstrapRule, horizon: int = 1, block: float | None = None
) -> LossResamples:
    """Draw the resamples that the tests of this module read (stationary bootstrap, Politis & Romano 1994).

    Args:
        losses: (timestamps, models) mean loss over all entities of each timestamp, in time order, no NaN.
        rule: Number of resamples and seed.
        horizon: Timestamps that a label spans; blocks are never shorter.
        block: Mean block length in timestamps; None: the longest that a column asks for (``optimal_block``).

    Raises:
        DataError: Fewer than 20 timestamps, no model, or a loss that is not finite.
        ConfigurationError: The block is shorter than the horizon.
    """
    if losses.ndim != 2 or losses.shape[0] < FEWEST or not losses.shape[1] or not np.isfinite(losses).all():
        raise DataError(
            "losses",
            "cannot be resampled",
            expected=f"(timestamps, models), at least {FEWEST} timestamps and 1 model, all finite",
            found=f"shape {losses.shape}, {int((~np.isfinite(losses)).sum())} values not finite",
            do="compare on rows that all models answered, and on more of them",
        )
    if block is not None and block < horizon:
        raise ConfigurationError(
            "block", "is shorter than the label", expected=f"at least the horizon, {horizon}", found=block
        )
    length = optimal_block(list(losses.T), horizon=horizon) if block is None else block
    return LossResamples(losses, resample_sums(losses, block=length, rule=rule) / len(losses), length)


def superior_predictive_ability(
    resampled: LossResamples, *, reference: int | None = None, studentise: bool = True
) -> SuperiorAbility:
    """Test that no model is better than the reference, whatever number of them was tried (Hansen 2005).

    The statistic is the largest gain of a model in units of its standard error, held against the largest on resamples.
    A model counts as clearly worse, and is not recentred for ``consistent``, when its gain lies more than
    ``sqrt(2 log log n)`` standard errors below 0. The statistic is not cut off at 0, which matters only where no model
    gains anything. ``p = (1 + b) / (1 + B)`` with b of B resamples at least as large (Davison & Hinkley 1997, 4.2).

    Args:
        resampled: Losses and their resamples.
        reference: Column to compare with; None: a loss of 0 throughout.
        studentise: In units of the standard error; False: gains as they are.

    Raises:
        DataError: There is no model but the reference.
    """
    gains = _gains(resampled, reference, studentise=studentise)
    best = float((gains.mean / gains.error).max())
    p = [_share_above(_largest(gains, centre), best) for centre in _centres(gains, resampled, reference)]
    return SuperiorAbility(*p)


def reality_check(resampled: LossResamples, *, reference: int | None = None) -> float:
    """p-value that no model is better than the reference (White 2000): gains not studentised, all models recentred.

    Arguments and errors as ``superior_predictive_ability``, which has more power beside poor models.
    """
    return superior_predictive_ability(resampled, reference=reference, studentise=False).upper


def step_m(
    resampled: LossResamples, *, reference: int | None = None, level: float = 0.05, studentise: bool = True
) -> list[int]:
    """Columns of the models that are better than the reference, with a chance of ``level`` that any one is not.

    Models whose gain exceeds the ``1 - level`` quantile of the largest gain on resamples are taken out, and the rest
    is tested again until none is left that does (Romano & Wolf 2005), with the recentring of ``consistent`` (Hsu, Hsu
    & Kuan 2010).

    Args:
        resampled: Losses and their resamples.
        reference: Column to compare with; None: a loss of 0 throughout.
        level: Family-wise error rate, in (0, 1).
        studentise: In units of the standard error; False: gains as they are.

    Returns:
        Columns in increasing order.

    Raises:
        DataError: There is no model but the reference.
    """
    gains = _gains(resampled, reference, studentise=studentise)
    centre = _centres(gains, resampled, reference)[1]
    simulated, gained = (gains.drawn - centre) / gains.error, gains.mean / gains.error
    left = np.ones(len(gained), dtype=np.bool_)
    while left.any():
        better = left & (gained > np.quantile(simulated[:, left].max(axis=1), 1.0 - level))
        if not better.any():
            break
        left &= ~better
    columns = [column for column in range(resampled.losses.shape[1]) if column != reference]
    return [column for column, stays in zip(columns, left, strict=True) if not stays]


def model_confidence_set(resampled: LossResamples) -> Array:
    """For every model the largest level at which it is still in the set of models that may be the best.

    Models are eliminated one by one: the one with the largest loss difference to another, in standard errors, goes,
    and its p-value is the share of resamples whose largest difference is at least as large, or that of a model that
    went before if larger (Hansen, Lunde & Nason 2011, the range statistic). A model is in the 90 % set when its
    p-value is above .1.

    Args:
        resampled: Losses and their resamples.

    Returns:
        (models,) in (0, 1]; the last one left has 1, and so have models with the same losses as it.
    """
    mean, drawn = resampled.losses.mean(axis=0), resampled.drawn
    differences = mean[:, None] - mean[None, :]
    noise = drawn[:, :, None] - drawn[:, None, :] - differences
    error = np.sqrt((noise**2).mean(axis=0))
    same = error <= 1e-12 * max(float(error.max()), 1e-300)
    t, noise = np.where(same, 0.0, differences / np.where(same, 1.0, error)), noise / np.where(same, np.inf, error)
    p, left, reached = np.ones(len(mean)), np.arange(len(mean)), 0.0
    while len(left) > 1:
        among = t[np.ix_(left, left)]
        largest = noise[:, left[:, None], left[None, :]].max(axis=(1, 2))
        reached = max(reached, _share_above(largest, float(among.max())))
        goes = int(among.max(axis=1).argmax())
        p[left[goes]] = reached
        left = np.delete(left, goes)
    return p


def _gains(resampled: LossResamples, reference: int | None, *, studentise: bool) -> _Gains:
    losses, drawn = resampled.losses, resampled.drawn
    if reference is None:
        gained, on_resamples = -losses, -drawn
    else:
        gained = np.delete(losses[:, [reference]] - losses, reference, axis=1)
        on_resamples = np.delete(drawn[:, [reference]] - drawn, reference, axis=1)
    if not gained.shape[1]:
        raise DataError("losses", "have no model beside the reference", expected="at least 1", found=0)
    mean = gained.mean(axis=0)
    error = _standard_error(gained, resampled.block) if studentise else np.ones(len(mean))
    return _Gains(mean, on_resamples, error)


def _standard_error(gained: Array, block: float) -> Array:
    """Of each mean gain; infinite where the gain never varies, so that it counts for nothing."""
    centred = gained - gained.mean(axis=0)
    error = np.sqrt(block_variance(np.ascontiguousarray(centred.T), block=block)) / len(gained)
    scale = np.abs(gained).max(axis=0) / math.sqrt(len(gained))
    return np.where(error > 1e-9 * scale, error, np.inf)


def _centres(gains: _Gains, resampled: LossResamples, reference: int | None) -> tuple[Array, Array, Array]:
    """What is taken off the resamples: lower, consistent, upper."""
    error = _gains(resampled, reference, studentise=True).error
    bound = -math.sqrt(2.0 * math.log(math.log(len(resampled.losses))))
    consistent = np.where(gains.mean >= bound * error, gains.mean, 0.0)
    return np.maximum(gains.mean, 0.0), consistent, gains.mean


def _largest(gains: _Gains, centre: Array) -> Array:
    """Largest gain of a model on each resample, (replications,)."""
    return np.asarray(((gains.drawn - centre) / gains.error).max(axis=1))


def _share_above(simulated: Array, observed: float) -> float:
    return float((1 + np.sum(simulated >= observed)) / (1 + len(simulated)))
