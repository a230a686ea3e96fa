"""Forecast against outcome, and what is left over."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup

from assay.report.figures.canvas import ACCENT, INK, MUTED, THIRD, axes, draw
from assay.report.figures.intervals import value_ticks
from assay.report.figures.thin import evenly

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST = 500


def scatter_figure(
    predicted: Sequence[float], realised: Sequence[float], *, what: str, slug: str, title: str
) -> Markup:
    """Draw forecasts against outcomes, at most 500 of them, with the mean outcome of each tenth of the forecasts.

    Args:
        predicted: Forecasts.
        realised: What followed.
        what: What is forecast: ``return``, or ``change`` of something that no position earns.
        slug: Unique on the page.
        title: Name of the model, for the description read aloud.

    Returns:
        Inline SVG.
    """
    x, y = np.asarray(predicted, dtype=float), np.asarray(realised, dtype=float)
    kept = evenly(len(x), _MOST)

    def paint(figure: "Figure") -> None:
        panel = axes(figure, margins=(52, 10, 8, 42))
        panel.axhline(0, color=INK, linewidth=1, alpha=0.45)
        panel.axvline(0, color=INK, linewidth=1, alpha=0.45)
        panel.plot(x[kept], y[kept], "o", markersize=3.4, color=MUTED, markeredgewidth=0, alpha=0.4)
        panel.plot(*_tenths(x, y), "o-", color=ACCENT, markersize=5, linewidth=1.6)
        _dress(panel, x, y, what)

    label = f"{title}: forecast {what} against realised {what}, {len(kept)} rows, with means of ten groups"
    return draw(paint, (THIRD, 280), slug=slug, label=label)


def _tenths(x: np.ndarray, y: np.ndarray) -> tuple[list[float], list[float]]:
    groups = [group for group in np.array_split(np.argsort(x, kind="stable"), 10) if len(group)]
    return [float(x[group].mean()) for group in groups], [float(y[group].mean()) for group in groups]


def _dress(panel: "Axes", x: np.ndarray, y: np.ndarray, what: str) -> None:
    for limits, values in ((panel.set_xlim, x), (panel.set_ylim, y)):
        low, high = np.quantile(values, [0.005, 0.995]) if len(values) else (-1.0, 1.0)
        room = 0.08 * (high - low) or 1e-6
        limits(low - room, high + room)
    panel.set(xlabel=f"forecast {what}", ylabel=f"realised {what}")
    value_ticks(panel, "return")
    value_ticks(panel, "return", axis="y")


def residual_figure(edges: Sequence[float], counts: Sequence[int], *, what: str, slug: str, title: str) -> Markup:
    """Draw the histogram of outcome minus forecast.

    Args:
        edges: Bin edges, one more than bins.
        counts: Rows per bin.
        what: What is forecast, as in `scatter_figure`.
        slug: Unique on the page.
        title: Name of the model, for the description read aloud.

    Returns:
        Inline SVG.
    """

    def paint(figure: "Figure") -> None:
        panel = axes(figure, margins=(52, 10, 8, 42))
        panel.grid(axis="y")
        panel.bar(edges[:-1], counts, width=np.diff(edges) * 0.92, align="edge", color=MUTED, alpha=0.55)
        panel.axvline(0, color=ACCENT, linewidth=1.6)
        panel.spines["left"].set_visible(False)
        panel.set(xlabel=f"realised minus forecast {what}", ylabel="rows")
        value_ticks(panel, "return")
        value_ticks(panel, "", axis="y")

    return draw(paint, (THIRD, 280), slug=slug, label=f"{title}: residuals, {sum(counts)} rows in {len(counts)} bins")
