"""Lines of a book, the market and its rivals, and their names at the right end."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

from assay.report.figures.canvas import ACCENT, INK, MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Part = Literal["lead", "other", "market"]
LINES: dict[Part, dict[str, Any]] = {
    "lead": {"color": ACCENT, "linewidth": 2.0, "zorder": 4},
    "other": {"color": INK, "linewidth": 1.1, "alpha": 0.55, "zorder": 3},
    "market": {"color": MUTED, "linewidth": 1.3, "dashes": (4, 2), "zorder": 2},
}
_COLOURS: dict[Part, str] = {"lead": ACCENT, "other": INK, "market": MUTED}


@dataclass(frozen=True)
class End:
    """The name of a line and the height at which it ends."""

    text: str
    height: float
    part: Part


def end_labels(panel: "Axes", ends: Sequence[End]) -> None:
    """Write the names of lines at their right end, apart from each other."""
    low, high = panel.get_ylim()
    heights = spread([end.height for end in ends], gap=0.075 * (high - low))
    for end, height in zip(ends, heights, strict=True):
        panel.annotate(
            end.text,
            (1, height),
            xycoords=("axes fraction", "data"),
            xytext=(10, 0),
            textcoords="offset points",
            color=_COLOURS[end.part],
            weight="bold" if end.part == "lead" else "normal",
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
