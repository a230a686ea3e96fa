"""What the forecasts would have earned after costs, beside holding the market."""

from collections.abc import Mapping
from typing import Any

from assay.report.elements import Block, Cell, Column, Figure, Table, estimate_cell
from assay.report.figures.curves import Curve, equity_figure
from assay.report.format import interval, is_number, number, opening, plain, title
from assay.report.view import HeadView

HOLD = "buy and hold"
Measures = Mapping[str, tuple[str, str]]  # label and unit
_LASTED = "max_drawdown_bars"
_LEDE = (
    "Positions follow the forecasts, filled at the execution price the labels use, and pay fees, slippage and funding. "
    "Equity is additive: fixed notional, no compounding. Buy and hold of the same entities over the same time is the "
    "measure, because earning less than the market for more trouble is no result."
)
_MEASURES = {
    "annual_return": ("Annual return", "share"),
    "annual_volatility": ("Annual volatility", "share"),
    "sharpe": ("Sharpe", "ratio"),
    "timing_sharpe": ("Timing Sharpe", "ratio"),
    "sortino": ("Sortino", "ratio"),
    "max_drawdown": ("Max drawdown", "share"),
    "win_rate": ("Win rate", "share"),
    "profit_factor": ("Profit factor", "ratio"),
    "turnover": ("Turnover", "ratio"),
    "turnover_per_year": ("Turnover a year", "ratio"),
    "exposure": ("Exposure", "share"),
    "bars": ("Bars", "bars"),
}
_FROM_GROSS_TO_NET = {
    "gross": ("Before costs", "share"),
    "fees": ("Fees", "share"),
    "slippage": ("Slippage", "share"),
    "funding": ("Funding", "share"),
    "total_return": ("Total return", "share"),
}


def cost_block(view: HeadView) -> Block:
    """Show equity, drawdown and performance after costs.

    Args:
        view: The head.

    Returns:
        The block; empty when the head was not backtested.
    """
    return Block(
        f"{view.slug}-costs",
        "After costs",
        _LEDE,
        reading=_reading(view),
        figures=_figures(view),
        tables=_tables(view) if view.facts.backtest else (),
    )


def performance(view: HeadView, name: str) -> Mapping[str, Any]:
    """Return the performance of a model or of buy and hold; empty when it was not backtested."""
    found: Mapping[str, Any] = (view.facts.backtest.get(name) or {}).get("performance") or {}
    return found


def curves(view: HeadView, names: list[str], *, limit: int) -> list[Curve]:
    """Read the equity curves that exist among ``names``, the lead last so that it is drawn on top."""
    found = [(name, (view.facts.backtest.get(name) or {}).get("curve") or {}) for name in names]
    return [
        Curve.read(title(name), curve, part=_part(view, name), limit=limit)
        for name, curve in reversed(found)
        if curve.get("equity")
    ]


def _part(view: HeadView, name: str) -> str:
    return "lead" if name == view.lead else "market" if name == HOLD else "other"


def _figures(view: HeadView) -> list[Figure]:
    names = [*view.top, HOLD]
    wide, narrow = (curves(view, names, limit=limit) for limit in (600, 240))
    if not wide:
        return []
    slug = f"{view.slug}-equity"
    return [
        Figure(
            "Equity and drawdown after costs",
            equity_figure(wide, wide=True, slug=f"{slug}-wide"),
            equity_figure(narrow, wide=False, slug=f"{slug}-narrow"),
            f"Equity starts at 1. Strong line: {title(view.lead)}; thin: next best models; dashed: buy and hold.",
            "whole",
        )
    ]


def _tables(view: HeadView) -> list[Table]:
    names = [name for name in view.models if name in view.facts.backtest]
    names += [name for name in view.facts.backtest if name not in names]
    measured = {measure for name in names for measure in performance(view, name)}
    others = {name: (title(name), "") for name in sorted(measured - {*_MEASURES, *_FROM_GROSS_TO_NET, _LASTED})}
    risk = {name: spec for name, spec in (_MEASURES | others).items() if name in measured}
    money = {name: spec for name, spec in _FROM_GROSS_TO_NET.items() if name in measured}
    return [
        Table("Performance after costs", *_grid(view, names, risk)),
        Table("From gross to net", *_grid(view, names, money), note=_assumptions(view)),
    ]


def _grid(view: HeadView, names: list[str], specs: Measures) -> tuple[list[Column], list[list[Cell]]]:
    columns = [Column("Model", mark="text"), *(Column(label) for label, _ in specs.values())]
    rows = [
        [_name_cell(view, name), *(_cell(performance(view, name), m, unit) for m, (_, unit) in specs.items())]
        for name in names
    ]
    return columns, rows


def _cell(found: Mapping[str, Any], measure: str, unit: str) -> Cell:
    lasted = found.get(_LASTED)
    if measure == "max_drawdown" and is_number(lasted):
        return Cell(number(found.get(measure), unit), f"{number(lasted, 'bars')} bars")
    return estimate_cell(found.get(measure), unit)


def _assumptions(view: HeadView) -> str:
    costs = f"Costs: {plain(view.facts.costs)}. " if view.facts.costs else ""
    return f"{costs}{view.facts.funding} Turnover is in multiples of the capital; costs are shares of it.".strip()


def _name_cell(view: HeadView, name: str) -> Cell:
    known = name in view.models and view.role(name) == "model"
    return Cell(title(name), mark="text lead" if name == view.lead else "text" if known else "text quiet")


def _reading(view: HeadView) -> str:
    mine, held = performance(view, view.lead), performance(view, HOLD)
    if not is_number(mine.get("total_return")):
        return ""
    said = f"{opening(title(view.lead))} returned {number(mine['total_return'], 'share')} after costs"
    sharpe = mine.get("sharpe")
    if isinstance(sharpe, dict) and is_number(sharpe.get("value")):
        ends = interval(sharpe.get("low"), sharpe.get("high"), "ratio")
        said += f" (Sharpe {number(sharpe['value'], 'ratio')} {ends})".replace(" )", ")")
    if is_number(held.get("total_return")):
        said += f"; buy and hold returned {number(held['total_return'], 'share')}"
    return f"{said}."
