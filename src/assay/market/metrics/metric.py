"""What a metric is, and the arithmetic they share. Shapes broadcast over resamples."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from assay.market.metrics.forecasts import Array
from assay.market.metrics.statistics import Sums

# A variance this small against its raw square is rounding, not variation.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Metric:
    """One metric, told to the reader and computed from sums.

    Attributes:
        name: Key in evaluations.
        label: Short name for tables.
        better: Which way is better. Coverage is marked ``higher``; it says how often, not how well.
        unit: ``share`` (0 to 1), ``coefficient``, ``nats``, ``return`` or ``return squared``.
        definition: One sentence for the reader.
        value: Sums of shape (...) to the metric of shape (...), NaN where undefined.
        carried_by: The sum that says how much a row adds: all rows alike (``n``), or those that are called or scored
            high. An interval from a metric that a few blocks of time carry is wider.
    """

    name: str
    label: str
    better: Literal["higher", "lower"]
    unit: str
    definition: str
    value: Callable[[Sums], Array]
    carried_by: str = "n"

    @property
    def about_direction(self) -> bool:
        """Whether it rests on what was called or scored, and not on how wild the market was."""
        return self.carried_by != "n"

    @property
    def limits(self) -> tuple[float, float]:
        """The least and the most that it can be; infinite unless it is a share."""
        return (0.0, 1.0) if self.unit == "share" else (-math.inf, math.inf)

    def sums_in(self, sums: Sums) -> frozenset[str]:
        """Names of the sums that the metric reads, its carrier among them; ``sums`` is any example of them."""
        read = _Read(sums)
        with np.errstate(all="ignore"):
            self.value(read)
        return frozenset(read.names | {self.carried_by})


class _Read(dict[str, Array]):
    """Sums that remember which of them were asked for."""

    def __init__(self, sums: Sums) -> None:
        super().__init__(sums)
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> Array:
        self.names.add(name)
        return super().__getitem__(name)


def ratio(top: Array, bottom: Array) -> Array:
    """``top / bottom``, NaN where the bottom is zero."""
    top, bottom = np.broadcast_arrays(np.asarray(top, dtype=np.float64), np.asarray(bottom, dtype=np.float64))
    quotient: Array = np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom != 0)
    return quotient


def correlation(prefix: str = "") -> Callable[[Sums], Array]:
    """Pearson correlation from the moments with this prefix; NaN where either side is constant."""

    def value(sums: Sums) -> Array:
        n, s, r = sums["n"], sums[f"{prefix}s"], sums[f"{prefix}r"]
        ss, rr = n * sums[f"{prefix}ss"], n * sums[f"{prefix}rr"]
        spread_s, spread_r = ss - s**2, rr - r**2
        varies = (spread_s > ROUNDING * ss) & (spread_r > ROUNDING * rr)
        scale = np.sqrt(np.where(varies, spread_s * spread_r, 0.0))
        return ratio(n * sums[f"{prefix}sr"] - s * r, scale)

    return value


def share(top: str, bottom: str) -> Callable[[Sums], Array]:
    """Quotient of two sums, NaN where the lower one is zero."""
    return lambda sums: ratio(sums[top], sums[bottom])
