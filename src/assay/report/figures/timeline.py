"""Splits over time: what was trained on, what was left out, what was predicted."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from assay.report.figures.canvas import ACCENT, INK, MUTED, SHORT, SOFT, axes, draw
from assay.report.figures.times import days, time_ticks
from assay.report.format import day

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ROW = 34
_EDGES = ("train_start", "last_train_label_end", "test_start", "test_end")
_LEAST = 2.5  # pixels a gap keeps, however short it is on this scale


def split_timeline(receipts: Sequence[dict[str, Any]], *, wide: bool, slug: str) -> Markup:
    """Draw one row per fold: training part, gap left by purge and embargo, test part.

    Args:
        receipts: One per fold, ISO times.
        wide: For a wide screen, with the row counts written beside.
        slug: Unique on the page.

    Returns:
        Inline SVG.
    """
    size = (1040 if wide else 340, 34 + _ROW * len(receipts))
    right = 250 if wide else 12

    def paint(figure: "Figure") -> None:
        panel = axes(figure, margins=(50, right, 4, 26))
        panel.set_ylim(len(receipts) - 0.5, -0.5)
        panel.set_yticks(range(len(receipts)), [f"fold {receipt['fold']}" for receipt in receipts])
        panel.tick_params(axis="y", labelcolor=INK)
        panel.spines[["left", "bottom"]].set_visible(False)
        panel.set_xlim(min(days(r["train_start"]) for r in receipts), max(days(r["test_end"]) for r in receipts))
        panel.grid(axis="x", color=SOFT)
        for row, receipt in enumerate(receipts):
            _fold(panel, row, receipt)
            if wide:
                _counts(panel, row, receipt)
        time_ticks(panel, 10 if wide else 4)

    label = "Splits over time: " + "; ".join(_said(receipt) for receipt in receipts)
    return draw(paint, size, slug=slug, label=label)


def _fold(panel: "Axes", row: int, receipt: dict[str, Any]) -> None:
    train, cut, test, end = (days(receipt[name]) for name in _EDGES)
    pixel = (panel.get_xlim()[1] - panel.get_xlim()[0]) / panel.get_window_extent().width
    cut = min(cut, test - _LEAST * pixel)
    for left, right, colour, alpha in ((train, cut, MUTED, 0.28), (cut, test, SHORT, 1.0), (test, end, ACCENT, 0.9)):
        panel.barh(row, right - left, left=left, height=0.52, color=colour, alpha=alpha, linewidth=0)


def _counts(panel: "Axes", row: int, receipt: dict[str, Any]) -> None:
    text = (
        f"{receipt['train_rows']:,} train · {receipt['test_rows']:,} test · "
        f"{receipt['purged_rows']:,} + {receipt['embargoed_rows']:,} left out"
    ).replace(",", "\u202f")
    panel.annotate(
        text,
        (1, row),
        xycoords=("axes fraction", "data"),
        xytext=(12, 0),
        textcoords="offset points",
        color=MUTED,
        va="center",
        annotation_clip=False,
    )


def _said(receipt: dict[str, Any]) -> str:
    return f"fold {receipt['fold']} tests {day(receipt['test_start'])} to {day(receipt['test_end'])}"
