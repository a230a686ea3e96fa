"""The IC of every feature against what chance reaches."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from assay.report.figures.canvas import ACCENT, BAD, INK, MUTED, SURFACE, axes, draw
from assay.report.figures.intervals import shortened, value_ticks
from assay.report.format import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LONGEST = 26
_MANY = 120  # features from which dots have to be small


@dataclass(frozen=True)
class Scored:
    """One feature: its IC, how large an IC chance reaches (above 0), and what the audit says about it."""

    name: str
    ic: float
    chance: float
    verdict: str

    @property
    def size(self) -> float:
        """The IC in units of what chance reaches."""
        return self.ic / self.chance


def ic_band(features: Sequence[Scored], *, wide: bool, slug: str) -> Markup:
    """Draw the ICs in a row, smallest first, each in units of what chance reaches; chance is the band from -1 to 1.

    Chance differs between features: one that moves slowly agrees with the outcome by accident more easily.

    Args:
        features: At least one, in any order.
        wide: For a wide screen, with the outermost features named; otherwise small.
        slug: Unique on the page.

    Returns:
        Inline SVG.
    """
    row = sorted(features, key=lambda feature: (feature.size, feature.name))

    def paint(figure: "Figure") -> None:
        panel = axes(figure, margins=(46, 14, 18, 18))
        panel.grid(axis="y")
        panel.spines[["left", "bottom"]].set_visible(False)
        panel.set_xticks([])
        panel.set_xlim(-1.5, len(row) + 0.5)
        panel.axhspan(-1, 1, color=MUTED, alpha=0.13, linewidth=0, zorder=1)
        panel.axhline(0, color=INK, linewidth=1, alpha=0.55, zorder=2)
        for place, feature in enumerate(row):
            _dot(panel, place, feature, size=3.4 if len(row) > _MANY else 5)
        value_ticks(panel, "", axis="y", count=6)
        if wide:
            _names(panel, row)

    return draw(paint, (1040, 250) if wide else (340, 220), slug=slug, label=_spoken(row))


def _dot(panel: "Axes", place: int, feature: Scored, *, size: float) -> None:
    colour = BAD if feature.verdict == "FAIL" else ACCENT if abs(feature.size) > 1 else MUTED
    style: dict[str, Any] = {"color": colour, "markeredgecolor": colour, "markersize": size, "markeredgewidth": 0}
    if abs(feature.size) > 1:
        style["markersize"] = 5
    if feature.verdict in ("FAIL", "SUSPECT"):
        style |= {"markersize": 7, "markeredgewidth": 1.4}
    if feature.verdict == "SUSPECT":
        style["color"] = SURFACE
    panel.plot([place], [feature.size], "o", zorder=3, **style)


def _names(panel: "Axes", row: Sequence[Scored]) -> None:
    """Name the two at the ends; more names would lie on each other."""
    for place, side in ((0, 1), (len(row) - 1, -1)):
        panel.annotate(
            shortened(row[place].name, _LONGEST),
            (place, row[place].size),
            xytext=(-5 * side, -13 * side),
            textcoords="offset points",
            color=INK,
            ha="left" if side > 0 else "right",
            va="center",
            fontsize=11,
        )


def _spoken(row: Sequence[Scored]) -> str:
    outside = sum(abs(feature.size) > 1 for feature in row)
    ends = f"from {number(row[0].ic)}, {row[0].name}, to {number(row[-1].ic)}, {row[-1].name}"
    return f"IC of {len(row)} features against chance, {ends}; {outside} lie outside what chance reaches"
