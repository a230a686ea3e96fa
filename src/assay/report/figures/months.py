"""Returns of each month: years by months."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup

from assay.report.figures.canvas import INK, LONG, MUTED, SHORT, SOFT, Box, axes, boxes, draw
from assay.report.format import NARROW, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_LOUDEST = 0.9  # quantile of the sizes that gets the strongest colour: one wild month must not pale the others
_STRONGEST = 0.5  # opacity at which the number on it still reads well in light and in dark


@dataclass(frozen=True)
class Month:
    """The return of one month; ``month`` counts from 1."""

    year: int
    month: int
    ret: float

    @classmethod
    def read(cls, month: str, ret: float) -> "Month":
        """Read a month written as ``2024-03``."""
        year, number_of_it = month.split("-")
        return cls(int(year), int(number_of_it), ret)


def year_totals(months: Sequence[Month]) -> dict[int, float]:
    """Add up the months of each year, oldest first."""
    return {year: sum(one.ret for one in months if one.year == year) for year in sorted({one.year for one in months})}


def month_grid(months: Sequence[Month], *, wide: bool, slug: str, title: str) -> Markup:
    """Draw one field per month, a row per year: losses in one colour, gains in the other, the number on it.

    Args:
        months: At least one; months that are not there stay empty.
        wide: For a wide screen, with the total of each year; otherwise small.
        slug: Unique on the page.
        title: What is shown, for the description read aloud.

    Returns:
        Inline SVG.
    """
    years = year_totals(months)
    row = 26 if wide else 24
    size = (1040 if wide else 340, 26 + row * len(years))

    def paint(figure: "Figure") -> None:
        panel = axes(figure, margins=(46 if wide else 34, 4, 24, 2))
        panel.set_axis_off()
        panel.set_xlim(-0.5, 12.6 if wide else 11.5)
        panel.set_ylim(len(years) - 0.5, -0.5)
        places = {year: place for place, year in enumerate(years)}
        peak = _peak(months)
        boxes(panel, [_field(one, places[one.year], peak) for one in months])
        _numbers(panel, months, places, wide=wide)
        _names(panel, places, wide=wide)
        if wide:
            _totals(panel, years)

    return draw(paint, size, slug=slug, label=_spoken(months, years, title))


def _peak(months: Sequence[Month]) -> float:
    moved = [abs(one.ret) for one in months if one.ret]
    return float(np.quantile(moved, _LOUDEST)) if moved else 1.0


def _field(one: Month, row: int, peak: float) -> Box:
    strength = min(1.0, abs(one.ret) / peak)
    colour, alpha = (SOFT, 1.0) if one.ret == 0 else (LONG if one.ret > 0 else SHORT, _STRONGEST * strength)
    return Box(one.month - 1.5 + 0.02, row - 0.46, 0.96, 0.92, colour, alpha)


def _decimals(months: Sequence[Month], *, wide: bool) -> int:
    """As many as fit: a small field holds four characters."""
    largest = max(abs(one.ret) for one in months)
    if wide:
        return 1 if largest >= 0.01 else 2
    return 1 if largest < 0.0995 else 0


def _numbers(panel: "Axes", months: Sequence[Month], places: dict[int, int], *, wide: bool) -> None:
    decimals, size = _decimals(months, wide=wide), 12 if wide else 10.5
    for one in months:
        text, colour = _written(one.ret, decimals), INK if one.ret else MUTED
        panel.text(one.month - 1, places[one.year], text, ha="center", va="center", fontsize=size, color=colour)


def _written(ret: float, decimals: int) -> str:
    text = f"{100 * ret:.{decimals}f}"
    return (text if float(text) else text.removeprefix("-")).replace("-", "\u2212")


def _names(panel: "Axes", places: dict[int, int], *, wide: bool) -> None:
    for place, name in enumerate(_NAMES):
        panel.text(
            place, -0.62, name if wide else name[0], ha="center", va="bottom", color=MUTED, fontsize=12 if wide else 11
        )
    for year, place in places.items():
        panel.text(-0.62, place, str(year), ha="right", va="center", color=MUTED, fontsize=12 if wide else 11)


def _totals(panel: "Axes", years: dict[int, float]) -> None:
    panel.text(12.55, -0.62, "Year", ha="right", va="bottom", color=MUTED)
    for place, ret in enumerate(years.values()):
        text = number(ret, "share").removesuffix(f"{NARROW}%")
        panel.text(12.55, place, text, ha="right", va="center", color=INK, weight="bold")


def _spoken(months: Sequence[Month], years: dict[int, float], title: str) -> str:
    said = []
    for year, total in years.items():
        told = [f"{_NAMES[one.month - 1]} {number(one.ret, 'share')}" for one in months if one.year == year]
        said.append(f"{year} {number(total, 'share')} ({', '.join(told)})")
    return f"{title}: " + "; ".join(said)
