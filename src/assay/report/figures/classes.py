"""Shares of the classes as one stacked bar per row."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from assay.market.tables import CLASS_NAMES
from assay.report.figures.canvas import LONG, MUTED, NEUTRAL, SHORT, SURFACE, THIRD, axes, draw
from assay.report.format import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LEAST = 0.19  # share of a bar that a class needs to carry its name
_COLOURS = dict(zip(CLASS_NAMES, (SHORT, NEUTRAL, LONG), strict=True))


def class_bars(rows: Mapping[str, Mapping[str, float]], *, slug: str) -> Markup:
    """Draw one stacked bar of class shares per row.

    Args:
        rows: Class shares (summing to 1) per row name.
        slug: Unique on the page.

    Returns:
        Inline SVG.
    """

    def paint(figure: "Figure") -> None:
        panel = axes(figure, margins=(2, 2, 16, 2))
        panel.set_axis_off()
        panel.set(xlim=(0, 1), ylim=(len(rows) - 0.4, -0.5))
        for row, (name, shares) in enumerate(rows.items()):
            panel.text(0, row - 0.4, name, color=MUTED)
            _stack(panel, row, shares)

    said = "; ".join(f"{name}: {_shares(shares)}" for name, shares in rows.items())
    return draw(paint, (THIRD, 20 + 66 * len(rows)), slug=slug, label=f"Class shares, {said}")


def _stack(panel: "Axes", row: int, shares: Mapping[str, float]) -> None:
    left = 0.0
    for name, share in shares.items():
        panel.barh(row, share, left=left, height=0.56, color=_COLOURS[name], edgecolor=SURFACE, linewidth=2)
        style: dict[str, Any] = {"color": SURFACE, "ha": "center", "va": "center", "fontsize": 11}
        if share > _LEAST:
            panel.text(left + share / 2, row - 0.12, name, **style)
            panel.text(left + share / 2, row + 0.12, number(share, "share"), **style)
        left += share


def _shares(shares: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {number(share, 'share')}" for name, share in shares.items())
