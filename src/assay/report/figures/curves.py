"""Equity and drawdown after costs, and the sparkline of the first screen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from assay.report.figures.canvas import ACCENT, INK, MUTED, THIRD, axes, draw
from assay.report.figures.intervals import value_ticks
from assay.report.figures.thin import keep_extremes
from assay.report.figures.times import days, time_ticks
from assay.report.format import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_STYLES: dict[str, dict[str, Any]] = {
    "lead": {"color": ACCENT, "linewidth": 2.0, "zorder": 4},
    "other": {"color": INK, "linewidth": 1.1, "alpha": 0.55, "zorder": 3},
    "market": {"color": MUTED, "linewidth": 1.3, "dashes": (4, 2), "zorder": 2},
}


@dataclass(frozen=True)
class Curve:
    """Equity (1 is the start) and drawdown (0 or below) over days; its part is lead, other or market."""

    label: str
    times: Sequence[float]
    equity: Sequence[float]
    drawdown: Sequence[float]
    part: str

    @classmethod
    def read(cls, label: str, curve: Mapping[str, Sequence[Any]], *, part: str, limit: int) -> "Curve":
        """Read a curve ``{"time", "equity", "drawdown"}`` and thin it to at most ``limit`` points."""
        kept = keep_extremes(curve["equity"], limit)
        times, equity, drawdown = ([curve[name][place] for place in kept] for name in ("time", "equity", "drawdown"))
        return cls(label, [days(time) for time in times], equity, drawdown, part)


def equity_figure(curves: Sequence[Curve], *, wide: bool, slug: str) -> Markup:
    """Draw equity above drawdown on one time axis.

    Args:
        curves: In drawing order; labelled at their right end when wide.
        wide: For a wide screen, with labels; otherwise small, to be read with the legend below it.
        slug: Unique on the page.

    Returns:
        Inline SVG.
    """
    size = (1040, 380) if wide else (340, 320)
    right = 160 if wide else 10

    def paint(figure: "Figure") -> None:
        lower = 100 if wide else 90
        top = axes(figure, margins=(46, right, 8, lower + 34))
        bottom = axes(figure, margins=(46, right, size[1] - lower - 16, 24))
        for curve in curves:
            top.plot(curve.times, curve.equity, **_STYLES[curve.part])
            if curve.part != "other":  # more than two drawdowns hide each other
                bottom.plot(curve.times, curve.drawdown, **_STYLES[curve.part])
        _dress(top, bottom)
        time_ticks(bottom, 9 if wide else 4)
        if wide:
            _end_labels(top, curves)

    return draw(paint, size, slug=slug, label=_spoken(curves))


def _dress(top: "Axes", bottom: "Axes") -> None:
    for panel in (top, bottom):
        panel.grid(axis="y")
        panel.spines["left"].set_visible(False)
        panel.spines["bottom"].set_visible(False)
        panel.margins(x=0)
    top.axhline(1, color=INK, linewidth=1, alpha=0.55)
    top.tick_params(labelbottom=False)
    value_ticks(top, "", axis="y", count=6)
    value_ticks(bottom, "share", axis="y", count=3)
    bottom.set_ylim(top=0)


def _end_labels(panel: "Axes", curves: Sequence[Curve]) -> None:
    low, high = panel.get_ylim()
    heights = spread([curve.equity[-1] for curve in curves], gap=0.075 * (high - low))
    for curve, height in zip(curves, heights, strict=True):
        text = f"{curve.label}  {number(curve.equity[-1], 'ratio')}"
        colour = ACCENT if curve.part == "lead" else MUTED if curve.part == "market" else INK
        weight = "bold" if curve.part == "lead" else "normal"
        panel.annotate(
            text,
            (1, height),
            xycoords=("axes fraction", "data"),
            xytext=(10, 0),
            textcoords="offset points",
            color=colour,
            weight=weight,
            va="center",
            annotation_clip=False,
        )


def spread(values: Sequence[float], *, gap: float) -> list[float]:
    """Move values apart until neighbours are at least ``gap`` apart, keeping their order; for labels."""
    order = sorted(range(len(values)), key=lambda place: values[place])
    placed = list(values)
    for before, after in pairwise(order):
        placed[after] = max(placed[after], placed[before] + gap)
    shift = sum(new - old for new, old in zip(placed, values, strict=True)) / max(len(values), 1)
    return [place - shift for place in placed]


def _spoken(curves: Sequence[Curve]) -> str:
    said = [
        f"{curve.label} ends at {number(curve.equity[-1], 'ratio')}, "
        f"deepest drawdown {number(min(curve.drawdown), 'share')}"
        for curve in curves
    ]
    return "Equity and drawdown after costs, starting from 1: " + "; ".join(said)


def sparkline(curves: Sequence[Curve], *, slug: str) -> Markup:
    """Draw equity curves without axes, for a first impression."""

    def paint(figure: "Figure") -> None:
        panel = axes(figure, margins=(4, 4, 6, 6))
        panel.set_axis_off()
        panel.axhline(1, color=INK, linewidth=1, alpha=0.3)
        for curve in curves:
            panel.plot(curve.times, curve.equity, **_STYLES[curve.part])
        panel.margins(x=0.01)

    return draw(paint, (THIRD, 68), slug=slug, label=_spoken(curves))
