"""Direction skill apart from volatility skill."""

from collections.abc import Mapping
from typing import Any

from assay.report.elements import Block, Cell, Column, Table, estimate_cell, value_cell
from assay.report.format import difference, interval, is_number, number, opening, title
from assay.report.view import HeadView

_LEDE = (
    "Two different things make a forecast look good. Direction skill knows which way the price goes: the IC of the "
    "score p(LONG) − p(SHORT) with the realised return. Volatility skill knows only how large the move will be; it "
    "lifts accuracy and log loss even on a market without any direction, so it never counts as evidence here."
)
_UNTRADED = (
    "What is forecast here is no return, so no position earns it, and there are no books. The IC is the correlation of "
    "the forecast with what came; knowing this target is no evidence of knowing a price."
)
_GAIN = "gain of the volatility-only twin over the class prior; positive is better"


def skill_block(view: HeadView) -> Block:
    """Show direction and volatility skill of each model side by side.

    Args:
        view: The head.

    Returns:
        One table: model by kind of skill.
    """
    tables = [table for table in (_directions(view), _volatilities(view)) if table]
    heading, lede = ("Direction or volatility?", _LEDE) if view.facts.traded else ("Skill", _UNTRADED)
    return Block(f"{view.slug}-skill", heading, lede, reading=_reading(view), tables=tables)


def _directions(view: HeadView) -> Table:
    columns = [Column("Model", mark="text"), Column("IC"), Column("t (HAC)")]
    skill = _skill(view, "direction")
    rows = [
        [_name(view, model), estimate_cell(found["ic"]), value_cell(found["t_hac"], "t")]
        for model, found in skill.items()
    ]
    return Table("Direction skill" if view.facts.traded else "Skill", columns, rows)


def _volatilities(view: HeadView) -> Table | None:
    """A table of those that have a twin without direction; none on heads without classes."""
    skill = {model: found for model, found in _skill(view, "volatility").items() if found}
    if not skill:
        return None
    metrics = list(next(iter(skill.values())))
    columns = [Column(f"Gain, {view.info(name).label}", hint=_GAIN) for name in metrics]
    rows = [
        [_name(view, model), *(_gain(found[name], view.info(name).unit) for name in metrics)]
        for model, found in skill.items()
    ]
    return Table("Volatility skill", [Column("Model", mark="text"), *columns], rows)


def _skill(view: HeadView, kind: str) -> dict[str, Mapping[str, Any]]:
    skill = view.evaluation["skill"]
    return {model: skill[model][kind] for model in view.models if model in skill}


def _name(view: HeadView, model: str) -> Cell:
    return Cell(title(model), mark="text lead" if model == view.lead else "text")


def _gain(estimate: Mapping[str, Any], unit: str) -> Cell:
    ends = interval(estimate["low"], estimate["high"], unit, points=True)
    return Cell(difference(estimate["value"], unit), ends)


def _reading(view: HeadView) -> str:
    ic = view.evaluation["skill"][view.lead]["direction"]["ic"]
    if not is_number(ic["value"]):
        return ""
    low, high = ic["low"], ic["high"]
    label = "direction IC" if view.facts.traded else "IC"
    said = f"{opening(title(view.lead))}: {label} {number(ic['value'])} {interval(low, high)}".rstrip()
    if not (is_number(low) and is_number(high)):
        return f"{said}."
    return f"{said}; the interval {'contains' if low <= 0 <= high else 'excludes'} zero, the value of no skill."
