"""How far the figures of a book can be trusted: intervals of its Sharpe ratios, and a band around its equity.

Many books are resampled at once, because drawing the resamples costs more than adding them up.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assay.market.backtest.tape import Floats
from assay.market.significance import BootstrapRule, interval, optimal_block, resample_sums

Estimate = dict[str, float | None]
UNDEFINED: Estimate = {"value": None, "low": None, "high": None}
STEPS = 2  # block lengths are rounded up to powers of the root of two


@dataclass(frozen=True)
class Returns:
    """Net returns of a book per bar.

    Attributes:
        net: All of it, zeros included; (bars,).
        timing: The part without drift, see ``trading.measure``; (bars,).
        bars_per_year: Bars per year.
        block: Mean length of the blocks to resample, in bars.
    """

    net: Floats
    timing: Floats
    bars_per_year: float
    block: float


def block_length(net: Floats, timing: Floats, *, horizon: int) -> float:
    """Mean length of the blocks to resample: the longest that either series asks for.

    Rounded up to a power of the root of two, so that books with about the same length share their resamples.

    Args:
        net: Net returns per bar, (bars,).
        timing: The part of them without drift, (bars,).
        horizon: Bars that a position is held; the block is never shorter.
    """
    asked = optimal_block([net, timing], horizon=horizon)
    return float(2.0 ** (math.ceil(STEPS * math.log2(asked) - 1e-9) / STEPS))


def sharpe_intervals(books: Mapping[str, Returns], *, rule: BootstrapRule) -> dict[str, dict[str, Estimate]]:
    """Annualised Sharpe ratios with stationary-bootstrap intervals.

    Percentile intervals; both series are drawn together. Books with as many bars and the same length of blocks share
    their resamples.

    Args:
        books: By name of the model.
        rule: How to resample.

    Returns:
        By model ``sharpe`` (mean over deviation of the net returns) and ``timing_sharpe`` (mean of the timing returns
        over the same deviation), each ``value, low, high``; None where the book never moved.
    """
    groups: dict[tuple[int, float], dict[str, Returns]] = {}
    for name, book in books.items():
        if len(book.net) > 2 and np.ptp(book.net) > 0.0:
            groups.setdefault((len(book.net), book.block), {})[name] = book
    found = {name: {"sharpe": UNDEFINED, "timing_sharpe": UNDEFINED} for name in books}
    for (_, block), alike in groups.items():
        sums = np.stack([_sums(book) for book in alike.values()])  # (books, bars, 3)
        drawn = resample_sums(np.hstack(list(sums)), block=block, rule=rule).reshape(-1, *sums.shape[::2])
        for place, (name, book) in enumerate(alike.items()):
            own, resampled = (_ratios(totals, book) for totals in (sums[place].sum(axis=0), drawn[:, place]))
            found[name] = _estimates(own, resampled, rule=rule)
    return found


def equity_band(
    net: Floats, shown: npt.NDArray[np.int64], *, block: float, rule: BootstrapRule
) -> tuple[Floats, Floats]:
    """Band in which equity could have run had the same bars come in another order.

    The stationary bootstrap (Politis and Romano 1994) of the stretches between the points shown: a resample strings
    blocks of whole stretches together and adds them up. The band is pointwise: it holds equity at one time with the
    probability of the rule, not all of the path.

    Args:
        net: Net returns per bar, (bars,).
        shown: Bars at which the band is wanted, increasing; the last is the last bar.
        block: Mean length of a block in bars.
        rule: How to resample.

    Returns:
        Lower and upper end at each point shown, equity beginning at 1.
    """
    begins = np.concatenate(([0], shown[:-1] + 1))
    stretches = np.add.reduceat(net, begins)
    count = len(stretches)
    rng = np.random.default_rng(rule.seed)
    starts = rng.random((rule.replications, count)) < max(1.0, block * count / len(net)) ** -1.0
    slots = np.arange(count)
    latest = np.maximum.accumulate(np.where(starts, slots, 0), axis=1)
    drawn = np.take_along_axis(rng.integers(0, count, size=starts.shape), latest, axis=1) + slots - latest
    paths = 1.0 + stretches[drawn % count].cumsum(axis=1)
    tail = (1.0 - rule.confidence) / 2.0
    low, high = np.quantile(paths, (tail, 1.0 - tail), axis=0)
    return low, high


def _sums(book: Returns) -> Floats:
    """What the ratios are made of, per bar: centred returns, centred timing returns, and squares; (bars, 3)."""
    net = book.net - book.net.mean()
    return np.column_stack([net, book.timing - book.timing.mean(), net**2])


def _ratios(totals: Floats, book: Returns) -> Floats:
    """Both annualised ratios from sums over bars; (..., 2)."""
    n, (shift, timing, squares) = len(book.net), np.moveaxis(totals, -1, 0)
    variance = (squares - shift**2 / n) / (n - 1)
    deviation = np.sqrt(np.where(variance > 0.0, variance, np.nan))
    means = np.stack([shift / n + book.net.mean(), timing / n + book.timing.mean()], axis=-1)
    return np.asarray(means / deviation[..., None] * book.bars_per_year**0.5)


def _estimates(values: Floats, replicates: Floats, *, rule: BootstrapRule) -> dict[str, Estimate]:
    found: dict[str, Estimate] = {}
    for place, name in enumerate(("sharpe", "timing_sharpe")):
        low, high = interval(replicates[:, place], confidence=rule.confidence)
        found[name] = {"value": float(values[place]), "low": low, "high": high}
    return found
