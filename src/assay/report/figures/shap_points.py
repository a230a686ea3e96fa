"""Clouds of points in few bytes, coloured by the page: one path per colour, one dot per step of it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from assay.report.figures.canvas import MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Values = npt.NDArray[np.float64]

UNKNOWN = -1
# Drawn with these colours, which nothing else produces, for low to high; `tinted` writes what the page mixes instead.
_SHADES = ("#f0f1b0", "#f0f1b1", "#f0f1b2", "#f0f1b3", "#f0f1b4")
_MIXED = {
    shade: f"color-mix(in oklab, var(--accent) {100 * place // (len(_SHADES) - 1)}%, var(--short))"
    for place, shade in enumerate(_SHADES)
}


@dataclass(frozen=True)
class Cloud:
    """The explained rows of one feature.

    Attributes:
        feature: Its name.
        value: Its values, NaN where unknown.
        shap: What each added to the answer.
    """

    feature: str
    value: Values
    shap: Values

    @property
    def shades(self) -> npt.NDArray[np.int64]:
        """Which fifth of the feature's known values each value is in, 0 for the lowest; -1 where unknown."""
        known = np.isfinite(self.value)
        if not known.any():
            return np.full(len(known), UNKNOWN)
        ends = np.quantile(self.value[known], np.arange(1, len(_SHADES)) / len(_SHADES))
        return np.where(known, np.searchsorted(ends, np.nan_to_num(self.value)), UNKNOWN)


def dots(panel: "Axes", x: Values, y: Values, *, colour: str, size: float) -> None:
    """Draw dots as one path of steps of no length, whose round ends are the dots.

    Args:
        panel: What to draw on.
        x: Across.
        y: Up.
        colour: Of all dots.
        size: Diameter in pixels.
    """
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    if not len(x):
        return
    steps = np.repeat(np.column_stack([x, y]), 2, axis=0)
    path = Path(steps, np.tile([Path.MOVETO, Path.LINETO], len(x)))
    path.should_simplify = False  # steps of no length would be taken out
    style = {"facecolor": "none", "edgecolor": colour, "linewidth": size, "capstyle": "round"}
    panel.add_patch(PathPatch(path, clip_on=False, alpha=0.8, zorder=2, **style))


def shaded_dots(
    panel: "Axes", x: Values, y: Values, *, shades: Sequence[int] | npt.NDArray[np.int64], size: float
) -> None:
    """Draw dots coloured by the fifth of the values that they are in, unknown ones in grey.

    Args:
        panel: What to draw on.
        x: Across.
        y: Up.
        shades: See `Cloud.shades`.
        size: Diameter in pixels.
    """
    which = np.asarray(shades)
    for shade, colour in ((UNKNOWN, MUTED), *enumerate(_SHADES)):
        dots(panel, x[which == shade], y[which == shade], colour=colour, size=size)


def shade_key(panel: "Axes", *, narrow: bool) -> None:
    """Say at the top right what the colours mean."""
    step = 10 if narrow else 13
    start = -66 - step * (len(_SHADES) - 1)
    _word(panel, "high value", 0, ha="right")
    for number, colour in enumerate(_SHADES):
        _word(panel, "●", start + step * number, ha="center", color=colour, fontsize=14)
    _word(panel, "low", start - 9, ha="right")


def _word(panel: "Axes", text: str, place: float, **style: Any) -> None:  # noqa: ANN401  as matplotlib takes them
    """Write above the panel, ``place`` pixels from its right end."""
    plain: dict[str, Any] = {"color": MUTED, "va": "bottom", "annotation_clip": False}
    panel.annotate(text, (1, 1), (place, 4), "axes fraction", "offset points", **(plain | style))


def tinted(svg: Markup) -> Markup:
    """Write the colours as the page mixes them, and each dot in as few signs as it needs."""
    text = str(svg)
    for shade, mixed in _MIXED.items():
        text = text.replace(shade, mixed)
    text = re.sub(r"M (-?[\d.]+) (-?[\d.]+) L \1 \2 ?", _dot, text)
    return Markup(text)  # noqa: S704 -- nothing but numbers and colours was changed


def _dot(step: re.Match[str]) -> str:
    x, y = (f"{float(place):.1f}".removesuffix(".0") for place in step.groups())
    return f"M{x} {y}h0"
