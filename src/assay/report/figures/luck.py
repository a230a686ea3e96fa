"""How sure a Sharpe ratio is before and after counting what was tried, and how much of an IC is the luck of a seed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from assay.report.figures.canvas import ACCENT, INK, MUTED, SURFACE, THIRD, axes, draw
from assay.report.figures.intervals import Estimate, shortened, value_ticks
from assay.report.format import interval, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ROW = 23


@dataclass(frozen=True)
class Deflated:
    """One model: the probability of a true Sharpe ratio above zero, and above what luck reaches in all trials."""

    label: str
    psr: float | None
    dsr: float | None
    lead: bool = False

    @property
    def colour(self) -> str:
        """Its colour in a drawing."""
        return ACCENT if self.lead else INK


def deflation_figure(models: Sequence[Deflated], *, level: float, slug: str) -> Markup:
    """Draw both probabilities of each model: hollow before, filled after counting the trials.

    Args:
        models: From top to bottom.
        level: The probability that is asked for; a dashed line.
        slug: Unique on the page.

    Returns:
        Inline SVG.
    """

    def paint(figure: "Figure") -> None:
        panel = axes(figure, margins=(124, 16, 6, 26))
        panel.set_ylim(len(models) - 0.5, -0.5)
        panel.set_xlim(-0.03, 1.03)
        panel.set_yticks(range(len(models)), [shortened(model.label) for model in models])
        for text, model in zip(panel.get_yticklabels(), models, strict=True):
            text.set_color(INK)
            text.set_fontweight("bold" if model.lead else "normal")
        panel.grid(axis="x")
        panel.spines[["left", "bottom"]].set_visible(False)
        panel.axvline(level, color=MUTED, linewidth=1.2, dashes=(3, 3), zorder=1)
        for row, model in enumerate(models):
            _dumbbell(panel, row, model)
        value_ticks(panel, "share", count=5)

    said = [f"{one.label} {number(one.psr, 'share')}, then {number(one.dsr, 'share')}" for one in models]
    label = f"Probabilistic, then deflated Sharpe ratio, {number(level, 'share')} is asked for: " + "; ".join(said)
    return draw(paint, (THIRD, 34 + _ROW * len(models)), slug=slug, label=label)


def _dumbbell(panel: "Axes", row: int, model: Deflated) -> None:
    edge: dict[str, Any] = {"markeredgecolor": model.colour, "markeredgewidth": 1.6, "markersize": 7, "zorder": 3}
    if model.psr is not None and model.dsr is not None:
        panel.plot([model.psr, model.dsr], [row, row], color=model.colour, linewidth=1.6, alpha=0.6)
    for value, face in ((model.psr, SURFACE), (model.dsr, model.colour)):
        if value is not None:
            panel.plot([value], [row], "o", color=face, **edge)


def seed_figure(sampling: Estimate, seeds: Sequence[float], *, wide: bool, slug: str) -> Markup:
    """Draw the interval that the rows leave above the values that other seeds give, on one scale.

    Args:
        sampling: The IC with its interval: what other rows could have given.
        seeds: The IC of each seed, at least one.
        wide: For a wide screen; otherwise small.
        slug: Unique on the page.

    Returns:
        Inline SVG.
    """

    def paint(figure: "Figure") -> None:
        panel = axes(figure, margins=(92, 14, 6, 26))
        panel.set_ylim(1.6, -0.6)
        panel.set_yticks([0, 1], ["other rows", "other seeds"])
        panel.grid(axis="x")
        panel.spines[["left", "bottom"]].set_visible(False)
        panel.axvline(0, color=INK, linewidth=1, alpha=0.55, zorder=1)
        if sampling.low is not None and sampling.high is not None:
            panel.plot([sampling.low, sampling.high], [0, 0], color=ACCENT, linewidth=9, alpha=0.28)
        if sampling.value is not None:
            panel.plot([sampling.value], [0], "o", markersize=9, color=ACCENT, markeredgecolor=SURFACE)
        panel.plot([min(seeds), max(seeds)], [1, 1], color=INK, linewidth=1.6, alpha=0.6)
        panel.plot(seeds, [1] * len(seeds), "o", markersize=6.5, color=INK, markeredgecolor=SURFACE, alpha=0.85)
        panel.margins(x=0.06)
        value_ticks(panel, "")

    ends = f"{number(sampling.value)} {interval(sampling.low, sampling.high)}".rstrip()
    label = f"IC of {sampling.label}: {ends} over other rows; over other seeds {', '.join(map(number, seeds))}"
    return draw(paint, (490 if wide else THIRD, 120), slug=slug, label=label)
