"""Where the skill comes from: regimes, entities and hours."""

from collections.abc import Mapping, Sequence
from typing import Any

from assay.report.contract_evidence import DIMENSIONS
from assay.report.elements import Block, Cell, Column, Drawer, Figure, Table, estimate_cell
from assay.report.figures.hours import hour_strip
from assay.report.figures.intervals import Estimate, interval_panel
from assay.report.format import counted, interval, is_number, number, opening, percent, quantity, title
from assay.report.view import HeadView

_LEDE = (
    "The same rows, cut by what was known when each decision was made: the volatility and the trend of the time, the "
    "entity, the hour. Parts were looked at after the fact and there are many of them, so one that stands out is a "
    "question and not a finding."
)
_CAPTION = "Dot: IC with its interval. Dashed: all rows."
_HEADINGS = {"volatility": "By volatility", "trend": "By trend", "entity": "By entity", "hour": "By hour"}
_MOST = 14  # entities drawn; all are in the drawer
Parts = Sequence[Mapping[str, Any]]


def breakdown_block(view: HeadView) -> Block:
    """Show the IC of the lead in every part, and those of the other models in a drawer.

    Args:
        view: The head.

    Returns:
        The block; empty where no model is broken down.
    """
    found: Mapping[str, Mapping[str, Parts]] = view.evaluation["breakdown"]
    order = [name for name in view.tried if any(found.get(name, {}).values())]
    name, heading = f"{view.slug}-breakdown", "Where does it come from?"
    if not order:
        return Block(name, heading, _LEDE)
    first = found[order[0]]
    return Block(
        name,
        heading,
        _LEDE,
        reading=_reading(view, order[0], first),
        figures=[_figure(view, order[0], dimension, first[dimension]) for dimension in _drawn(first)],
        more=[Drawer("Every part of every model", _tables(view, order, found))],
    )


def _drawn(found: Mapping[str, Parts]) -> list[str]:
    """Dimensions with more than one part, in the order of the page."""
    return [dimension for dimension in DIMENSIONS if len(found.get(dimension, ())) > 1]


def _overall(view: HeadView, model: str) -> float | None:
    value = view.evaluation["skill"][model]["direction"]["ic"]["value"]
    return float(value) if is_number(value) else None


def _figure(view: HeadView, model: str, dimension: str, parts: Parts) -> Figure:
    overall, heading = _overall(view, model), _HEADINGS[dimension]
    spoken, slug = f"IC of {title(model)}, {heading.lower()}", f"{view.slug}-by-{dimension}"
    if dimension == "hour":
        rows = [_dot(part) for part in parts]
        wide, narrow = (
            hour_strip(rows, overall=overall, wide=w, slug=f"{slug}-{w}", title=spoken) for w in (True, False)
        )
        return Figure(heading, wide, narrow, _CAPTION, "whole")
    shown = _farthest(parts, overall or 0.0)
    if len(shown) < len(parts):
        heading = f"The {_MOST} entities farthest off"
    svg = interval_panel([_dot(part) for part in shown], unit="", reference=overall, slug=slug, title=spoken)
    return Figure(heading, svg, caption=_CAPTION)


def _dot(part: Mapping[str, Any]) -> Estimate:
    ic = part["ic"]
    return Estimate(title(part["name"]), ic["value"], ic["low"], ic["high"])


def _farthest(parts: Parts, overall: float) -> Parts:
    """The parts that differ most from all rows together, in their order."""

    def distance(part: Mapping[str, Any]) -> float:
        value = part["ic"]["value"]
        return abs(value - overall) if is_number(value) else 0.0

    far = sorted(parts, key=distance, reverse=True)[:_MOST]
    return [part for part in parts if part in far]


def _tables(view: HeadView, order: Sequence[str], found: Mapping[str, Mapping[str, Parts]]) -> list[Table]:
    """One table of the IC and one of the directional accuracy: a row per part, a column per model."""
    scores = {"ic": ("IC of every model in every part", ""), "accuracy": ("Share of calls on the right side", "share")}
    columns = [Column("Part", mark="text"), Column("By", mark="text"), Column("Rows"), Column("Timestamps")]
    columns += [Column(title(name), mark="lead" if name == view.lead else "") for name in order]
    note = f"● the {view.confidence} interval of the IC lies wholly above zero; ○ wholly below."
    first = found[order[0]]
    return [
        Table(
            caption,
            columns,
            [
                [*_about(part, dimension), *(_cell(found[name], (dimension, place), score, unit) for name in order)]
                for dimension in DIMENSIONS
                for place, part in enumerate(first.get(dimension, ()))
            ],
            note=note if score == "ic" else "",
        )
        for score, (caption, unit) in scores.items()
    ]


def _about(part: Mapping[str, Any], dimension: str) -> list[Cell]:
    counts = [Cell(quantity(part[name])) for name in ("rows", "timestamps")]
    return [Cell(title(part["name"]), mark="text"), Cell(dimension, mark="text quiet"), *counts]


def _cell(found: Mapping[str, Parts], at: tuple[str, int], score: str, unit: str) -> Cell:
    dimension, place = at
    estimate = found[dimension][place][score]
    return estimate_cell(estimate, unit, mark=_sign(estimate) if score == "ic" else "")


def _sign(ic: Mapping[str, Any]) -> str:
    if not (is_number(ic["low"]) and is_number(ic["high"])):
        return ""
    return "win" if ic["low"] > 0 else "loss" if ic["high"] < 0 else ""


def _reading(view: HeadView, model: str, found: Mapping[str, Parts]) -> str:
    ics = [part["ic"] for dimension in _drawn(found) for part in found[dimension] if is_number(part["ic"]["low"])]
    if not ics:
        return f"{opening(title(model))}: no part has rows enough for an interval."
    above, below = (sum(_sign(ic) == sign for ic in ics) for sign in ("win", "loss"))
    lost = percent(round((1 - view.evaluation["confidence"]) / 2, 4))
    said = f"{opening(title(model))}: the IC lies above zero in {quantity(above)} of {counted(len(ics), 'part')} and "
    said += f"below it in {quantity(below)}; by luck alone about {lost} of them would on each side."
    return f"{said} {_extremes(found)}".rstrip()


def _extremes(found: Mapping[str, Parts]) -> str:
    """Best and worst regime of volatility, told with their intervals."""
    known = [part for part in found.get("volatility", ()) if is_number(part["ic"]["value"])]
    if len(known) < 2:
        return ""
    worst, best = (pick(known, key=lambda part: part["ic"]["value"]) for pick in (min, max))
    return f"By volatility: {_told(best)} at best, {_told(worst)} at worst."


def _told(part: Mapping[str, Any]) -> str:
    ic = part["ic"]
    return f"{title(part['name'])} {number(ic['value'])} {interval(ic['low'], ic['high'])}".rstrip()
