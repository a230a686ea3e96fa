"""Dots with their intervals: one panel per metric, baselines drawn as the reference."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from assay.report.figures.canvas import ACCENT, BAD, INK, LINE, MUTED, SURFACE, THIRD, axes, draw
from assay.report.format import NARROW, interval, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ROW = 23


@dataclass(frozen=True)
class Estimate:
    """One dot: a label, a value with its interval (``None`` where undefined), and its part in the comparison.

    A role other than ``model`` and ``ensemble`` is a reference, drawn hollow; an ensemble is a diamond; what is
    ``short`` of a promise is drawn in the colour of alarm.
    """

    label: str
    value: float | None
    low: float | None
    high: float | None
    role: str = "model"
    lead: bool = False
    short: bool = False

    @property
    def tried(self) -> bool:
        """Whether this is a model, or is made of models."""
        return self.role in ("model", "ensemble")

    @property
    def colour(self) -> str:
        """Its colour in a drawing."""
        if self.short:
            return BAD
        return ACCENT if self.lead else INK if self.tried else MUTED


def interval_panel(
    estimates: Sequence[Estimate], *, unit: str, reference: float | None, slug: str, title: str
) -> Markup:
    """Draw one dot with its interval per model.

    Args:
        estimates: From top to bottom.
        unit: Unit of the values.
        reference: A value marked by a dashed line, usually the strongest baseline.
        slug: Unique on the page.
        title: What is shown, for the description read aloud.

    Returns:
        Inline SVG.
    """

    def paint(figure: "Figure") -> None:
        panel = axes(figure, margins=(124, 12, 6, 26))
        panel.set_ylim(len(estimates) - 0.5, -0.5)
        panel.set_xlim(*_focus(estimates, reference))
        _frame(panel, estimates, unit)
        if reference is not None:
            panel.axvline(reference, color=MUTED, linewidth=1, dashes=(3, 3), zorder=1)
        for row, estimate in enumerate(estimates):
            _dot(panel, row, estimate)

    return draw(paint, (THIRD, 34 + _ROW * len(estimates)), slug=slug, label=_spoken(estimates, unit, title))


def _frame(panel: "Axes", estimates: Sequence[Estimate], unit: str) -> None:
    panel.set_yticks(range(len(estimates)), [shortened(estimate.label) for estimate in estimates])
    for text, estimate in zip(panel.get_yticklabels(), estimates, strict=True):
        text.set_color(INK if estimate.tried else MUTED)
        text.set_fontweight("bold" if estimate.lead else "normal")
    panel.grid(axis="x")
    panel.spines["left"].set_visible(False)
    panel.spines["bottom"].set_visible(False)
    value_ticks(panel, unit)
    low, high = panel.get_xlim()
    if low < 0 < high:
        panel.axvline(0, color=INK, linewidth=1, alpha=0.55, zorder=1)


def _focus(estimates: Sequence[Estimate], reference: float | None) -> tuple[float, float]:
    """Limits that show all models and the reference well; a far weaker baseline may fall outside.

    So may a model without an interval: its value stands on next to no rows.
    """
    best, tried = Estimate("reference", reference, None, None), [one for one in estimates if one.tried]
    low, high = _limits([*([one for one in tried if one.low is not None] or tried), best])
    all_low, all_high = _limits([*estimates, best])
    return max(all_low, low - (high - low)), min(all_high, high + (high - low))


def _limits(estimates: Sequence[Estimate]) -> tuple[float, float]:
    ends = [e for estimate in estimates for e in (estimate.value, estimate.low, estimate.high) if e is not None]
    low, high = (min(ends), max(ends)) if ends else (0.0, 1.0)
    room = 0.06 * (high - low) or abs(high) * 0.1 or 1.0
    return low - room, high + room


def _dot(panel: "Axes", row: int, estimate: Estimate) -> None:
    colour = estimate.colour
    if estimate.value is None:
        style: dict[str, Any] = {"color": MUTED, "va": "center", "style": "italic"}
        panel.annotate("undefined", (0, row), (6, 0), ("axes fraction", "data"), "offset points", **style)
        return
    low, high = panel.get_xlim()
    if not low <= estimate.value <= high:
        place, arrow = (0.02, "<") if estimate.value < low else (0.98, ">")
        edge_of: dict[str, Any] = {"transform": panel.get_yaxis_transform(), "clip_on": False}
        panel.plot([place], [row], arrow, markersize=6, color=colour, **edge_of)
        return
    if estimate.low is not None and estimate.high is not None:
        width = 2.6 if estimate.lead else 1.6
        panel.plot([estimate.low, estimate.high], [row, row], color=colour, linewidth=width, alpha=0.75, zorder=2)
    face = colour if estimate.tried else SURFACE
    edge: dict[str, Any] = {"markeredgecolor": colour, "markeredgewidth": 1.6}
    shape = "D" if estimate.role == "ensemble" else "o"
    panel.plot([estimate.value], [row], shape, markersize=6 if shape == "D" else 7, color=face, zorder=3, **edge)


def shortened(label: str, most: int = 19) -> str:
    """Cut a label that would leave its margin; the description read aloud keeps it whole."""
    label = label.replace("(volatility only)", "vol. only")
    return label if len(label) <= most else f"{label[: most - 1]}…"


def value_ticks(panel: "Axes", unit: str, *, axis: str = "x", count: int = 4) -> None:
    """Put a few ticks on the value axis of a panel, written in the unit with no more digits than they need."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    scale = panel.xaxis if axis == "x" else panel.yaxis
    scale.set_major_locator(MaxNLocator(count, steps=[1, 2, 2.5, 5, 10]))
    scale.set_major_formatter(FuncFormatter(lambda value, _: short_number(value, unit)))


def short_number(value: float, unit: str) -> str:
    """Write a tick value: percentages as such, other numbers without trailing zeros."""
    share = number(0.5, unit).endswith("%")
    text = f"{round(100 * value, 6):g}" if share else f"{round(value, 10):g}"
    return text.replace("-", "\u2212") + (f"{NARROW}%" if share else "")


def _spoken(estimates: Sequence[Estimate], unit: str, title: str) -> str:
    said = [f"{e.label} {number(e.value, unit)} {interval(e.low, e.high, unit)}".strip() for e in estimates]
    return f"{title}: " + "; ".join(said)


def interval_bar(estimate: Estimate, references: Sequence[Estimate], *, unit: str, slug: str, title: str) -> Markup:
    """Draw one estimate large on a bare scale, its references as ticks on the same scale.

    Args:
        estimate: What is shown.
        references: Baselines; only their values are drawn.
        unit: Unit of the values.
        slug: Unique on the page.
        title: What is shown, for the description read aloud.

    Returns:
        Inline SVG.
    """

    def paint(figure: "Figure") -> None:
        panel = axes(figure, margins=(6, 6, 8, 24))
        panel.set_ylim(-1, 1)
        panel.set_xlim(*_limits([estimate, *references, Estimate("zero", 0.0, None, None)]))
        panel.set_yticks([])
        panel.spines["left"].set_visible(False)
        panel.axvline(0, color=INK, linewidth=1, alpha=0.55)
        for reference in references:
            if reference.value is not None:
                panel.plot([reference.value] * 2, [-0.55, 0.55], color=MUTED, linewidth=1.4)
        _bar(panel, estimate)
        value_ticks(panel, unit)

    return draw(paint, (THIRD, 68), slug=slug, label=_spoken([estimate, *references], unit, title))


def _bar(panel: "Axes", estimate: Estimate) -> None:
    if estimate.low is not None and estimate.high is not None:
        panel.plot([estimate.low, estimate.high], [0, 0], color=ACCENT, linewidth=9, alpha=0.28, solid_capstyle="round")
    if estimate.value is not None:
        panel.plot([estimate.value], [0], "o", markersize=11, color=ACCENT, markeredgecolor=SURFACE)
    panel.spines["bottom"].set_color(LINE)
