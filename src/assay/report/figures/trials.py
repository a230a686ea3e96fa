"""Tuning: the score of each trial with the best so far, and what each parameter did to the score."""

from collections.abc import Mapping, Sequence
from itertools import accumulate
from statistics import median
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from assay.report.figures.canvas import ACCENT, BAD, INK, MUTED, SURFACE, THIRD, axes, draw
from assay.report.figures.intervals import shortened, value_ticks
from assay.report.format import is_number, number
from assay.report.search import Effect, complete

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Trial = Mapping[str, Any]
_ROW = 26
_STYLES: dict[str, dict[str, Any]] = {
    "complete": {"color": MUTED, "markersize": 5.5, "markeredgewidth": 0, "alpha": 0.75},
    "pruned": {"color": SURFACE, "markersize": 5.5, "markeredgewidth": 1.3, "markeredgecolor": MUTED},
    "failed": {"color": BAD, "markersize": 5.5, "markeredgewidth": 1.8},
}
_DEEP = 4.0  # scores further below the best than this many times the median trial's distance lie at the foot


def trial_figure(trials: Sequence[Trial], *, wide: bool, slug: str, title: str) -> Markup:
    """Draw the trials in order with the best so far: dots complete, rings pruned, crosses failed.

    Args:
        trials: ``number``, ``state`` and ``score`` (higher is better), at least one of them complete.
        wide: For a wide screen; otherwise small.
        slug: Unique on the page.
        title: Name of the model, for the description read aloud.

    Returns:
        Inline SVG.
    """
    done = complete(trials)
    best = list(accumulate((trial["score"] for trial in done), max))
    foot = floor(done)

    def paint(figure: "Figure") -> None:
        from matplotlib.ticker import MaxNLocator

        panel = axes(figure, margins=(64, 12, 8, 40))
        panel.grid(axis="y")
        panel.spines[["left", "bottom"]].set_visible(False)
        room = 0.08 * (best[-1] - foot) or 0.1 * abs(foot) or 0.1
        panel.set_ylim(foot - 1.5 * room, best[-1] + room)
        panel.plot([trial["number"] for trial in done], best, color=ACCENT, linewidth=1.8, drawstyle="steps-post")
        _marks(panel, trials, foot=foot, below=foot - 0.8 * room)
        panel.set_xlabel("trial")
        panel.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        value_ticks(panel, "", axis="y")

    counts = {state: sum(trial["state"] == state for trial in trials) for state in ("pruned", "failed")}
    others = "".join(f", {count} {state}" for state, count in counts.items() if count)
    label = f"Tuning of {title}: {len(trials)} trials{others}, best score {best[-1]:.4g}"
    return draw(paint, (490 if wide else THIRD, 210), slug=slug, label=label)


def floor(done: Sequence[Trial]) -> float:
    """Return the lowest score that is drawn to scale, so that a hopeless trial does not squash the others.

    Args:
        done: Complete trials, at least one.
    """
    scores = [float(trial["score"]) for trial in done]
    best, middle = max(scores), median(scores)
    return max(min(scores), best - _DEEP * (best - middle)) if best > middle else min(scores)


def _marks(panel: "Axes", trials: Sequence[Trial], *, foot: float, below: float) -> None:
    groups: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for trial in trials:
        inside = is_number(trial["score"]) and trial["score"] >= foot
        shape = "x" if trial["state"] == "failed" else "o" if inside else "v"
        place = (trial["number"], trial["score"] if inside else below)
        groups.setdefault((trial["state"], shape), []).append(place)
    for (state, shape), places in groups.items():
        panel.plot(*zip(*places, strict=True), shape, zorder=3, **_STYLES[state])


def effect_figure(found: Sequence[Effect], *, wide: bool, slug: str, title: str) -> Markup:
    """Draw a bar per parameter: how much of the scores it explains; the line across is what chance reaches.

    Args:
        found: Largest first, at least one.
        wide: For a wide screen; otherwise small.
        slug: Unique on the page.
        title: Name of the model, for the description read aloud.

    Returns:
        Inline SVG.
    """

    def paint(figure: "Figure") -> None:
        panel = axes(figure, margins=(170 if wide else 132, 14, 4, 40))
        panel.set_ylim(len(found) - 0.5, -0.5)
        panel.set_yticks(range(len(found)), [shortened(effect.name, 26 if wide else 20) for effect in found])
        panel.tick_params(axis="y", labelcolor=INK)
        panel.grid(axis="x")
        panel.spines[["left", "bottom"]].set_visible(False)
        for row, effect in enumerate(found):
            seen = effect.share > effect.chance
            panel.barh(row, effect.share, height=0.56, color=ACCENT if seen else MUTED, alpha=0.8 if seen else 0.5)
            panel.plot([effect.chance] * 2, [row - 0.38, row + 0.38], color=INK, linewidth=1.6)
        panel.set_xlim(0, max(0.1, *(max(effect.share, effect.chance) for effect in found)) * 1.04)
        panel.set_xlabel("share of the scores explained")
        value_ticks(panel, "share")

    said = ", ".join(f"{e.name} {number(e.share, 'share')} (chance {number(e.chance, 'share')})" for e in found)
    label = f"Share of the scores of {title} that each parameter explains: {said}"
    return draw(paint, (490 if wide else THIRD, 48 + _ROW * len(found)), slug=slug, label=label)
