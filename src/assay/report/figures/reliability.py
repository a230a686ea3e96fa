"""Reliability of probabilities: how often a class came when it was given a probability."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from assay.market.tables import CLASS_NAMES
from assay.report.figures.canvas import LONG, MUTED, NEUTRAL, SHORT, SURFACE, THIRD, axes, draw
from assay.report.figures.intervals import value_ticks
from assay.report.format import interval, is_number, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = dict(zip(CLASS_NAMES, (SHORT, NEUTRAL, LONG), strict=True))
_ROWS_SHARE = 0.16  # height that the bars of the row counts may take


def reliability_figure(bins: Sequence[Mapping[str, Any]], *, name: str, slug: str, title: str) -> Markup:
    """Draw the share of outcomes against the probability that was given, with intervals, and the diagonal.

    Args:
        bins: Of one class: mean probability ``p``, ``share`` of outcomes with ``low`` and ``high``, ``rows``; at least
            one.
        name: The class: SHORT, NEUTRAL or LONG.
        slug: Unique on the page.
        title: Name of the model, for the description read aloud.

    Returns:
        Inline SVG.
    """
    shown = sorted(bins, key=lambda found: found["p"])
    ends = [found[end] for found in shown for end in ("p", "share", "low", "high") if is_number(found[end])]
    room = 0.06 * (max(ends) - min(ends)) or 0.02
    low, high = max(0.0, min(ends) - room), min(1.0, max(ends) + room)

    def paint(figure: "Figure") -> None:
        panel = axes(figure, margins=(52, 10, 8, 42))
        panel.set(xlim=(low, high), ylim=(low, high), xlabel="probability given", ylabel="share that came true")
        panel.grid(axis="both")
        panel.spines[["left", "bottom"]].set_visible(False)
        panel.plot([low, high], [low, high], color=MUTED, linewidth=1.2, dashes=(3, 3), zorder=2)
        _rows(panel, shown, low=low, height=_ROWS_SHARE * (high - low))
        for found in shown:
            if is_number(found["low"]) and is_number(found["high"]):
                panel.plot(
                    [found["p"]] * 2, [found["low"], found["high"]], color=_COLOURS[name], linewidth=1.6, alpha=0.7
                )
        _dots(panel, shown, _COLOURS[name])
        value_ticks(panel, "share")
        value_ticks(panel, "share", axis="y")

    return draw(paint, (THIRD, 280), slug=slug, label=f"Reliability of {title} on {name}: {_spoken(shown)}")


def _rows(panel: "Axes", bins: Sequence[Mapping[str, Any]], *, low: float, height: float) -> None:
    """Bars at the foot: how many rows each dot stands for."""
    most = max(found["rows"] for found in bins) or 1
    left, right = panel.get_xlim()
    width = 0.022 * (right - left)
    for found in bins:
        style: dict[str, Any] = {"width": width, "bottom": low, "color": MUTED, "alpha": 0.3, "linewidth": 0}
        panel.bar(found["p"], height * found["rows"] / most, **style)


def _dots(panel: "Axes", bins: Sequence[Mapping[str, Any]], colour: str) -> None:
    known = [found for found in bins if is_number(found["share"])]
    places = ([found["p"] for found in known], [found["share"] for found in known])
    panel.plot(*places, "-", color=colour, linewidth=1.0, alpha=0.45, zorder=3)
    panel.plot(*places, "o", color=colour, markersize=6.5, markeredgecolor=SURFACE, zorder=4)


def _spoken(bins: Sequence[Mapping[str, Any]]) -> str:
    said = [
        f"given {number(found['p'], 'share')}, came {number(found['share'], 'share')} "
        f"{interval(found['low'], found['high'], 'share')}".strip()
        for found in bins
    ]
    return "; ".join(said)
