"""Feature importance with its spread over the folds."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from assay.report.figures.canvas import ACCENT, INK, THIRD, axes, draw
from assay.report.figures.intervals import shortened, value_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ROW = 22


def importance_figure(rows: Sequence[dict[str, Any]], *, wide: bool, slug: str, title: str) -> Markup:
    """Draw bars of mean importance with its lowest and highest fold.

    Args:
        rows: ``feature``, ``mean``, ``low`` and ``high``, largest first.
        wide: For a wide screen; otherwise small.
        slug: Unique on the page.
        title: Name of the model, for the description read aloud.

    Returns:
        Inline SVG.
    """

    def paint(figure: "Figure") -> None:
        panel = axes(figure, margins=(190 if wide else 150, 12, 4, 26))
        names = [shortened(str(row["feature"]), 30 if wide else 21) for row in rows]
        bars_over_folds(
            panel, names, means=[row["mean"] for row in rows], ends=[(row["low"], row["high"]) for row in rows]
        )
        panel.set_xlim(left=min(0.0, *(row["mean"] for row in rows)))
        value_ticks(panel, "share")

    said = ", ".join(str(row["feature"]) for row in rows[:5])
    label = f"Feature importance of {title}, mean and spread over folds; largest: {said}"
    return draw(paint, (490 if wide else THIRD, 30 + _ROW * len(rows)), slug=slug, label=label)


def bars_over_folds(
    panel: "Axes", names: Sequence[str], *, means: Sequence[float], ends: Sequence[tuple[float, float]]
) -> None:
    """Paint a bar per name, from top to bottom, with a line from its lowest to its highest fold.

    Args:
        panel: Where they are painted.
        names: What stands beside each bar.
        means: Lengths of the bars.
        ends: Lowest and highest fold of each.
    """
    panel.set_ylim(len(names) - 0.5, -0.5)
    panel.set_yticks(range(len(names)), names)
    panel.tick_params(axis="y", labelcolor=INK)
    panel.barh(range(len(names)), means, height=0.6, color=ACCENT, alpha=0.8)
    lows, highs = zip(*ends, strict=True)
    panel.hlines(range(len(names)), lows, highs, color=INK, linewidth=1.4, capstyle="round")
    panel.grid(axis="x")
    panel.spines[["left", "bottom"]].set_visible(False)
