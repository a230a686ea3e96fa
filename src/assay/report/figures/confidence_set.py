"""Models in order of their loss: a band holds those that cannot be told from the best."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from assay.report.figures.canvas import ACCENT, INK, MUTED, SOFT, SURFACE, axes, draw
from assay.report.figures.intervals import shortened, value_ticks
from assay.report.format import interval, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ROW = 25
_SIZES = {True: 490, False: 330}


@dataclass(frozen=True)
class Ranked:
    """One model: its IC with interval, the p-value of the confidence set, and whether it is inside."""

    label: str
    value: float | None
    low: float | None
    high: float | None
    p: float | None
    inside: bool
    lead: bool = False

    @property
    def colour(self) -> str:
        """Its colour in a drawing."""
        return ACCENT if self.lead else INK if self.inside else MUTED


def set_figure(models: Sequence[Ranked], *, wide: bool, slug: str, title: str) -> Markup:
    """Draw each model's IC with its interval, best first; those inside the set are filled and on a band.

    Args:
        models: From the smallest loss to the largest, at least one.
        wide: For a wide screen; otherwise small.
        slug: Unique on the page.
        title: What is shown, for the description read aloud.

    Returns:
        Inline SVG.
    """

    def paint(figure: "Figure") -> None:
        panel = axes(figure, margins=(126, 56, 22, 26))
        panel.set_ylim(len(models) - 0.5, -0.5)
        panel.set_xlim(*_limits(models))
        _frame(panel, models)
        for row, model in enumerate(models):
            _row(panel, row, model)
        value_ticks(panel, "")

    size = (_SIZES[wide], 50 + _ROW * len(models))
    return draw(paint, size, slug=slug, label=_spoken(models, title))


def _limits(models: Sequence[Ranked]) -> tuple[float, float]:
    ends = [end for model in models for end in (model.low, model.value, model.high) if end is not None]
    low, high = min([0.0, *ends]), max([0.0, *ends])
    room = 0.05 * (high - low) or 0.1
    return low - room, high + room


def _frame(panel: "Axes", models: Sequence[Ranked]) -> None:
    panel.set_yticks(range(len(models)), [shortened(model.label) for model in models])
    for text, model in zip(panel.get_yticklabels(), models, strict=True):
        text.set_color(INK if model.inside else MUTED)
        text.set_fontweight("bold" if model.lead else "normal")
    panel.grid(axis="x")
    panel.spines[["left", "bottom"]].set_visible(False)
    panel.axvline(0, color=INK, linewidth=1, alpha=0.55, zorder=1)
    panel.annotate("p", (1, 1), (28, 7), "axes fraction", "offset points", color=MUTED, ha="center")


def _row(panel: "Axes", row: int, model: Ranked) -> None:
    if model.inside:
        panel.axhspan(row - 0.5, row + 0.5, color=SOFT, linewidth=0, zorder=0)
    if model.low is not None and model.high is not None:
        panel.plot([model.low, model.high], [row, row], color=model.colour, linewidth=2.6 if model.lead else 1.6)
    if model.value is not None:
        edge: dict[str, Any] = {"markeredgecolor": model.colour, "markeredgewidth": 1.6}
        face = model.colour if model.inside else SURFACE
        panel.plot([model.value], [row], "o", markersize=7, color=face, zorder=3, **edge)
    style: dict[str, Any] = {"color": INK if model.inside else MUTED, "va": "center", "ha": "center"}
    panel.annotate(_p(model), (1, row), (28, 0), ("axes fraction", "data"), "offset points", **style)


def _p(model: Ranked) -> str:
    return number(model.p, "p")


def _spoken(models: Sequence[Ranked], title: str) -> str:
    said = [
        f"{one.label} {number(one.value)} {interval(one.low, one.high)}, p {_p(one)}, "
        f"{'inside' if one.inside else 'outside'}"
        for one in models
    ]
    return f"{title}: " + "; ".join(said)
