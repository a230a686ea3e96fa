"""A book among those with the same trades at other times."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from assay.report.figures.canvas import ACCENT, INK, MUTED, SURFACE, THIRD, axes, draw
from assay.report.figures.intervals import shortened, value_ticks
from assay.report.format import interval, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ROW = 25


@dataclass(frozen=True)
class Among:
    """The Sharpe ratio of a book, and where those of the books moved in time lie: low, median, high."""

    label: str
    own: float
    low: float
    median: float
    high: float
    lead: bool = False


def entries_figure(books: Sequence[Among], *, wide: bool, slug: str) -> Markup:
    """Draw the range of the moved books as a bar with its median, and the book itself as a dot on it.

    Args:
        books: From top to bottom, at least one.
        wide: For a wide screen; otherwise small.
        slug: Unique on the page.

    Returns:
        Inline SVG.
    """

    def paint(figure: "Figure") -> None:
        panel = axes(figure, margins=(128, 14, 6, 26))
        panel.set_ylim(len(books) - 0.5, -0.5)
        panel.set_yticks(range(len(books)), [shortened(book.label) for book in books])
        for text, book in zip(panel.get_yticklabels(), books, strict=True):
            text.set_color(INK)
            text.set_fontweight("bold" if book.lead else "normal")
        panel.grid(axis="x")
        panel.spines[["left", "bottom"]].set_visible(False)
        for row, book in enumerate(books):
            _row(panel, row, book)
        panel.margins(x=0.06)
        value_ticks(panel, "", count=6 if wide else 4)
        low, high = panel.get_xlim()
        if low < 0 < high:
            panel.axvline(0, color=INK, linewidth=1, alpha=0.55, zorder=1)

    said = [
        f"{one.label} {number(one.own, 'ratio')}, the others {number(one.median, 'ratio')} "
        f"{interval(one.low, one.high, 'ratio')}"
        for one in books
    ]
    label = "Sharpe ratio of each book, and of books with the same trades at other times: " + "; ".join(said)
    return draw(paint, (490 if wide else THIRD, 34 + _ROW * len(books)), slug=slug, label=label)


def _row(panel: "Axes", row: int, book: Among) -> None:
    colour = ACCENT if book.lead else INK
    panel.plot([book.low, book.high], [row, row], color=MUTED, linewidth=9, alpha=0.3, zorder=2)
    panel.plot([book.median] * 2, [row - 0.22, row + 0.22], color=MUTED, linewidth=1.6, zorder=3)
    panel.plot([book.own], [row], "o", markersize=8, color=colour, markeredgecolor=SURFACE, zorder=4)
