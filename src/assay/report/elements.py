"""The few things a page is made of: cells, tables, figures, drawers and blocks. Text in them is never markup."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

from assay.report.format import MISSING, interval, number

Size = Literal["third", "half", "whole"]
UNDEFINED = "undefined in this run: not enough rows, no calls, or a constant forecast"


@dataclass(frozen=True)
class Cell:
    """One value of a table.

    Attributes:
        text: What is shown.
        sub: Second, quieter line, usually the interval.
        hint: Explanation on hover.
        mark: Style: ``win``, ``quiet``, ``text`` (left aligned), ``code``, or a status such as ``pass``.
        heat: Strength of the background between 0 and 1.
        link: Where the text leads to, relative to the page.
    """

    text: str
    sub: str = ""
    hint: str = ""
    mark: str = ""
    heat: float = 0.0
    link: str = ""


@dataclass(frozen=True)
class Column:
    """Heading of a column: label, quieter second line, explanation on hover, style (``text``, ``lead``, ``quiet``)."""

    label: str
    sub: str = ""
    hint: str = ""
    mark: str = ""


@dataclass(frozen=True)
class Table:
    """A table whose first cell of each row is its heading.

    Attributes:
        caption: Read aloud and shown above the table.
        columns: One per cell of a row.
        rows: Cells, row by row.
        kind: ``""`` or ``heat`` (a small matrix).
        note: A line below the table.
    """

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    kind: Literal["", "heat"] = ""
    note: str = ""


@dataclass(frozen=True)
class Figure:
    """A drawing with its words.

    Attributes:
        title: Short heading above the drawing.
        svg: The drawing.
        narrow: The same drawing for a narrow screen, if the wide one would become illegible.
        caption: A sentence below.
        size: Share of the page it takes on a wide screen.
    """

    title: str
    svg: Markup
    narrow: Markup | None = None
    caption: str = ""
    size: Size = "third"


def drawn(title: str, paint: Callable[[bool], Markup], *, caption: str = "", size: Size = "half") -> Figure:
    """Draw a figure for wide and for narrow screens; one of a third of the page only once, it is narrow anyway.

    Args:
        title: Short heading above the drawing.
        paint: Draws it; told whether for a wide screen.
        caption: A sentence below.
        size: Share of the page it takes on a wide screen.
    """
    if size == "third":
        return Figure(title, paint(False), caption=caption)
    return Figure(title, paint(True), paint(False), caption, size)


@dataclass(frozen=True)
class Drawer:
    """Detail that opens on request."""

    title: str
    tables: Sequence[Table] = ()
    figures: Sequence[Figure] = ()


@dataclass(frozen=True)
class Block:
    """One section of the page: what it is about in plain words, what the numbers say, and the numbers.

    Attributes:
        slug: Unique id on the page.
        title: Heading.
        lede: What the section shows and how to read it.
        reading: What this run's numbers say, in one or two sentences.
        figures: Drawings, side by side where there is room.
        tables: Tables below the drawings.
        more: Drawers at the end.
        tone: ``alarm`` when the reading is a warning, ``caution`` when it asks for a second look.
        badge: Outcome beside the heading: a text with the mark of a status.
    """

    slug: str
    title: str
    lede: str
    reading: str = ""
    figures: Sequence[Figure] = ()
    tables: Sequence[Table] = ()
    more: Sequence[Drawer] = ()
    tone: Literal["", "caution", "alarm"] = ""
    badge: Cell | None = None

    @property
    def empty(self) -> bool:
        """Whether there is nothing to show."""
        return not (self.figures or self.tables or self.more or self.reading)


def value_cell(value: object, unit: str = "", *, mark: str = "") -> Cell:
    """Write a value; an undefined one becomes a dash that says why on hover."""
    text = number(value, unit)
    return Cell(text, hint=UNDEFINED if text == MISSING else "", mark=mark)


def estimate_cell(estimate: object, unit: str = "", *, mark: str = "") -> Cell:
    """Write an estimate ``{"value", "low", "high"}`` with its interval below; a bare number has no interval."""
    if not isinstance(estimate, dict):
        return value_cell(estimate, unit, mark=mark)
    text = number(estimate["value"], unit)
    hint = UNDEFINED if text == MISSING else ""
    return Cell(text, interval(estimate["low"], estimate["high"], unit), hint, mark)
