"""A score with its interval over the hours of the day."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from markupsafe import Markup

from assay.report.figures.canvas import ACCENT, INK, MUTED, axes, draw
from assay.report.figures.intervals import Estimate, value_ticks
from assay.report.format import interval, number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TICKS = {True: 24, False: 6}


def hour_strip(hours: Sequence[Estimate], *, overall: float | None, wide: bool, slug: str, title: str) -> Markup:
    """Draw a dot with its interval per hour; the dashed line is the value of all hours together.

    Args:
        hours: In order of the day, at least one.
        overall: Value over all hours.
        wide: For a wide screen; otherwise small.
        slug: Unique on the page.
        title: What is shown, for the description read aloud.

    Returns:
        Inline SVG.
    """

    def paint(figure: "Figure") -> None:
        panel = axes(figure, margins=(50, 10, 8, 40))
        panel.grid(axis="y")
        panel.spines[["left", "bottom"]].set_visible(False)
        panel.axhline(0, color=INK, linewidth=1, alpha=0.55, zorder=1)
        if overall is not None:
            panel.axhline(overall, color=MUTED, linewidth=1.2, dashes=(3, 3), zorder=2)
        for place, hour in enumerate(hours):
            if hour.low is not None and hour.high is not None:
                panel.plot([place] * 2, [hour.low, hour.high], color=ACCENT, linewidth=1.6, alpha=0.6)
            if hour.value is not None:
                panel.plot([place], [hour.value], "o", color=ACCENT, markersize=5.5, markeredgewidth=0, zorder=3)
        named = range(0, len(hours), -(-len(hours) // _TICKS[wide]))
        panel.set_xticks(list(named), [hours[place].label for place in named])
        panel.set_xlim(-0.7, len(hours) - 0.3)
        panel.set_xlabel("hour of the decision, UTC")
        value_ticks(panel, "", axis="y")

    said = [f"{hour.label} {number(hour.value)} {interval(hour.low, hour.high)}".rstrip() for hour in hours]
    return draw(paint, (1040, 230) if wide else (340, 210), slug=slug, label=f"{title}: " + "; ".join(said))
