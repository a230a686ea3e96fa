"""From the sums over a window to its moments, its line and its correlation.

Sums are pivoted: they add up differences from the window's newest value, which keeps them exact on flat windows and
free of cancellation at any level of the values. In a window of n rows, lag i runs from 0 (newest) to n - 1; d and e are
the differences of the values and of the others from their newest:

- ``total`` is the plain sum of the values, ``first`` to ``fourth`` are the sums of the powers of d, ``lagged`` of i d;
- ``other_first`` and ``other_second`` are the sums of the powers of e, ``product`` of d e;
- ``distance`` is the sum of how far the values lie from the newest of the others.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from assay.market.features.entities import Array

FLAT = 1e-9  # spread of a window, as a share of its mean, below which it is rounding noise


@dataclass(frozen=True)
class Sums:
    """Sums over windows of one length, one value per row.

    Attributes:
        values: The newest value of each window.
        others: The newest of the second series; the values again where there is none.
        length: Rows per window.
        of: The sums by name.
    """

    values: Array
    others: Array
    length: int
    of: Mapping[str, Array]


Formula: TypeAlias = Callable[[Sums, int], Array]  # the number is the ddof


@dataclass(frozen=True)
class Verb:
    """What is said about a window.

    Attributes:
        sums: Names of the sums that the formula reads.
        formula: Takes the sums and the ``ddof``.
    """

    sums: tuple[str, ...]
    formula: Formula


def _mean(sums: Sums, _: int = 0) -> Array:
    return sums.values + sums.of["first"] / sums.length


def _variance(sums: Sums, ddof: int) -> Array:
    spread = sums.of["second"] - sums.of["first"] ** 2 / sums.length
    return np.maximum(spread, 0) / (sums.length - ddof)


def _deviation(sums: Sums, ddof: int) -> Array:
    spread = np.sqrt(_variance(sums, ddof))
    return np.where(spread > FLAT * np.abs(_mean(sums)), spread, np.nan)


def _skewness(sums: Sums, _: int) -> Array:
    first, second, third = (sums.of[name] / sums.length for name in ("first", "second", "third"))
    spread = _deviation(sums, 0)
    return (third - first * (3 * second - 2 * first**2)) / (spread**2 * spread)


def _kurtosis(sums: Sums, _: int) -> Array:
    first, second, third, fourth = (sums.of[name] / sums.length for name in ("first", "second", "third", "fourth"))
    centred = fourth - first * (4 * third - first * (6 * second - 3 * first**2))
    return centred / (_deviation(sums, 0) ** 2) ** 2 - 3


def _covariance(sums: Sums, ddof: int) -> Array:
    together = sums.of["product"] - sums.of["first"] * sums.of["other_first"] / sums.length
    return together / (sums.length - ddof)


def _correlation(sums: Sums, _: int) -> Array:
    others = Sums(
        sums.others, sums.others, sums.length, {name: sums.of[f"other_{name}"] for name in ("first", "second")}
    )
    return np.clip(_covariance(sums, 0) / (_deviation(sums, 0) * _deviation(others, 0)), -1, 1)


def _slope(sums: Sums, _: int = 0) -> Array:
    n = sums.length
    return ((n - 1) / 2 * sums.of["first"] - sums.of["lagged"]) / (n * (n * n - 1) / 12)


def _r_squared(sums: Sums, _: int) -> Array:
    n = sums.length
    explained: Array = (_slope(sums) / _deviation(sums, 0)) ** 2 * ((n * n - 1) / 12)
    return np.minimum(explained, 1)


def _linear_mean(sums: Sums, _: int) -> Array:
    n = sums.length
    return sums.values + (n * sums.of["first"] - sums.of["lagged"]) / (n * (n + 1) / 2)


VERBS = {
    "mean": Verb(("first",), _mean),
    "total": Verb(("total",), lambda sums, _: sums.of["total"]),
    "variance": Verb(("first", "second"), _variance),
    "deviation": Verb(("first", "second"), _deviation),
    "skewness": Verb(("first", "second", "third"), _skewness),
    "kurtosis": Verb(("first", "second", "third", "fourth"), _kurtosis),
    "covariance": Verb(("first", "other_first", "product"), _covariance),
    "correlation": Verb(("first", "second", "other_first", "other_second", "product"), _correlation),
    "slope": Verb(("first", "lagged"), _slope),
    "r_squared": Verb(("first", "second", "lagged"), _r_squared),
    "linear_mean": Verb(("first", "lagged"), _linear_mean),
    "absolute_deviation": Verb(("distance",), lambda sums, _: sums.of["distance"] / sums.length),
}
