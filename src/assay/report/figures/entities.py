"""What each entity earned, beside holding it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from assay.report.figures.canvas import ACCENT, INK, MUTED, SURFACE, THIRD, axes, draw
from assay.report.figures.intervals import shortened, value_ticks
from assay.report.format import number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ROW = 25


@dataclass(frozen=True)
class Earned:
    """Net return of one entity: what the model made of it, and what holding it made."""

    label: str
    ret: float
    held: float


def entity_figure(entities: Sequence[Earned], *, wide: bool, slug: str, title: str) -> Markup:
    """Draw two dots per entity: filled the model, hollow holding it.

    Args:
        entities: From top to bottom, at least one.
        wide: For a wide screen; otherwise small.
        slug: Unique on the page.
        title: What is shown, for the description read aloud.

    Returns:
        Inline SVG.
    """

    def paint(figure: "Figure") -> None:
        panel = axes(figure, margins=(100, 18, 6, 26))
        panel.set_ylim(len(entities) - 0.5, -0.5)
        panel.set_yticks(range(len(entities)), [shortened(one.label, 15) for one in entities])
        panel.tick_params(axis="y", labelcolor=INK)
        panel.grid(axis="x")
        panel.spines[["left", "bottom"]].set_visible(False)
        panel.axvline(0, color=INK, linewidth=1, alpha=0.55, zorder=1)
        for row, one in enumerate(entities):
            panel.plot([one.ret, one.held], [row, row], color=MUTED, linewidth=1.2, alpha=0.5, zorder=2)
        rows = range(len(entities))
        held, earned = [one.held for one in entities], [one.ret for one in entities]
        panel.plot(held, rows, "o", markersize=7, color=SURFACE, markeredgecolor=MUTED, markeredgewidth=1.6, zorder=3)
        panel.plot(earned, rows, "o", markersize=7.5, color=ACCENT, markeredgecolor=SURFACE, zorder=4)
        panel.margins(x=0.06)
        value_ticks(panel, "share", count=6 if wide else 4)

    said = [f"{one.label} {number(one.ret, 'share')}, held {number(one.held, 'share')}" for one in entities]
    size = (490 if wide else THIRD, 34 + _ROW * len(entities))
    return draw(paint, size, slug=slug, label=f"{title}: " + "; ".join(said))
