"""Which features were chosen in which fold."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from assay.report.figures.canvas import ACCENT, INK, LINE, Box, axes, boxes, draw
from assay.report.figures.intervals import shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ROW = 19
_FAINTEST = 0.25  # strength of the last feature that was still chosen


@dataclass(frozen=True)
class Choice:
    """One feature: per fold its place among those chosen, 0 for the first and 1 for the last; ``None`` if not."""

    name: str
    places: Sequence[float | None]

    @property
    def times(self) -> int:
        """In how many folds it was chosen."""
        return sum(place is not None for place in self.places)


def choice_map(choices: Sequence[Choice], folds: Sequence[int], *, wide: bool, slug: str) -> Markup:
    """Draw a square per feature and fold: filled where chosen, stronger the better it was ranked.

    Args:
        choices: From top to bottom.
        folds: Fold numbers, in the order of the places.
        wide: For a wide screen, in two columns; otherwise in one.
        slug: Unique on the page.

    Returns:
        Inline SVG.
    """
    columns = 2 if wide and len(choices) > 1 else 1
    height = -(-len(choices) // columns)
    size = (1040 if wide else 340, 30 + _ROW * height)
    width = size[0] / columns

    def paint(figure: "Figure") -> None:
        for column in range(columns):
            part = choices[column * height : (column + 1) * height]
            left, right = column * width + 190, size[0] - (column + 1) * width + 14
            panel = axes(figure, margins=(left if wide else 166, right if wide else 6, 24, 6))
            _frame(panel, folds, height=height)
            for row, choice in enumerate(part):
                _name(panel, row, choice.name, wide=wide)
            boxes(panel, [box for row, choice in enumerate(part) for box in _squares(row, choice)])

    return draw(paint, size, slug=slug, label=_spoken(choices, folds))


def _frame(panel: "Axes", folds: Sequence[int], *, height: int) -> None:
    panel.set(xlim=(-0.5, len(folds) - 0.5), ylim=(height - 0.5, -0.5))
    panel.spines[["left", "bottom"]].set_visible(False)
    panel.set_yticks([])
    panel.xaxis.tick_top()
    panel.set_xticks(range(len(folds)), [str(fold) for fold in folds])
    panel.spines["top"].set_visible(False)


def _name(panel: "Axes", row: int, name: str, *, wide: bool) -> None:
    panel.annotate(
        shortened(name, 27 if wide else 23),
        (0, row),
        xycoords=("axes fraction", "data"),
        xytext=(-8, 0),
        textcoords="offset points",
        color=INK,
        ha="right",
        va="center",
        fontsize=11.5,
        annotation_clip=False,
    )


def _squares(row: int, choice: Choice) -> Iterator[Box]:
    for fold, place in enumerate(choice.places):
        if place is None:
            yield Box(fold - 0.46, row - 0.03, 0.92, 0.06, LINE)
        else:
            alpha = round(1 - (1 - _FAINTEST) * place, 3)
            yield Box(fold - 0.46, row - 0.39, 0.92, 0.78, ACCENT, alpha)


def _spoken(choices: Sequence[Choice], folds: Sequence[int]) -> str:
    steady = [choice.name for choice in choices if choice.times == len(folds)]
    said = f"{len(steady)} of them in every fold" + (f", among them {', '.join(steady[:5])}" if steady else "")
    return f"The {len(choices)} features chosen most often over {len(folds)} folds; {said}"
