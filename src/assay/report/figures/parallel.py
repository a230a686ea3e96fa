"""Parallel coordinates: which combinations of parameters scored well."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from assay.report.figures.canvas import ACCENT, INK, MUTED, RAMP, SURFACE, axes, draw
from assay.report.figures.intervals import short_number, shortened
from assay.report.format import is_number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Ticks = Sequence[tuple[float, Any]]
_STEP = 58  # pixels between two axes that lie on each other
_OPTION = 15
_LETTER = 7.2  # pixels of a letter of a name


@dataclass(frozen=True)
class Scale:
    """One axis: its name, and the places (0 to 1) of its ticks with their values."""

    name: str
    ticks: Ticks


@dataclass(frozen=True)
class Line:
    """One trial: where it crosses each axis (``None``: nowhere), its rank from 0, worst, to 1 (``None`` if pruned)."""

    places: Sequence[float | None]
    rank: float | None
    best: bool = False


def parallel_figure(scales: Sequence[Scale], lines: Sequence[Line], *, wide: bool, label: str, slug: str) -> Markup:
    """Draw a line per trial across one axis per parameter, stronger the better it scored.

    Args:
        scales: One axis each, in order; at least two.
        lines: In any order; better ones are drawn on top.
        wide: For a wide screen, axes side by side; otherwise on each other.
        label: What is shown, for readers who do not see it.
        slug: Unique on the page.

    Returns:
        Inline SVG.
    """
    size = (1040, 290) if wide else (340, 14 + _STEP * len(scales))

    def paint(figure: "Figure") -> None:
        panel = axes(figure, margins=(84, 60, 34, 12) if wide else (16, 16, 30, 24))
        panel.set_axis_off()
        last = len(scales) - 1
        panel.set(**({"xlim": (0, last), "ylim": (0, 1)} if wide else {"xlim": (0, 1), "ylim": (last, 0)}))
        _lines(panel, lines, wide=wide)
        room = (size[0] - 144) / last if wide else size[0]
        for place, scale in enumerate(scales):
            _axis(panel, place, replace(scale, name=shortened(scale.name, int(room / _LETTER))), wide=wide)

    return draw(paint, size, slug=slug, label=label)


def _lines(panel: "Axes", lines: Sequence[Line], *, wide: bool) -> None:
    """The pruned trials below, then the others, better ones on top; last the best one."""
    from matplotlib.collections import LineCollection

    paths = [(line, path) for line in lines if len(path := _path(line, wide=wide)) > 1]
    pruned = [path for line, path in paths if line.rank is None]
    style: dict[str, Any] = {"clip_on": False, "zorder": 2}
    panel.add_collection(
        LineCollection(pruned, colors=MUTED, linewidths=0.9, linestyles=(0, (2, 3)), alpha=0.4, **style)
    )
    ranked = sorted((line.rank, path) for line, path in paths if line.rank is not None and not line.best)
    shades = [RAMP[round(rank * (len(RAMP) - 1))] for rank, _ in ranked]
    widths = [1.2 + rank / 2 for rank, _ in ranked]
    panel.add_collection(LineCollection([path for _, path in ranked], colors=shades, linewidths=widths, **style))
    dots: dict[str, Any] = {"marker": "o", "markersize": 7, "markeredgecolor": SURFACE}
    for path in (path for line, path in paths if line.best):
        panel.plot(*zip(*path, strict=True), color=ACCENT, linewidth=3.2, clip_on=False, zorder=3, **dots)


def _path(line: Line, *, wide: bool) -> list[tuple[float, float]]:
    known = [(float(axis), place) for axis, place in enumerate(line.places) if is_number(place)]
    return known if wide else [(place, axis) for axis, place in known]


def _axis(panel: "Axes", place: int, scale: Scale, *, wide: bool) -> None:
    span = ([place, place], [0, 1]) if wide else ([0, 1], [place, place])
    panel.plot(*span, color=INK, linewidth=1.2, alpha=0.6, clip_on=False, zorder=4)
    ground: dict[str, Any] = {"boxstyle": "square,pad=0.12", "facecolor": SURFACE, "edgecolor": "none", "alpha": 0.85}
    style: dict[str, Any] = {"textcoords": "offset points", "fontsize": 11, "annotation_clip": False, "zorder": 6}
    for at, value in scale.ticks:
        point, shift = ((place, at), (-7, 0)) if wide else ((at, place), (0, -11))
        side: dict[str, Any] = (
            {"ha": "right"} if wide else {"ha": "left" if at < 0.1 else "right" if at > 0.9 else "center"}
        )
        panel.annotate(_written(value), point, xytext=shift, color=MUTED, va="center", bbox=ground, **side, **style)
    point, shift = ((place, 1), (0, 20)) if wide else ((0, place), (0, 12))
    ha = "center" if wide else "left"
    panel.annotate(scale.name, point, xytext=shift, color=INK, va="center", ha=ha, weight="bold", bbox=ground, **style)


def _written(value: object) -> str:
    if isinstance(value, list | tuple):
        return " · ".join(map(_written, value))
    return short_number(value, "") if is_number(value) else shortened(str(value), _OPTION)
