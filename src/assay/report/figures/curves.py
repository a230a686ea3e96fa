"""Equity and drawdown after costs, and the sparkline of the first screen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from assay.report.figures.canvas import ACCENT, INK, THIRD, axes, draw
from assay.report.figures.ends import LINES, End, Part, end_labels
from assay.report.figures.intervals import value_ticks
from assay.report.figures.thin import keep_extremes
from assay.report.figures.times import days, time_ticks
from assay.report.format import interval, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DRAWN = ("time", "equity", "drawdown", "low", "high")


@dataclass(frozen=True)
class Curve:
    """Equity (1 is the start) with its band, and drawdown (0 or below), over days.

    Attributes:
        label: Whose it is.
        times: Days since 1970.
        equity: Equity at these times.
        drawdown: Drawdown at these times.
        band: Lower and upper end of where equity could have run.
        deepest: The deepest drawdown of all bars, which may lie between the times.
        part: Whose line it is.
    """

    label: str
    times: Sequence[float]
    equity: Sequence[float]
    drawdown: Sequence[float]
    band: tuple[Sequence[float], Sequence[float]]
    deepest: float | None
    part: Part

    @classmethod
    def read(cls, label: str, book: Mapping[str, Any], *, part: Part, limit: int) -> "Curve":
        """Read the curve of a book, ``{"time", "equity", "drawdown", "low", "high"}``, in at most ``limit`` points."""
        curve = book["curve"]
        kept = keep_extremes(curve["equity"], limit)
        times, equity, drawdown, low, high = ([curve[name][place] for place in kept] for name in _DRAWN)
        deepest = book["performance"]["max_drawdown"]
        return cls(label, [days(time) for time in times], equity, drawdown, (low, high), deepest, part)


def equity_figure(curves: Sequence[Curve], *, wide: bool, slug: str) -> Markup:
    """Draw equity above drawdown on one time axis, with the band of the lead.

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
            _plot(top, bottom, curve)
        _dress(top, bottom)
        time_ticks(bottom, 9 if wide else 4)
        if wide:
            ends = [(curve, number(curve.equity[-1], "ratio")) for curve in curves]
            end_labels(top, [End(f"{one.label}  {value}", one.equity[-1], one.part) for one, value in ends])

    return draw(paint, size, slug=slug, label=_spoken(curves))


def _plot(top: "Axes", bottom: "Axes", curve: Curve) -> None:
    top.plot(curve.times, curve.equity, **LINES[curve.part])
    if curve.part == "lead":  # more than one band hide each other
        top.fill_between(curve.times, *curve.band, color=ACCENT, alpha=0.13, linewidth=0, zorder=1)
    if curve.part != "other":  # as do more than two drawdowns
        bottom.plot(curve.times, curve.drawdown, **LINES[curve.part])


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


def _spoken(curves: Sequence[Curve]) -> str:
    said = [
        f"{curve.label} ends at {number(curve.equity[-1], 'ratio')}{_banded(curve)}, "
        f"deepest drawdown {number(curve.deepest, 'share')}"
        for curve in curves
    ]
    return "Equity and drawdown after costs, starting from 1: " + "; ".join(said)


def _banded(curve: Curve) -> str:
    low, high = curve.band
    return f" {interval(low[-1], high[-1], 'ratio')}" if curve.part == "lead" else ""


def sparkline(curves: Sequence[Curve], *, slug: str) -> Markup:
    """Draw equity curves without axes, for a first impression."""

    def paint(figure: "Figure") -> None:
        panel = axes(figure, margins=(4, 4, 6, 6))
        panel.set_axis_off()
        panel.axhline(1, color=INK, linewidth=1, alpha=0.3)
        for curve in curves:
            panel.plot(curve.times, curve.equity, **LINES[curve.part])
        panel.margins(x=0.01)

    return draw(paint, (THIRD, 68), slug=slug, label=_spoken(curves))
