"""What the features added to the answers, row by row."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup

from assay.report.figures.canvas import INK, LINE, axes, draw
from assay.report.figures.intervals import value_ticks
from assay.report.figures.shap_points import Cloud, Values, shade_key, shaded_dots, tinted
from assay.report.figures.shap_words import cut

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ROW = 30
_OUTER = 0.002  # share of the rows on either side that may lie outside


def beeswarm_figure(clouds: Sequence[Cloud], *, axis: str, unit: str, wide: bool, slug: str) -> Markup:
    """Draw a row of dots per feature: across, what it added to the answer; colour, the feature's value.

    Args:
        clouds: From top to bottom.
        axis: What lies across, in words.
        unit: Unit of the SHAP values, as for ``number``.
        wide: For a wide screen; otherwise small.
        slug: Unique on the page.

    Returns:
        Inline SVG.
    """
    size = (1040 if wide else 340, 74 + _ROW * len(clouds))
    left, dot = (210, 4.6) if wide else (146, 3.4)
    low, high = _limits(clouds)
    width = size[0] - left - 14

    def paint(figure: "Figure") -> None:
        panel = axes(figure, margins=(left, 14, 24, 50))
        panel.set(xlim=(low, high), ylim=(len(clouds) - 0.5, -0.5))
        panel.set_xlabel(axis, loc="center" if wide else "right")
        panel.set_yticks(range(len(clouds)), [cut(cloud.feature, 30 if wide else 21) for cloud in clouds])
        panel.tick_params(axis="y", labelcolor=INK)
        panel.spines[["left", "bottom"]].set_visible(False)
        panel.grid(axis="x")
        panel.hlines(range(len(clouds)), low, high, color=LINE, linewidth=0.6, zorder=0.5)
        panel.axvline(0, color=INK, linewidth=1, alpha=0.55, zorder=1)
        for row, cloud in enumerate(clouds):
            x = np.clip(cloud.shap, low, high)
            offsets = swarm((x - low) / (high - low) * width, dot, most=0.44 * _ROW)
            shaded_dots(panel, x, row + offsets / _ROW, shades=cloud.shades, size=dot)
        value_ticks(panel, unit, count=8 if wide else 4)
        shade_key(panel, narrow=not wide)

    return tinted(draw(paint, size, slug=slug, label=_spoken(clouds)))


def swarm(places: Values, width: float, *, most: float) -> Values:
    """Move dots that would cover each other off their line, in turn to either side.

    Args:
        places: Where they lie along the line, in pixels.
        width: Diameter of a dot in pixels.
        most: Farthest that a dot may be moved; where more would be needed they are pressed together.

    Returns:
        How far each is moved, in pixels, in the order of ``places``.
    """
    offsets = np.zeros(len(places))
    columns = np.floor(places / width).astype(int)
    for column in np.unique(columns):
        here = np.flatnonzero(columns == column)
        turn = np.arange(len(here))
        sides = np.where(turn % 2, 1, -1) * ((turn + 1) // 2)
        step = min(0.8 * width, most / max(1, np.abs(sides).max()))
        offsets[here] = sides * step
    return offsets


def _limits(clouds: Sequence[Cloud]) -> tuple[float, float]:
    """Ends that hold nearly all dots, and zero; the few beyond are drawn at the edge."""
    everything = np.concatenate([cloud.shap for cloud in clouds])
    low, high = np.quantile(everything, [_OUTER, 1 - _OUTER])
    low, high = min(0.0, float(low)), max(0.0, float(high))
    room = 0.04 * (high - low) or 1e-6
    return low - room, high + room


def _spoken(clouds: Sequence[Cloud]) -> str:
    names = ", ".join(cloud.feature for cloud in clouds[:5])
    return (
        f"SHAP values of {len(clouds[0].shap)} out-of-sample rows, the largest {len(clouds)} features; first: {names}"
    )
