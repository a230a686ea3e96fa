"""How long a gap is left beside a test part, and how history is cut for walk-forward."""

from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, Discriminator, Field, Tag

from assay.market.parameters import Parameters


def _whole(value: object) -> object:
    """A time is never meant by a bare number: 2.5 would silently be 2.5 seconds."""
    if not isinstance(value, int) or value < 0:
        raise ValueError("a number counts whole bars from 0; give a time as ISO 8601, e.g. P2D")
    return value


def _unit(value: object) -> str:
    return "bars" if isinstance(value, int | float) else "time"


Bars = Annotated[int, BeforeValidator(_whole), Tag("bars")]
Span = Annotated[timedelta, Field(ge=timedelta(0)), Tag("time")]
Embargo = Annotated[Bars | Span, Discriminator(_unit)]


class SplitRule(Parameters):
    """How the labelled history is cut into training parts and test folds, walk-forward.

    Attributes:
        folds: Number of test folds, equal spans of unique timestamps (they differ by one timestamp at most).
        min_train: Share of the unique timestamps before the first test fold.
        embargo: Bars (unique timestamps) or time before a test fold that no training label may reach, on top of the
            purge.
        window: Rolling training: at most this many unique timestamps, the newest whose labels are known before the
            fold; the embargo comes off them, so a longer one never brings older rows in. None: expanding.
    """

    folds: int = Field(default=5, ge=1)
    min_train: float = Field(default=0.5, gt=0, lt=1)
    embargo: Embargo = 0
    window: int | None = Field(default=None, ge=1)
