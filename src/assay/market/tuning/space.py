"""The search space of a model: what Optuna draws from, how choices are stored, and the grid."""

import json
from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from assay.market.models.base import Choice, ModelRule, Range

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Values = dict[str, Any]


def distributions(params: ModelRule) -> "dict[str, BaseDistribution]":
    """What Optuna draws from, by parameter in alphabetical order."""
    return {name: _distribution(params, name) for name in sorted(params.search)}


def stored(params: ModelRule, values: Mapping[str, Any]) -> Values:
    """Values as a study stores them: those of a choice as JSON, for Optuna keeps no lists."""
    return {
        name: json.dumps(value) if isinstance(params.search[name], Choice) else value for name, value in values.items()
    }


def told(params: ModelRule, values: Mapping[str, Any]) -> Values:
    """Values as parameters take them; the inverse of `stored`, tuples as lists."""
    return {
        name: json.loads(value) if isinstance(params.search[name], Choice) else value for name, value in values.items()
    }


def untuned(params: ModelRule) -> Values:
    """The present values of the searched parameters, as a study stores them."""
    return stored(params, {name: getattr(params, name) for name in sorted(params.search)})


def grid(params: ModelRule, points: int, *, seed: int) -> list[Values]:
    """All combinations but the untuned one, in an order that the seed decides: any first part is spread out.

    Args:
        params: Parameters with their ranges and choices.
        points: Values per range, evenly spread, on a logarithmic scale where the range is; fewer where whole numbers
            coincide.
        seed: Seed of the order.

    Returns:
        Values as a study stores them.
    """
    axes = {name: _axis(params, name, points) for name in sorted(params.search)}
    shape, first = [len(axis) for axis in axes.values()], untuned(params)
    order = np.random.default_rng(seed).permutation(prod(shape))
    cells = zip(*np.unravel_index(order, shape), strict=True)
    combined = ({name: axis[at] for (name, axis), at in zip(axes.items(), cell, strict=True)} for cell in cells)
    return [values for values in combined if values != first]


def _distribution(params: ModelRule, name: str) -> "BaseDistribution":
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    span = params.search[name]
    if isinstance(span, Choice):
        return CategoricalDistribution([json.dumps(option) for option in span.options])
    if params.is_integer(name):
        return IntDistribution(int(span.low), int(span.high), log=span.log)
    return FloatDistribution(span.low, span.high, log=span.log)


def _axis(params: ModelRule, name: str, points: int) -> list[Any]:
    span = params.search[name]
    if isinstance(span, Choice):
        return [json.dumps(option) for option in span.options]
    values = _spread(span, points)
    if params.is_integer(name):
        return sorted({round(value) for value in values})
    return values


def _spread(span: Range, points: int) -> list[float]:
    values = (np.geomspace if span.log else np.linspace)(span.low, span.high, points)
    return [float(value) for value in np.clip(values, span.low, span.high)]
