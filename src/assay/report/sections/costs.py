"""What the forecasts would have earned after costs, beside holding the market."""

from collections.abc import Mapping
from typing import Any

from assay.market.trading import BUY_AND_HOLD
from assay.report.elements import Block, Cell, Column, Figure, Table, estimate_cell
from assay.report.figures.curves import Curve, equity_figure
from assay.report.format import counted, interval, is_number, number, opening, plain, prose, title
from assay.report.view import HeadView

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
        The block; empty where no position earns what the head predicts.
    """
    if not view.facts.traded:
        return Block(f"{view.slug}-costs", "After costs", _LEDE)
    return Block(
        f"{view.slug}-costs",
        "After costs",
        _LEDE,
        reading=_reading(view),
        figures=[_figure(view)],
        tables=_tables(view),
    )


def performance(view: HeadView, name: str) -> Mapping[str, Any]:
    """Return the performance of a model or of buy and hold."""
    found: Mapping[str, Any] = view.facts.backtest[name]["performance"]
    return found


def curves(view: HeadView, names: list[str], *, limit: int) -> list[Curve]:
    """Read the equity curves of ``names``, the lead last so that it is drawn on top."""
    return [
        Curve.read(title(name), view.facts.backtest[name]["curve"], part=_part(view, name), limit=limit)
        for name in reversed(names)
    ]


def _part(view: HeadView, name: str) -> str:
    return "lead" if name == view.lead else "market" if name == BUY_AND_HOLD else "other"


def _figure(view: HeadView) -> Figure:
    names = [*view.top, BUY_AND_HOLD]
    wide, narrow = (curves(view, names, limit=limit) for limit in (600, 240))
    slug = f"{view.slug}-equity"
    return Figure(
        "Equity and drawdown after costs",
        equity_figure(wide, wide=True, slug=f"{slug}-wide"),
        equity_figure(narrow, wide=False, slug=f"{slug}-narrow"),
        f"Equity starts at 1. Strong line: {title(view.lead)}; thin: next best models; dashed: buy and hold.",
        "whole",
    )


def _tables(view: HeadView) -> list[Table]:
    names = [*(name for name in view.models if name in view.facts.backtest), BUY_AND_HOLD]
    return [
        Table("Performance after costs", *_grid(view, names, _MEASURES)),
        Table("From gross to net", *_grid(view, names, _FROM_GROSS_TO_NET), note=_assumptions(view)),
    ]


def _grid(view: HeadView, names: list[str], specs: Measures) -> tuple[list[Column], list[list[Cell]]]:
    columns = [Column("Model", mark="text"), *(Column(label) for label, _ in specs.values())]
    rows = [
        [_name_cell(view, name), *(_cell(performance(view, name), m, unit) for m, (_, unit) in specs.items())]
        for name in names
    ]
    return columns, rows


def _cell(found: Mapping[str, Any], measure: str, unit: str) -> Cell:
    if measure == "max_drawdown":
        return Cell(number(found[measure], unit), counted(found[_LASTED], "bar"))
    return estimate_cell(found[measure], unit)


def _assumptions(view: HeadView) -> str:
    turnover = "Turnover is in multiples of the capital; costs are shares of it."
    return f"Costs: {plain(view.facts.costs)}. {prose(view.facts.funding)} {turnover}"


def _name_cell(view: HeadView, name: str) -> Cell:
    known = name in view.models and view.role(name) == "model"
    return Cell(title(name), mark="text lead" if name == view.lead else "text" if known else "text quiet")


def _reading(view: HeadView) -> str:
    mine, held = (performance(view, name)["total_return"] for name in (view.lead, BUY_AND_HOLD))
    sharpe = performance(view, view.lead)["sharpe"]
    said = f"{opening(title(view.lead))} returned {number(mine, 'share')} after costs"
    if is_number(sharpe["value"]):
        ends = interval(sharpe["low"], sharpe["high"], "ratio")
        said += f" (Sharpe {number(sharpe['value'], 'ratio')} {ends})".replace(" )", ")")
    return f"{said}; buy and hold returned {number(held, 'share')}."
