"""Coverage of prediction intervals over time, against what they promise."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from assay.report.figures.canvas import ACCENT, BAD, MUTED, axes, draw
from assay.report.figures.intervals import value_ticks
from assay.report.format import is_number, number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TICKS = {True: 12, False: 4}


def short_of(found: Mapping[str, Any], nominal: float) -> bool:
    """Whether the interval of a coverage lies wholly below what was promised."""
    return is_number(found["high"]) and found["high"] < nominal


def coverage_strip(periods: Sequence[Mapping[str, Any]], *, nominal: float, wide: bool, slug: str) -> Markup:
    """Draw coverage with its interval per period; the dashed line is what was promised.

    Args:
        periods: ``name``, ``rows``, ``coverage``, ``low``, ``high`` in order of time, at least one.
        nominal: The coverage promised.
        wide: For a wide screen; otherwise small.
        slug: Unique on the page.

    Returns:
        Inline SVG.
    """

    def paint(figure: "Figure") -> None:
        panel = axes(figure, margins=(50, 10, 8, 26))
        panel.grid(axis="y")
        panel.spines[["left", "bottom"]].set_visible(False)
        panel.axhline(nominal, color=MUTED, linewidth=1.2, dashes=(3, 3), zorder=2)
        for place, found in enumerate(periods):
            colour = BAD if short_of(found, nominal) else ACCENT
            if is_number(found["low"]) and is_number(found["high"]):
                panel.plot([place] * 2, [found["low"], found["high"]], color=colour, linewidth=1.4, alpha=0.6)
            if is_number(found["coverage"]):
                panel.plot([place], [found["coverage"]], "o", color=colour, markersize=4.5, markeredgewidth=0, zorder=3)
        step = -(-len(periods) // _TICKS[wide])
        named = range(0, len(periods), step)
        panel.set_xticks(list(named), [str(periods[place]["name"]) for place in named])
        panel.set_xlim(-0.7, len(periods) - 0.3)
        panel.set_ylim(top=min(1.02, panel.get_ylim()[1]))
        value_ticks(panel, "share", axis="y")

    return draw(paint, (1040, 220) if wide else (340, 190), slug=slug, label=_spoken(periods, nominal))


def _spoken(periods: Sequence[Mapping[str, Any]], nominal: float) -> str:
    known = [found for found in periods if is_number(found["coverage"])]
    low, high = (pick(known, key=lambda found: found["coverage"]) for pick in (min, max)) if known else ({}, {})
    ends = "; ".join(f"{found['name']} {number(found['coverage'], 'share')}" for found in (low, high) if found)
    few = sum(short_of(found, nominal) for found in periods)
    promised = number(nominal, "share")
    return f"Coverage in {len(periods)} periods, promised {promised}; lowest and highest: {ends}; {few} fall short"
