"""An estimate from run to run, oldest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from assay.report.figures.canvas import ACCENT, INK, MUTED, axes, draw
from assay.report.figures.intervals import value_ticks
from assay.report.format import interval, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_TICKS = 6


@dataclass(frozen=True)
class Moment:
    """The estimate of one run: a short name of the run, the value, its interval; None where undefined."""

    label: str
    value: float | None
    low: float | None
    high: float | None


def trend_figure(moments: Sequence[Moment], *, unit: str, slug: str, title: str) -> Markup:
    """Draw one dot with its interval per run, the newest marked.

    Args:
        moments: Oldest first.
        unit: Unit of the values.
        slug: Unique on the page.
        title: What is shown, for the description read aloud.

    Returns:
        Inline SVG.
    """

    def paint(figure: "Figure") -> None:
        panel = axes(figure, margins=(52, 12, 8, 26))
        panel.set_xlim(-0.5, len(moments) - 0.5)
        panel.grid(axis="y")
        panel.axhline(0, color=INK, linewidth=1, alpha=0.55, zorder=1)
        for place, moment in enumerate(moments):
            _dot(panel, place, moment, newest=place == len(moments) - 1)
        _dress(panel, moments, unit)

    return draw(paint, (500, 190), slug=slug, label=_spoken(moments, unit, title))


def _dot(panel: "Axes", place: int, moment: Moment, *, newest: bool) -> None:
    colour = ACCENT if newest else MUTED
    if moment.low is not None and moment.high is not None:
        panel.plot([place, place], [moment.low, moment.high], color=colour, linewidth=2, alpha=0.75, zorder=2)
    if moment.value is not None:
        panel.plot([place], [moment.value], "o", markersize=8 if newest else 6, color=colour, zorder=3)


def _dress(panel: "Axes", moments: Sequence[Moment], unit: str) -> None:
    for side in ("left", "bottom"):
        panel.spines[side].set_visible(False)
    step = max(1, -(-len(moments) // _TICKS))
    shown = range((len(moments) - 1) % step, len(moments), step)  # the newest is always named
    panel.set_xticks(list(shown), [moments[place].label for place in shown])
    value_ticks(panel, unit, axis="y")


def _spoken(moments: Sequence[Moment], unit: str, title: str) -> str:
    said = [f"{m.label} {number(m.value, unit)} {interval(m.low, m.high, unit)}".strip() for m in moments]
    return f"{title}, oldest run first: " + "; ".join(said)
