"""What a feature is, and the register that holds all of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt
import polars as pl

from assay.market.errors import ConfigurationError
from assay.market.features.entities import Array, Spans
from assay.market.features.windows import panel_columns

__all__ = ["REGISTRY", "Array", "Arrays", "Batch", "Expression", "Feature", "register"]


@dataclass(frozen=True)
class Expression:
    """A polars expression that sees the rows of one entity, oldest first.

    Attributes:
        expression: What to evaluate.
        ranked: Whether the value is then ranked among the entities at one time.
    """

    expression: pl.Expr
    ranked: bool = False

    @property
    def columns(self) -> Sequence[str]:
        """Columns of the panel that it reads, those behind its windows included."""
        return sorted(panel_columns(self.expression.meta.root_names()))


@dataclass(frozen=True)
class Arrays:
    """A function of one entity's columns as numpy arrays, without the rows where one of them is missing.

    Attributes:
        function: Takes the columns in order, returns an array of their length; NaN where undefined.
        columns: Columns that it reads.
    """

    function: Callable[..., Array]
    columns: Sequence[str]


@dataclass(frozen=True, eq=False)
class Batch:
    """One call that computes many features of all entities, e.g. a kernel that shares its walks. They hold one object.

    Attributes:
        function: Called with the columns as float64 arrays (NaN where missing), the spans of the entities and the names
            wanted; returns float32 or float64 of shape (rows, names), column-major, NaN where undefined. Only rows from
            ``firsts`` to ``stops`` count.
        columns: Columns that it reads.
    """

    function: Callable[[Mapping[str, Array], Spans, Sequence[str]], npt.NDArray[Any]]
    columns: Sequence[str]


@dataclass(frozen=True)
class Feature:
    """One column of the features table.

    Attributes:
        name: Column name.
        family: Name of the family it is chosen by.
        definition: Formula in words; with window and sources it identifies the feature.
        window: Bars of the longest window in the formula.
        unit: Unit of the values; none is a price level.
        warm_up: Rows of an entity's history before the first value. For a window: until it is full. For a recursion
            (exponential averages): until the seed weighs less than 1e-7.
        sources: Panel columns that it reads, sorted.
        reference: Paper, book or the TA-Lib function it agrees with.
        intraday: Whether it makes sense only for bars shorter than a day.
        compute: How it is computed.
        recursive: Whether a value depends on all rows before it, so that only the whole history gives it to the bit.
            Others depend on ``warm_up`` rows before theirs and on nothing older.
    """

    name: str
    family: str
    definition: str
    window: int
    unit: str
    warm_up: int
    sources: tuple[str, ...]
    reference: str
    intraday: bool
    compute: Expression | Arrays | Batch = field(compare=False, repr=False)
    recursive: bool = False

    def describe(self) -> dict[str, object]:
        """Everything about the feature except its code, ready for JSON."""
        return {
            "name": self.name,
            "family": self.family,
            "definition": self.definition,
            "window": self.window,
            "unit": self.unit,
            "warm_up": self.warm_up,
            "sources": list(self.sources),
            "reference": self.reference,
            "recursive": self.recursive,
        }


REGISTRY: dict[str, Feature] = {}


def register(feature: Feature) -> None:
    """Make a feature known by its name.

    Raises:
        ConfigurationError: The name is taken.
    """
    if feature.name in REGISTRY:
        raise ConfigurationError(
            f"feature {feature.name}",
            "is defined twice",
            found=f"in the families {REGISTRY[feature.name].family} and {feature.family}",
            do="give one of them another name",
        )
    REGISTRY[feature.name] = feature
