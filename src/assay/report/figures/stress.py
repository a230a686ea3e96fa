"""What is left of a Sharpe ratio when trading costs more."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from assay.report.figures.canvas import ACCENT, INK, MUTED, SURFACE, axes, draw
from assay.report.figures.ends import LINES, End, Part, end_labels
from assay.report.figures.intervals import short_number, value_ticks
from assay.report.format import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Stressed:
    """The Sharpe ratio of a book at multiples of its trading costs, and the multiple at which nothing is left.

    Attributes:
        label: Whose it is.
        multiples: Multiples of the costs, increasing, at least one.
        sharpes: Sharpe ratio at each.
        break_even: Multiple at which the book ends where it began; None: at none.
        part: Whose line it is.
    """

    label: str
    multiples: Sequence[float]
    sharpes: Sequence[float]
    break_even: float | None
    part: Part


def times(multiple: float) -> str:
    """Write a multiple of the costs, such as ``2.5×``."""
    return f"{short_number(round(multiple, 1), '')}×"


def stress_figure(books: Sequence[Stressed], *, wide: bool, slug: str) -> Markup:
    """Draw the Sharpe ratio against multiples of the costs; the break-even point of the lead is marked.

    Args:
        books: In drawing order, the lead last; at least one.
        wide: For a wide screen, with labels at the right end; otherwise small.
        slug: Unique on the page.

    Returns:
        Inline SVG.
    """

    def paint(figure: "Figure") -> None:
        panel = axes(figure, margins=(40, 124 if wide else 10, 8, 42))
        panel.grid(axis="y")
        panel.spines[["left", "bottom"]].set_visible(False)
        panel.axvline(1, color=MUTED, linewidth=1.2, dashes=(3, 3), zorder=1)
        for book in books:
            panel.plot(book.multiples, book.sharpes, marker="o", markersize=3.5, clip_on=False, **LINES[book.part])
        panel.axhline(0, color=INK, linewidth=1, alpha=0.55, zorder=1)
        panel.set_xlim(books[-1].multiples[0], books[-1].multiples[-1])
        panel.margins(y=0.12)
        panel.set_xlabel("times the trading costs")
        value_ticks(panel, "", axis="y", count=5)
        value_ticks(panel, "", count=6)
        _break_even(panel, books[-1])
        if wide:
            end_labels(panel, [End(one.label, one.sharpes[-1], one.part) for one in books])

    label = "Sharpe ratio after a multiple of the trading costs: " + "; ".join(map(_said, books))
    return draw(paint, (490, 280) if wide else (308, 250), slug=slug, label=label)


def _break_even(panel: "Axes", book: Stressed) -> None:
    """A diamond where nothing is left, or an arrow towards it where it lies beyond the drawing."""
    if book.break_even is None or book.break_even < book.multiples[0]:
        return
    last = book.multiples[-1]
    beyond = book.break_even > last
    text = f"breaks even at {times(book.break_even)}"
    style: dict[str, Any] = {"color": ACCENT, "weight": "bold", "va": "bottom"}
    right = beyond or book.break_even > (book.multiples[0] + last) / 2
    place = (last, 0.0) if beyond else (book.break_even, 0.0)
    panel.annotate(
        f"{text} →" if beyond else text,
        place,
        xytext=(-6 if right else 6, 6),
        textcoords="offset points",
        ha="right" if right else "left",
        **style,
    )
    if not beyond:
        panel.plot(*place, "D", markersize=7, color=ACCENT, markeredgecolor=SURFACE, zorder=6, clip_on=False)


def _said(book: Stressed) -> str:
    pairs = zip(book.multiples, book.sharpes, strict=True)
    values = ", ".join(f"{number(sharpe, 'ratio')} at {times(multiple)}" for multiple, sharpe in pairs)
    even = "" if book.break_even is None else f", breaks even at {times(book.break_even)}"
    return f"{book.label} {values}{even}"
