"""One answer as a waterfall: from what is expected, feature by feature, to what was answered. A picture by itself."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from assay.market.explanation import Prediction
from assay.report.figures.intervals import value_ticks
from assay.report.figures.shap_words import UNITS, cut
from assay.report.format import difference, number, quantity

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Format = Literal["svg", "png"]

_INK, _MUTED, _LINE, _PAGE = "#15181e", "#5a6170", "#e2e2dc", "#ffffff"
_UP, _DOWN = "#2549c8", "#b5561c"
_ROW, _WIDTH, _LEFT, _DPI = 25, 860, 270, 144


@dataclass(frozen=True)
class Step:
    """One bar of a waterfall: its label, where it starts and where it ends."""

    label: str
    start: float
    end: float


def waterfall_steps(prediction: Prediction, count: int) -> list[Step]:
    """The steps from the base to the answer: the ``count`` largest features, then the sum of the others."""
    largest, rest = prediction.largest(count)
    others = prediction.parts.height - largest.height
    parts = [(_named(row["feature"], row["value"]), row["shap"]) for row in largest.iter_rows(named=True)]
    parts += [(f"{others} other feature{'s' if others > 1 else ''}", rest)] if others else []
    steps, at = [], prediction.base
    for label, added in parts:
        steps.append(Step(label, at, at + added))
        at += added
    return steps


def waterfall_picture(prediction: Prediction, *, title: Sequence[str], count: int = 12, kind: Format = "svg") -> bytes:
    """Draw one answer.

    Args:
        prediction: The answer with its parts.
        title: Two lines: what was predicted, and what was answered.
        count: Features drawn one by one, at most.
        kind: Format of the file.

    Returns:
        The file: dark on white, the same bytes for the same answer.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    steps = waterfall_steps(prediction, count)
    with mpl.rc_context():
        mpl.rcdefaults()  # whatever the user's own matplotlibrc says must not change the picture
        mpl.rcParams.update({"svg.hashsalt": "assay", "font.size": 11, "text.parse_math": False})
        height = _ROW * (len(steps) + 2) + 124
        figure = Figure(figsize=(_WIDTH / 72, height / 72), dpi=72, facecolor=_PAGE)
        _paint(figure, prediction, steps, title=title)
        buffer = io.BytesIO()
        stamp: dict[str, Any] = {"Date": None} if kind == "svg" else {"Software": None}
        figure.savefig(buffer, format=kind, dpi=_DPI if kind == "png" else 72, metadata=stamp)
    return buffer.getvalue()


def _paint(figure: "Figure", prediction: Prediction, steps: Sequence[Step], *, title: Sequence[str]) -> None:
    what, unit = UNITS[prediction.unit]
    width, height = (side * 72 for side in figure.get_size_inches())
    panel = figure.add_axes((_LEFT / width, 50 / height, (width - _LEFT - 24) / width, (height - 124) / height))
    rows = ["expected", *(step.label for step in steps), "answer"]
    panel.set_ylim(len(rows) - 0.5, -0.5)
    panel.set_yticks(range(len(rows)), rows)
    panel.set_xlim(*_limits(prediction, steps))
    panel.spines[:].set_visible(False)
    panel.tick_params(length=0, labelcolor=_MUTED, pad=6)
    panel.tick_params(axis="y", labelcolor=_INK)
    panel.grid(axis="x", color=_LINE)
    panel.set_axisbelow(True)
    panel.set_xlabel(what, color=_MUTED)
    value_ticks(panel, unit, count=6)
    for row, step in enumerate(steps, start=1):
        _bar(panel, row, step, unit=unit)
    _end(panel, 0, prediction.base, unit=unit)
    _end(panel, len(rows) - 1, prediction.total, unit=unit)
    figure.text(16 / width, 1 - 16 / height, title[0], color=_INK, weight="bold", fontsize=13, va="top")
    figure.text(16 / width, 1 - 38 / height, title[1], color=_MUTED, va="top")


def _bar(panel: "Axes", row: int, step: Step, *, unit: str) -> None:
    added = step.end - step.start
    panel.barh(row, added, left=step.start, height=0.66, color=_UP if added > 0 else _DOWN, linewidth=0)
    panel.plot([step.end, step.end], [row, row + 1], color=_MUTED, linewidth=0.8)
    _write(panel, (max(step.start, step.end), row), difference(added, unit))


def _end(panel: "Axes", row: int, value: float, *, unit: str) -> None:
    panel.plot([value], [row], "o", color=_INK, markersize=6)
    if row == 0:
        panel.plot([value, value], [row, row + 1], color=_MUTED, linewidth=0.8)
    _write(panel, (value, row), number(value, unit), weight="bold")


def _write(panel: "Axes", at: tuple[float, int], text: str, *, weight: str = "normal") -> None:
    style: dict[str, Any] = {"color": _INK, "va": "center", "weight": weight}
    panel.annotate(text, at, (7, 0), textcoords="offset points", **style)


def _limits(prediction: Prediction, steps: Sequence[Step]) -> tuple[float, float]:
    """Ends with room for the numbers at the right of the bars."""
    ends = [prediction.base, prediction.total, *(end for step in steps for end in (step.start, step.end))]
    low, high = min(ends), max(ends)
    room = (high - low) or abs(high) or 1.0
    return low - 0.06 * room, high + 0.16 * room


def _named(feature: str, value: float | None) -> str:
    return f"{cut(feature, 30)} = {'not known' if value is None else quantity(float(value))}"
