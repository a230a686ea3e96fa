"""Prediction intervals: whether they hold what they promise, and where they do not."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from markupsafe import Markup

from assay.report.elements import Block, Cell, Column, Drawer, Figure, Table
from assay.report.figures.coverage import coverage_strip, short_of
from assay.report.figures.intervals import Estimate, interval_panel
from assay.report.format import counted, interval, is_number, number, opening, percent, quantity, title
from assay.report.view import HeadView

_LEDE = (
    "A prediction interval of {} should hold {} of the outcomes, whatever the market does. Adaptive conformal "
    "intervals widen after misses and narrow after hits, as soon as an outcome is known, in units of the volatility of "
    "the time. The average is easy to reach; what counts is that it holds in calm and "
    "wild times, for every entity and month."
)
_CAPTION = "Dot: share of outcomes inside, with its interval. Dashed: promised. Red: wholly below it."
_MOST = 14  # entities drawn; all are in the drawer
Found = Mapping[str, Any]
Parts = Sequence[Mapping[str, Any]]


def coverage_block(view: HeadView) -> Block:
    """Show what the intervals of the lead cover, and those of every model.

    Args:
        view: The head (regression).

    Returns:
        The block; empty on other kinds of heads, or without intervals.
    """
    document = view.facts.calibration
    models: Mapping[str, Found] = document["models"] if view.facts.kind == "regression" else {}
    if not models:
        return Block(f"{view.slug}-intervals", "Prediction intervals", "")
    nominal = document["coverage"]
    order = [*(name for name in view.tried if name in models), *(name for name in models if name not in view.tried)]
    first = models[order[0]]
    return Block(
        f"{view.slug}-intervals",
        "Prediction intervals",
        _LEDE.format(percent(nominal), percent(nominal)),
        reading=_reading(order[0], first, nominal),
        figures=[_all(view, order, models), *_figures(view, order[0], first, nominal)],
        tables=[_models(view, order, models)],
        more=[Drawer("Every part of every model", [_parts(name, models[name]) for name in order])],
        tone="caution" if short_of(first, nominal) else "",
    )


def _all(view: HeadView, order: Sequence[str], models: Mapping[str, Found]) -> Figure:
    nominal = view.facts.calibration["coverage"]
    rows = [
        replace(_dot(title(name), models[name], nominal), role=view.part(name), lead=name == view.lead)
        for name in order
    ]
    svg = interval_panel(rows, unit="share", reference=nominal, slug=f"{view.slug}-coverage", title="Coverage by model")
    return Figure("Every model", svg, caption=_CAPTION)


def _figures(view: HeadView, name: str, found: Found, nominal: float) -> list[Figure]:
    slug, months = f"{view.slug}-coverage-{name}", found["by_month"]
    panels = {
        f"{opening(title(name))}, by volatility": found["by_volatility"],
        f"{opening(title(name))}, {_entities(found['by_entity'])}": _farthest(found["by_entity"], nominal),
    }
    drawn = [
        Figure(heading, _panel(parts, nominal, f"{slug}-{place}", heading))
        for place, (heading, parts) in enumerate(panels.items())
        if parts
    ]
    if not months:
        return drawn
    wide, narrow = (coverage_strip(months, nominal=nominal, wide=w, slug=f"{slug}-month-{w}") for w in (True, False))
    return [*drawn, Figure(f"{opening(title(name))}, by month", wide, narrow, size="whole")]


def _panel(parts: Parts, nominal: float, slug: str, heading: str) -> Markup:
    rows = [_dot(str(one["name"]), one, nominal) for one in parts]
    return interval_panel(rows, unit="share", reference=nominal, slug=slug, title=f"Coverage, {heading}")


def _dot(name: str, found: Found, nominal: float) -> Estimate:
    return Estimate(name, found["coverage"], found["low"], found["high"], short=short_of(found, nominal))


def _entities(parts: Parts) -> str:
    return "by entity" if len(parts) <= _MOST else f"the {_MOST} entities farthest off"


def _farthest(parts: Parts, nominal: float) -> Parts:
    """The entities whose coverage is farthest from what was promised, in their order."""
    far = sorted(parts, key=lambda one: -abs((one["coverage"] or nominal) - nominal))[:_MOST]
    return [one for one in parts if one in far]


def _models(view: HeadView, order: Sequence[str], models: Mapping[str, Found]) -> Table:
    columns = [
        Column("Model", mark="text"),
        Column("Coverage"),
        Column("Mean width", hint="of the intervals that have two ends"),
        Column(
            "Unbounded", "rows", "rows on which no finite interval would have kept the promise, or none was due yet"
        ),
        Column("Calm third"),
        Column("Wild third"),
        Column("Months below", hint="months whose interval of coverage lies wholly below what is promised"),
    ]
    nominal = view.facts.calibration["coverage"]
    rows = [_model(view, name, models[name], nominal) for name in order]
    note = f"Promised: {percent(nominal)}. Method: {title(view.facts.calibration['method'])}."
    return Table("Intervals of every model", columns, rows, note=note)


def _model(view: HeadView, name: str, found: Found, nominal: float) -> list[Cell]:
    terciles, months, waiting = found["by_volatility"], found["by_month"], found["waiting"]
    return [
        Cell(title(name), mark="text lead" if name == view.lead else "text"),
        _covered(found),
        Cell(number(found["mean_width"], "return")),
        Cell(quantity(found["infinite"]), f"{quantity(waiting)} waiting" if waiting else ""),
        *(_covered(terciles[at]) if terciles else Cell("") for at in (0, -1)),
        Cell(f"{sum(short_of(month, nominal) for month in months)} of {len(months)}"),
    ]


def _covered(found: Found) -> Cell:
    return Cell(number(found["coverage"], "share"), interval(found["low"], found["high"], "share"))


def _parts(name: str, found: Found) -> Table:
    columns = [Column("Part", mark="text"), Column("By", mark="text"), Column("Rows"), Column("Coverage")]
    kinds = {"volatility": "by_volatility", "entity": "by_entity", "month": "by_month"}
    rows = [
        [Cell(str(one["name"]), mark="text"), Cell(kind, mark="text quiet"), Cell(quantity(one["rows"])), _covered(one)]
        for kind, part in kinds.items()
        for one in found[part]
    ]
    return Table(f"Coverage of {title(name)}, every part", columns, rows)


def _reading(name: str, found: Found, nominal: float) -> str:
    if not is_number(found["coverage"]):
        return f"{opening(title(name))}: no outcome to judge an interval by."
    ends = interval(found["low"], found["high"], "share")
    said = f"{opening(title(name))}: intervals of {percent(nominal)} hold {number(found['coverage'], 'share')} {ends}"
    falls = " That is less than promised." if short_of(found, nominal) else ""
    open_ones = f"; {counted(found['infinite'], 'row')} without a bound" if found["infinite"] else ""
    return f"{said.rstrip()} of the outcomes{open_ones}.{falls}"
