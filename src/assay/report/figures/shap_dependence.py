"""How a feature's contribution depends on its value."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup

from assay.report.figures.canvas import ACCENT, INK, MUTED, axes, draw
from assay.report.figures.intervals import value_ticks
from assay.report.figures.shap_points import Cloud, Values, dots, tinted
from assay.report.figures.shap_words import cut

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_GROUPS = 10
_OUTER = 0.01  # share of the rows on either side that may lie outside


def dependence_figure(clouds: Sequence[Cloud], *, unit: str, wide: bool, slug: str) -> Markup:
    """Draw for each feature its value against what it added, with the mean of each tenth of the rows.

    Args:
        clouds: One panel each, all on one scale up.
        unit: Unit of the SHAP values, as for ``number``.
        wide: For a wide screen, side by side; otherwise in two columns.
        slug: Unique on the page.

    Returns:
        Inline SVG.
    """
    columns = len(clouds) if wide else min(2, len(clouds))
    rows = -(-len(clouds) // columns)
    size, height = ((1040, 252), 252) if wide else ((340, 190 * rows), 190)
    left, width = 62, (size[0] - 62) / columns
    low, high = _limits([cloud.shap for cloud in clouds])

    def paint(figure: "Figure") -> None:
        for place, cloud in enumerate(clouds):
            column, row = place % columns, place // columns
            start = left + column * width
            margins = (start, size[0] - start - width + 16, row * height + 24, size[1] - (row + 1) * height + 24)
            panel = axes(figure, margins=margins)
            _panel(panel, cloud, heights=(low, high), name=cut(cloud.feature, 30 if wide else 20))
            value_ticks(panel, unit, axis="y", count=5 if wide else 4)
            if column:
                panel.tick_params(labelleft=False)

    return tinted(draw(paint, size, slug=slug, label=_spoken(clouds)))


def _panel(panel: "Axes", cloud: Cloud, *, heights: tuple[float, float], name: str) -> None:
    known = np.isfinite(cloud.value)
    x, y = cloud.value[known], cloud.shap[known]
    panel.grid(axis="y")
    panel.spines["left"].set_visible(False)
    panel.axhline(0, color=INK, linewidth=1, alpha=0.45, zorder=1)
    low, high = _limits([x])
    inside = (x >= low) & (x <= high) & (y >= heights[0]) & (y <= heights[1])
    dots(panel, x[inside], y[inside], colour=MUTED, size=3)
    panel.plot(*_means(x, y), "-", color=ACCENT, linewidth=2, zorder=3)
    panel.set(xlim=(low, high), ylim=heights)
    panel.set_title(name, loc="left", fontsize=12, color=INK, pad=6)
    value_ticks(panel, "", count=4)


def _means(x: Values, y: Values) -> tuple[list[float], list[float]]:
    groups = [group for group in np.array_split(np.argsort(x, kind="stable"), _GROUPS) if len(group)]
    return [float(x[group].mean()) for group in groups], [float(y[group].mean()) for group in groups]


def _limits(found: Sequence[Values]) -> tuple[float, float]:
    """Ends that hold nearly all values of each."""
    ends = [np.quantile(values, [_OUTER, 1 - _OUTER]) for values in found if len(values)] or [np.array([-1.0, 1.0])]
    low, high = float(min(end[0] for end in ends)), float(max(end[1] for end in ends))
    room = 0.08 * (high - low) or abs(high) * 0.1 or 1e-6
    return low - room, high + room


def _spoken(clouds: Sequence[Cloud]) -> str:
    return "SHAP value against feature value, with means of ten groups: " + ", ".join(cloud.feature for cloud in clouds)
