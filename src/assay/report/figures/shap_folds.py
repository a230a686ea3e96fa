"""The largest features by SHAP: how large in each fold, and which place each had."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from assay.report.figures.canvas import ACCENT, INK, LINE, SURFACE, Box, axes, boxes, draw
from assay.report.figures.importance import bars_over_folds
from assay.report.figures.intervals import value_ticks
from assay.report.figures.shap_words import cut

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ROW = 22
_STRONG = 0.72  # above it, the number is written in the colour of the page


def size_figure(features: Sequence[Mapping[str, Any]], *, axis: str, unit: str, wide: bool, slug: str) -> Markup:
    """Draw bars of the mean absolute SHAP value with its lowest and highest fold.

    Args:
        features: ``name``, ``mean`` and ``mean_abs`` per fold, largest first.
        axis: What lies across, in words.
        unit: Unit of the SHAP values, as for ``number``.
        wide: For a wide screen; otherwise small.
        slug: Unique on the page.

    Returns:
        Inline SVG.
    """

    def paint(figure: "Figure") -> None:
        panel = axes(figure, margins=(190 if wide else 146, 12, 4, 44))
        names = [cut(one["name"], 27 if wide else 21) for one in features]
        ends = [(min(one["mean_abs"]), max(one["mean_abs"])) for one in features]
        bars_over_folds(panel, names, means=[one["mean"] for one in features], ends=ends)
        panel.set_xlim(left=0)
        panel.set_xlabel(axis, loc="center" if wide else "right")
        value_ticks(panel, unit)

    said = ", ".join(one["name"] for one in features[:5])
    label = f"Mean absolute SHAP value of {len(features)} features, with its range over the folds; largest: {said}"
    return draw(paint, (490 if wide else 340, 48 + _ROW * len(features)), slug=slug, label=label)


def place_figure(features: Sequence[Mapping[str, Any]], folds: Sequence[int], *, wide: bool, slug: str) -> Markup:
    """Draw the place of each feature in the ranking of each fold, the stronger the higher it stands.

    Args:
        features: ``name`` and ``rank`` per fold (None where the fold did not read it), largest first.
        folds: Fold numbers, in the order of the ranks.
        wide: For a wide screen; otherwise small.
        slug: Unique on the page.

    Returns:
        Inline SVG.
    """

    def paint(figure: "Figure") -> None:
        panel = axes(figure, margins=(190 if wide else 146, 8, 24, 4))
        panel.set(xlim=(-0.5, len(folds) - 0.5), ylim=(len(features) - 0.5, -0.5))
        panel.spines[["left", "bottom"]].set_visible(False)
        panel.xaxis.tick_top()
        panel.set_xticks(range(len(folds)), [str(fold) for fold in folds])
        panel.set_yticks(range(len(features)), [cut(one["name"], 27 if wide else 21) for one in features])
        panel.tick_params(axis="y", labelcolor=INK)
        places = [(fold, row, rank) for row, one in enumerate(features) for fold, rank in enumerate(one["rank"])]
        strengths = [_strength(rank, last=2 * len(features)) for *_, rank in places]
        boxes(panel, [_field(fold, row, strength) for (fold, row, _), strength in zip(places, strengths, strict=True)])
        for (fold, row, rank), strength in zip(places, strengths, strict=True):
            if strength is not None:
                colour = SURFACE if strength > _STRONG else INK
                panel.text(fold, row, str(rank), color=colour, ha="center", va="center_baseline", fontsize=11)

    said = "; ".join(f"{one['name']} {_told(one['rank'])}" for one in features[:5])
    label = f"Places of {len(features)} features fold by fold: {said}"
    return draw(paint, (490 if wide else 340, 30 + _ROW * len(features)), slug=slug, label=label)


def _strength(rank: int | None, *, last: int) -> float | None:
    return None if rank is None else max(0.0, 1 - (rank - 1) / last)


def _field(fold: int, row: int, strength: float | None) -> Box:
    if strength is None:
        return Box(fold - 0.47, row - 0.03, 0.94, 0.06, LINE)
    return Box(fold - 0.47, row - 0.43, 0.94, 0.86, ACCENT, round(0.06 + 0.84 * strength**2, 3))


def _told(ranks: Sequence[int | None]) -> str:
    return ", ".join("not read" if rank is None else str(rank) for rank in ranks)
