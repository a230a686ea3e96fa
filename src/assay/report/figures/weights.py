"""What an ensemble is made of, fold by fold."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from markupsafe import Markup

from assay.report.figures.canvas import ACCENT, INK, LINE, MUTED, SHORT, Box, axes, boxes, draw
from assay.report.figures.intervals import shortened, value_ticks
from assay.report.format import is_number, number, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Weights = Mapping[str, float] | None
_ROW = 28
_STRONGEST = 0.42  # a number on it stays legible


def weight_grid(members: Sequence[str], steps: Mapping[str, Weights], *, wide: bool, slug: str) -> Markup:
    """Draw a field per member and fold with its weight; a negative weight has the other colour.

    Args:
        members: From top to bottom.
        steps: Weights of the members by fold, from left to right; None where there are none.
        wide: For a wide screen; otherwise small.
        slug: Unique on the page.

    Returns:
        Inline SVG.
    """
    largest = max((abs(weight) for found in steps.values() if found for weight in found.values()), default=1.0) or 1.0

    def paint(figure: "Figure") -> None:
        panel = axes(figure, margins=(132 if wide else 96, 2, 24, 4))
        panel.set(xlim=(-0.5, len(steps) - 0.5), ylim=(len(members) - 0.5, -0.5))
        panel.spines[["left", "bottom", "top"]].set_visible(False)
        panel.xaxis.tick_top()
        panel.set_xticks(range(len(steps)), list(steps))
        panel.set_yticks(range(len(members)), [shortened(title(name), 19 if wide else 13) for name in members])
        panel.tick_params(axis="y", labelcolor=INK)
        fields = [
            (column, row, found.get(member) if found else None)
            for column, found in enumerate(steps.values())
            for row, member in enumerate(members)
        ]
        boxes(panel, [_field(*field, largest=largest) for field in fields])
        for column, row, weight in fields:
            if is_number(weight):
                _written(panel, (column, row), weight)

    return draw(paint, (490 if wide else 308, 34 + _ROW * len(members)), slug=slug, label=_spoken(members, steps))


def _field(column: int, row: int, weight: float | None, *, largest: float) -> Box:
    if not is_number(weight):
        return Box(column - 0.46, row - 0.03, 0.92, 0.06, LINE)
    alpha = round(0.06 + (_STRONGEST - 0.06) * abs(weight) / largest, 3)
    return Box(column - 0.46, row - 0.42, 0.92, 0.84, SHORT if weight < 0 else ACCENT, alpha)


def _written(panel: "Axes", where: tuple[int, int], weight: float) -> None:
    colour = MUTED if abs(weight) < 0.005 else INK
    panel.text(*where, number(weight, "ratio"), color=colour, ha="center", va="center", fontsize=11)


def gain_strip(gains: Mapping[str, float | None], applied: Sequence[str], *, wide: bool, slug: str) -> Markup:
    """Draw a bar per fold: how much smaller the loss was where weights were accepted; grey where they were not.

    Args:
        gains: Gain by fold, from left to right; None where nothing was fitted.
        applied: The folds to which what was fitted is applied.
        wide: For a wide screen; otherwise small.
        slug: Unique on the page.

    Returns:
        Inline SVG.
    """

    def paint(figure: "Figure") -> None:
        panel = axes(figure, margins=(70, 8, 8, 26))
        panel.grid(axis="y")
        panel.spines[["left", "bottom"]].set_visible(False)
        panel.axhline(0, color=INK, linewidth=1, alpha=0.55)
        for place, (step, gain) in enumerate(gains.items()):
            if is_number(gain):
                panel.bar(place, gain, width=0.6, color=ACCENT if step in applied else MUTED, alpha=0.8)
        panel.set_xticks(range(len(gains)), list(gains))
        panel.set_xlim(-0.6, len(gains) - 0.4)
        value_ticks(panel, "", axis="y")

    said = ", ".join(f"{step} {number(gain)}" for step, gain in gains.items() if is_number(gain))
    return draw(paint, (490 if wide else 308, 150), slug=slug, label=f"Gain over equal weights by fold: {said}")


def _spoken(members: Sequence[str], steps: Mapping[str, Weights]) -> str:
    said = [
        f"{step}: " + ", ".join(f"{title(member)} {number(found.get(member), 'ratio')}" for member in members)
        for step, found in steps.items()
        if found
    ]
    return "Weights of the members; " + "; ".join(said)
