"""Tuning: the score of each trial and the best so far."""

from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

from markupsafe import Markup

from assay.report.figures.canvas import ACCENT, MUTED, THIRD, axes, draw
from assay.report.figures.intervals import value_ticks

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def trial_figure(scores: Sequence[tuple[int, float]], *, slug: str, title: str) -> Markup:
    """Draw trial scores in order with the running best.

    Args:
        scores: Trial number and score (higher is better), in order.
        slug: Unique on the page.
        title: Name of the model, for the description read aloud.

    Returns:
        Inline SVG.
    """
    numbers = [trial for trial, _ in scores]
    values = [score for _, score in scores]
    best = list(accumulate(values, max))

    def paint(figure: "Figure") -> None:
        panel = axes(figure, margins=(56, 8, 8, 40))
        panel.grid(axis="y")
        panel.spines[["left", "bottom"]].set_visible(False)
        panel.plot(numbers, values, "o", color=MUTED, markersize=4.5, markeredgewidth=0, alpha=0.6)
        panel.plot(numbers, best, color=ACCENT, linewidth=1.8, drawstyle="steps-post")
        panel.set_xlabel("trial")
        value_ticks(panel, "", count=6)
        value_ticks(panel, "", axis="y")

    label = f"Tuning of {title}: {len(scores)} trials, best score {best[-1]:.4g}"
    return draw(paint, (THIRD, 200), slug=slug, label=label)
