"""What all kinds of labels share: their parameters, and what a kind has to say about every row."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import NoneType
from typing import Any, ClassVar, Self, get_args

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import Field, model_validator

from assay.market.execution import Execution
from assay.market.parameters import Parameters

Floats = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Sides = npt.NDArray[np.int8]

BEYOND = -1  # row number of a bar that the data do not hold


@dataclass(frozen=True)
class Outcomes:
    """What became of the decision of each row, before any threshold and before the causes against a label.

    Attributes:
        start: Time from which on the outcome counts.
        end: Row whose close makes the outcome known; ``BEYOND`` where the data end before.
        forward_return: Simple return; NaN where a value it needs is missing.
        side: -1, 0 or 1.
        strength: A side counts where ``strength > threshold * unit``.
        unit: See ``strength``.
        details: More values by row, for the manifest.
    """

    start: pl.Series
    end: Index
    forward_return: Floats
    side: Sides
    strength: Floats
    unit: Floats
    details: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)


class KindRule(Parameters):
    """Parameters that every kind of label has.

    Attributes:
        kind: Name of the kind, the discriminator of ``LabelRule``.
        volatility_span: Span of the exponentially weighted standard deviation ``sigma_t`` of one-bar log changes. It
            ends at t and is defined from a quarter of the span on (at least 2 changes).
        max_gap: A label never spans two consecutive bars that are further apart than this.
    """

    kind: str
    volatility_span: int = Field(default=100, ge=2)
    max_gap: timedelta = Field(gt=timedelta(0))

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, given: Any) -> Any:  # noqa: ANN401
        """Null takes away what the base configuration says: it is the default then, or no parameter of this kind."""
        if not isinstance(given, Mapping):
            return given
        nullable = {name for name, field in cls.model_fields.items() if NoneType in get_args(field.annotation)}
        return {name: value for name, value in given.items() if value is not None or name in nullable}

    fills: ClassVar[bool] = True  # whether a label is a position that the execution opens

    @property
    def longest(self) -> int:
        """Most bars that an outcome spans."""
        raise NotImplementedError

    def reach(self, execution: Execution) -> int:
        """Most bars from the decision to the end of its label."""
        return self.longest + (execution.delay if self.fills else 0)

    def target_of(self, execution: Execution) -> str:
        """Column of the panel whose change is the outcome."""
        return execution.price

    def absent(self, panel: pl.DataFrame) -> str | None:  # noqa: ARG002
        """Why these data cannot be labelled, where that is no error; else None."""
        return None

    def reads(self, execution: Execution) -> tuple[str, ...]:
        """Columns of the panel, the first of which sigma is measured on."""
        return ("close", execution.price)

    def outcomes(self, market: "Market", execution: Execution) -> Outcomes:
        """What became of the decision of each row."""
        raise NotImplementedError

    def told(self, outcomes: Outcomes, kept: Mask) -> dict[str, Any]:  # noqa: ARG002
        """What the manifest says about this kind only, over the labelled rows ``kept``."""
        return {}


class ThresholdRule(KindRule):
    """Parameters of kinds whose small outcomes are NEUTRAL.

    Attributes:
        threshold: What an outcome must exceed, in the unit of the kind: a fixed number.
        neutral_share: Instead of ``threshold``: the share of rows that shall be NEUTRAL. The number is estimated once,
            on rows whose label was known before the first test fold, and is the same in all folds.
    """

    threshold: float = Field(default=0.5, ge=0, allow_inf_nan=False)
    neutral_share: float | None = Field(default=None, gt=0, lt=1)

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if self.neutral_share is not None and "threshold" in self.model_fields_set:
            raise ValueError("give threshold (a fixed number) or neutral_share (then it is estimated), not both")
        return self


@dataclass(frozen=True)
class Market:
    """The rows of a panel as arrays, and how to walk from one to a later one of the same entity.

    Attributes:
        panel: Rows sorted by entity and time.
        stop: For each row the row after the last one of its entity.
        gaps: Gaps so far: ``gaps[b] - gaps[a]`` of them lie in (a, b].
        jumps: Flagged bars so far, likewise.
        scale: ``sigma_t * sqrt(longest)``, known at t; null where undefined.
    """

    panel: pl.DataFrame
    stop: Index
    gaps: Index
    jumps: Index
    scale: pl.Series

    @classmethod
    def of(cls, panel: pl.DataFrame, rule: KindRule, *, measured: str) -> Self:
        """Prepare a panel for one kind of label; ``measured`` is the column of sigma."""
        gap = (pl.col("time").diff() > rule.max_gap).fill_null(value=False).over("entity")
        marked = panel.select("entity", "jump", gap.alias("gap"), pl.col(measured).cast(pl.Float64).alias("value"))
        lengths = panel["entity"].rle().struct.field("len").to_numpy()
        return cls(
            panel=panel,
            stop=np.repeat(np.cumsum(lengths, dtype=np.int64), lengths),
            gaps=marked["gap"].cum_sum().cast(pl.Int64).to_numpy(),
            jumps=marked["jump"].cum_sum().cast(pl.Int64).to_numpy(),
            scale=_sigma(marked, rule.volatility_span) * rule.longest**0.5,
        )

    def ahead(self, bars: int) -> Index:
        """The row that lies ``bars`` bars later; ``BEYOND`` after the last bar of the entity."""
        later = np.arange(len(self.stop)) + bars
        return np.where(later < self.stop, later, BEYOND)

    def values(self, column: str) -> Floats:
        """A column as numbers, NaN where null."""
        return self.panel[column].cast(pl.Float64).to_numpy()

    def times(self, rows: Index) -> pl.Series:
        """Times of rows, null for ``BEYOND``."""
        return self.panel["time"].gather(pl.Series(rows).replace(BEYOND, None))


def pick(values: Floats, rows: Index) -> Floats:
    """Values of rows, NaN for ``BEYOND``."""
    return np.append(values, np.nan)[rows]


def _sigma(marked: pl.DataFrame, span: int) -> pl.Series:
    # Changes that are no move of one bar would blow sigma up for a whole span: they are left out.
    value = pl.when(pl.col("value") > 0).then("value")
    move = pl.when(~pl.col("gap") & ~pl.col("jump")).then(value.log().diff())
    sigma = move.ewm_std(span=span, min_samples=max(2, span // 4), ignore_nulls=True).forward_fill()
    return marked.select(sigma.over("entity").alias("scale")).to_series()
