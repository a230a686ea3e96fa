"""Shares of the classes as one stacked bar per row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from assay.market.tables import CLASS_NAMES
from assay.report.figures.canvas import INK, LONG, MUTED, NEUTRAL, SHORT, SURFACE, THIRD, axes, draw
from assay.report.format import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LEAST = 0.19  # share of a bar that a class needs to carry its name
_LEAST_OF_HALF = 0.13  # share that a class needs to carry its number on the bar of a fold
_ROW = 28
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


@dataclass(frozen=True)
class FoldShares:
    """Class shares of the rows a fold trains on and is tested on."""

    fold: int
    train: Mapping[str, float]
    test: Mapping[str, float]


def fold_shares(folds: Sequence[FoldShares], *, wide: bool, slug: str) -> Markup:
    """Draw two stacked bars per fold: training rows on the left, test rows on the right.

    Args:
        folds: From top to bottom.
        wide: For a wide screen, with the shares written on the bars; otherwise small.
        slug: Unique on the page.

    Returns:
        Inline SVG.
    """
    size = (1040 if wide else 340, 50 + _ROW * len(folds))
    half = (size[0] - 70) / 2

    def paint(figure: "Figure") -> None:
        for side, name in enumerate(("training rows", "test rows")):
            left = 56 + side * (half + 12)
            panel = axes(figure, margins=(left, size[0] - left - half, 26, 20))
            panel.set(xlim=(0, 1), ylim=(len(folds) - 0.5, -0.5), xticks=[])
            panel.spines[["left", "bottom"]].set_visible(False)
            panel.set_title(name, color=MUTED, loc="left", fontsize=12)
            panel.set_yticks(
                range(len(folds)), [f"fold {one.fold}" for one in folds] if not side else [""] * len(folds)
            )
            panel.tick_params(axis="y", labelcolor=INK)
            for row, one in enumerate(folds):
                _half(panel, row, one.test if side else one.train, numbers=wide)
        _legend(panel)

    said = "; ".join(f"fold {one.fold}: training {_shares(one.train)}, test {_shares(one.test)}" for one in folds)
    return draw(paint, size, slug=slug, label=f"Class shares per fold, {said}")


def _half(panel: "Axes", row: int, shares: Mapping[str, float], *, numbers: bool) -> None:
    left = 0.0
    for name, share in shares.items():
        panel.barh(row, share, left=left, height=0.74, color=_COLOURS[name], edgecolor=SURFACE, linewidth=2)
        if numbers and share > _LEAST_OF_HALF:
            style: dict[str, Any] = {"color": SURFACE, "ha": "center", "va": "center", "fontsize": 11}
            panel.text(left + share / 2, row, number(share, "share"), **style)
        left += share


def _legend(panel: "Axes") -> None:
    """Name the colours below the right end of the bars."""
    for name, offset in zip(reversed(CLASS_NAMES), (0, -46, -116), strict=True):
        panel.annotate(
            name,
            (1, 0),
            xycoords="axes fraction",
            xytext=(offset, -4),
            textcoords="offset points",
            color=_COLOURS[name],
            ha="right",
            va="top",
            fontsize=11,
        )


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
