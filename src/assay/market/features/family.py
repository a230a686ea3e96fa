"""The decorators that family files are written with."""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial, wraps
from typing import Any, NotRequired, TypedDict, TypeVar, Unpack

import numpy as np
import polars as pl

from assay.market.errors import ConfigurationError
from assay.market.features.feature import Array, Arrays, Expression, Feature, register
from assay.market.features.universe import MARKET_SOURCES
from assay.market.features.warm_up import levels

Builder = TypeVar("Builder", bound=Callable[..., Any])


class Details(TypedDict):
    """What a family file states about a feature beside its formula.

    Attributes:
        unit: Unit of the values.
        windows: One feature per length; the builder gets the length first and the name gets it as a suffix.
        window: Longest window of a builder without ``windows``; 1 by default.
        warm_up: Rows before the first value, or a function of the window; ``levels`` by default.
        reference: Paper, book or TA-Lib function.
        intraday: Whether it makes sense only for bars shorter than a day.
        recursive: Whether a value depends on all rows before it (exponential averages); it is then always computed over
            the whole history.
    """

    unit: str
    windows: NotRequired[tuple[int, ...]]
    window: NotRequired[int]
    warm_up: NotRequired[int | Callable[[int], int]]
    reference: NotRequired[str]
    intraday: NotRequired[bool]
    recursive: NotRequired[bool]


@dataclass(frozen=True)
class Family:
    """A group of features that are switched on together.

    Each method decorates a builder. The feature is named after the builder, defined by its docstring (``{n}`` stands
    for the window), and its sources are found by looking at what it reads.

    Attributes:
        name: Name in parameters and in the catalogue.
    """

    name: str

    def expression(self, **details: Unpack[Details]) -> Callable[[Builder], Builder]:
        """Register a builder ``(n) -> pl.Expr`` that is evaluated within each entity."""

        def decorate(builder: Builder) -> Builder:
            for n, bound in _per_window(builder, details):
                self._add(builder, n, details, Expression(_built(builder, bound)))
            return builder

        return decorate

    def rank(self, **details: Unpack[Details]) -> Callable[[Builder], Builder]:
        """Register a builder ``(n) -> pl.Expr``: evaluated within each entity, then ranked among all at one time."""

        def decorate(builder: Builder) -> Builder:
            for n, bound in _per_window(builder, details):
                self._add(builder, n, details, Expression(_built(builder, bound), ranked=True))
            return builder

        return decorate

    def arrays(self, **details: Unpack[Details]) -> Callable[[Builder], Builder]:
        """Register a function ``(n, close, ...) -> array`` of one entity's columns, e.g. a TA-Lib indicator.

        It sees only rows where all its inputs exist, so a missing field costs its own row and does not poison a
        recursion; its result is put back on those rows. Prices come scaled by the power of two that brings the
        entity's first one near 1: absolute thresholds inside libraries then mean the same at any unit of the price, and
        no bit is rounded. A function that keeps running sums is ``recursive``, as many of TA-Lib's windows are.
        """

        def decorate(function: Builder) -> Builder:
            for n, bound in _per_window(function, details):
                columns = tuple(inspect.signature(bound).parameters)
                self._add(function, n, details, Arrays(_guarded(bound, _name(function, n)), columns))
            return function

        return decorate

    def _add(self, builder: Callable[..., Any], n: int | None, details: Details, compute: Expression | Arrays) -> None:
        window = details.get("window", 1) if n is None else n
        warm_up = details.get("warm_up", levels)
        register(
            Feature(
                name=_name(builder, n),
                family=self.name,
                definition=_definition(builder, window),
                window=window,
                unit=details["unit"],
                warm_up=warm_up(window) if callable(warm_up) else warm_up,
                sources=_sources(compute.columns),
                reference=details.get("reference", ""),
                intraday=details.get("intraday", False),
                compute=compute,
                recursive=details.get("recursive", False),
            )
        )


def _name(builder: Callable[..., Any], n: int | None) -> str:
    return builder.__name__ if n is None else f"{builder.__name__.rstrip('_')}_{n}"


def _per_window(builder: Callable[..., Any], details: Details) -> Iterator[tuple[int | None, Callable[..., Any]]]:
    _check(builder, details)
    if "windows" not in details:
        yield None, builder
    for n in details.get("windows", ()):
        yield n, partial(builder, n)


def _check(builder: Callable[..., Any], details: Mapping[str, Any]) -> None:
    """Refuse details that no feature can be made of."""
    thing, known, windows = f"feature {builder.__name__}", Details.__annotations__, details.get("windows", (1,))
    if unknown := sorted(details.keys() - known):
        raise ConfigurationError(
            thing, f"has an unknown detail {', '.join(unknown)}", expected=f"some of {', '.join(known)}"
        )
    if "unit" not in details:
        raise ConfigurationError(thing, "has no unit", do='name the unit of its values, e.g. unit="ratio"')
    if not isinstance(windows, tuple | list) or not windows:
        raise ConfigurationError(thing, "has no list of windows", expected="e.g. windows=(10, 20)", found=windows)
    if "windows" not in details and "n" in inspect.signature(builder).parameters:
        raise ConfigurationError(thing, "takes a window and is given none", expected="e.g. windows=(10, 20)")


def _built(builder: Callable[..., Any], bound: Callable[[], Any]) -> pl.Expr:
    expression = bound()
    if not isinstance(expression, pl.Expr):
        raise ConfigurationError(
            f"feature {builder.__name__}",
            "is no polars expression",
            expected="a function that returns a pl.Expr",
            found=type(expression).__name__,
            do="return the expression; a function of arrays is decorated with `arrays`",
        )
    return expression


def _guarded(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """The function, whose errors name the feature: among hundreds nobody would find it."""

    @wraps(function)
    def call(*columns: Array) -> Array:
        try:
            values: Array = function(*columns)
        except Exception as error:
            error.add_note(f"while computing the feature {name}")
            raise
        if np.shape(values) != np.shape(columns[0]):
            raise ConfigurationError(
                f"feature {name}",
                "does not return one value per row",
                expected=f"an array of shape {np.shape(columns[0])}, NaN where undefined",
                found=f"shape {np.shape(values)}",
            )
        return values

    return call


def _sources(columns: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({source for column in columns for source in MARKET_SOURCES.get(column, (column,))}))


def _definition(builder: Callable[..., Any], window: int) -> str:
    words = inspect.getdoc(builder)
    if not words:
        raise ConfigurationError(
            f"feature {builder.__name__}", "has no definition", do="write its formula in words as docstring"
        )
    try:
        return " ".join(words.split()).rstrip(".").format(n=window)
    except (KeyError, IndexError, ValueError) as error:
        raise ConfigurationError(
            f"feature {builder.__name__}",
            "has a definition with unknown braces",
            expected="{n} for the window, {{ and }} for braces",
            found=" ".join(words.split()),
        ) from error
