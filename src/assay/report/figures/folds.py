"""One metric over the folds: does the skill last, or does it come from one stretch of time?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from assay.report.figures.canvas import ACCENT, INK, MUTED, SURFACE, THIRD, axes, draw
from assay.report.figures.intervals import value_ticks
from assay.report.format import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class FoldSeries:
    """The values of one model over the folds (``None`` where undefined)."""

    label: str
    values: Sequence[float | None]
    role: str = "model"
    lead: bool = False


def fold_strip(series: Sequence[FoldSeries], folds: Sequence[int], *, unit: str, slug: str, title: str) -> Markup:
    """Draw the values of each model over the folds: the lead as a line, others as dots, baselines hollow.

    Args:
        series: One per model, values in the order of ``folds``.
        folds: Fold numbers.
        unit: Unit of the values.
        slug: Unique on the page.
        title: Name of the metric, for the description read aloud.

    Returns:
        Inline SVG.
    """

    def paint(figure: "Figure") -> None:
        panel = axes(figure, margins=(50, 8, 8, 42))
        panel.grid(axis="y")
        panel.spines[["left", "bottom"]].set_visible(False)
        panel.set_xticks(range(len(folds)), [str(fold) for fold in folds])
        panel.set_xlim(-0.5, len(folds) - 0.5)
        for place, one in enumerate(series):
            _points(panel, one, offset=0.0 if one.lead else 0.09 * (place - (len(series) - 1) / 2))
        value_ticks(panel, unit, axis="y")
        panel.set_xlabel("fold")
        low, high = panel.get_ylim()
        if low < 0 < high:
            panel.axhline(0, color=INK, linewidth=1, alpha=0.55, zorder=1)

    return draw(paint, (THIRD, 190), slug=slug, label=_spoken(series, folds, unit, title))


def _points(panel: "Axes", one: FoldSeries, *, offset: float) -> None:
    known = [(place + offset, value) for place, value in enumerate(one.values) if value is not None]
    if not known:
        return
    places, values = zip(*known, strict=True)
    colour = ACCENT if one.lead else INK if one.role == "model" else MUTED
    face = colour if one.role == "model" else SURFACE
    if one.lead:
        panel.plot(places, values, color=ACCENT, linewidth=1.8, zorder=3)
    size = 7 if one.lead else 4.5
    alpha = 1.0 if one.lead else 0.75
    panel.plot(places, values, "o", markersize=size, color=face, markeredgecolor=colour, alpha=alpha, zorder=4)


def _spoken(series: Sequence[FoldSeries], folds: Sequence[int], unit: str, title: str) -> str:
    lead = [one for one in series if one.lead] or series[:1]
    said = [f"fold {fold} {number(value, unit)}" for one in lead for fold, value in zip(folds, one.values, strict=True)]
    return f"{title} per fold, {lead[0].label if lead else 'no model'}: " + ", ".join(said)
