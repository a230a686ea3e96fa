"""Direction skill apart from volatility skill."""

from collections.abc import Mapping
from typing import Any

from assay.report.elements import Block, Cell, Column, Table, estimate_cell
from assay.report.format import difference, interval, is_number, number, opening, title
from assay.report.view import HeadView

_LEDE = (
    "Two different things make a forecast look good. Direction skill knows which way the price goes: the IC of the "
    "score p(LONG) − p(SHORT) with the realised return. Volatility skill knows only how large the move will be; it "
    "lifts accuracy and log loss even on a market without any direction, so it never counts as evidence here."
)
_GAIN = "gain of the volatility-only twin over the class prior; positive is better"


def skill_block(view: HeadView) -> Block:
    """Show direction and volatility skill of each model side by side.

    Args:
        view: The head.

    Returns:
        One table: model by kind of skill.
    """
    skill: Mapping[str, Mapping[str, Any]] = view.evaluation.get("skill") or {}
    tables = [table for kind in ("direction", "volatility") if (table := _table(view, skill, kind))]
    return Block(f"{view.slug}-skill", "Direction or volatility?", _LEDE, reading=_reading(view, skill), tables=tables)


def _table(view: HeadView, skill: Mapping[str, Mapping[str, Any]], kind: str) -> Table | None:
    models = [model for model in view.models if (skill.get(model) or {}).get(kind)]
    names = list(dict.fromkeys(name for model in models for name in skill[model][kind]))
    if not names:
        return None
    hint = _GAIN if kind == "volatility" else ""
    columns = [Column("Model", mark="text"), *(Column(_label(view, name), hint=hint) for name in names)]
    rows = [
        [
            Cell(title(model), mark="text lead" if model == view.lead else "text"),
            *(_cell(skill[model][kind].get(name), _unit(view, name), gain=kind == "volatility") for name in names),
        ]
        for model in models
    ]
    return Table(f"{kind.capitalize()} skill", columns, rows)


def _cell(estimate: object, unit: str, *, gain: bool) -> Cell:
    if not gain or not isinstance(estimate, dict):
        return estimate_cell(estimate, unit)
    ends = interval(estimate.get("low"), estimate.get("high"), unit, points=True)
    return Cell(difference(estimate.get("value"), unit), ends)


def _label(view: HeadView, name: str) -> str:
    if name == "t_hac":
        return "t (HAC)"
    return title(name) if name in ("ic", "rank_ic") else f"Gain, {view.info(name).label}"


def _unit(view: HeadView, name: str) -> str:
    return "ratio" if name == "t_hac" else view.info(name).unit


def _reading(view: HeadView, skill: Mapping[str, Mapping[str, Any]]) -> str:
    ic = ((skill.get(view.lead) or {}).get("direction") or {}).get("ic")
    if not isinstance(ic, dict) or not is_number(ic.get("value")):
        return ""
    low, high = ic.get("low"), ic.get("high")
    said = f"{opening(title(view.lead))}: direction IC {number(ic['value'])} {interval(low, high)}".rstrip()
    if not (is_number(low) and is_number(high)):
        return f"{said}."
    return f"{said}; the interval {'contains' if low <= 0 <= high else 'excludes'} zero, the value of no skill."
