"""What the forecasts would have earned after costs, beside holding the market."""

from collections.abc import Mapping, Sequence
from typing import Any

from assay.market.trading import ALWAYS_FLAT, BUY_AND_HOLD
from assay.report.elements import Block, Cell, Column, Drawer, Figure, Table, estimate_cell, value_cell
from assay.report.figures.curves import Curve, equity_figure
from assay.report.figures.ends import Part
from assay.report.format import counted, day, interval, is_number, number, opening, plain, prose, quantity, title
from assay.report.view import HeadView

Measures = Mapping[str, tuple[str, str]]  # label and unit
_LASTED = "max_drawdown_bars"
_LEDE = (
    "Positions follow the forecasts, filled at the execution price the labels use, and pay for trading and holding. "
    "Equity is additive: fixed notional, no compounding. Buy and hold of the same entities over the same time is the "
    "measure, because earning less than the market for more trouble is no result; always flat is the one that needs "
    "no trouble at all. The timing Sharpe is what is left of the Sharpe ratio without drift."
)
_MEASURES = {
    "annual_return": ("Annual return", "share"),
    "annual_volatility": ("Annual volatility", "share"),
    "sharpe": ("Sharpe", "ratio"),
    "timing_sharpe": ("Timing Sharpe", "ratio"),
    "lo_sharpe": ("Sharpe, Lo 2002", "ratio"),
    "sortino": ("Sortino", "ratio"),
    "calmar": ("Calmar", "ratio"),
    "max_drawdown": ("Max drawdown", "share"),
    "win_rate": ("Win rate", "share"),
    "profit_factor": ("Profit factor", "ratio"),
    "turnover_per_year": ("Turnover a year", "ratio"),
    "exposure": ("Exposure", "share"),
    "bars": ("Bars", "bars"),
}
_HINTS = {
    "timing_sharpe": "what is left of the Sharpe ratio without drift: always long earns none",
    "lo_sharpe": "annualised with the autocorrelation of the returns",
    "calmar": "annual return over the size of the deepest drawdown",
    "max_drawdown": "below it: bars from its peak to recovery, or to the end",
    "win_rate": "share of winning bars among bars with a result",
    "exposure": "mean size of the positions, long plus short, as a share of the capital",
}
_FROM_GROSS_TO_NET = {
    "gross": ("Before costs", "share"),
    "fees": ("Fees", "share"),
    "slippage": ("Slippage", "share"),
    "impact": ("Impact", "share"),
    "borrow": ("Borrow", "share"),
    "funding": ("Funding", "share"),
    "total_return": ("Total return", "share"),
}
_UNITS = "Costs are shares of the capital; below zero they were earned. Turnover is in multiples of the capital."


def cost_block(view: HeadView) -> Block:
    """Show equity, drawdown and performance after costs, and what decided the positions.

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
        f"{_LEDE} {assumptions(view)}",
        reading=_reading(view),
        figures=[_figure(view)],
        tables=_tables(view),
        more=_policies(view),
    )


def performance(view: HeadView, name: str) -> Mapping[str, Any]:
    """Return the performance of a model, of buy and hold, or of doing nothing."""
    found: Mapping[str, Any] = view.facts.backtest[name]["performance"]
    return found


def assumptions(view: HeadView) -> str:
    """Say what trading and holding was charged: the sentence that stands beside every figure after costs."""
    return prose(f"{view.facts.costs} {view.facts.funding}")


def books(view: HeadView) -> list[str]:
    """Name every book, models first, then buy and hold and always flat."""
    return [*(name for name in view.models if name in view.facts.backtest), BUY_AND_HOLD, ALWAYS_FLAT]


def part_of(view: HeadView, name: str) -> Part:
    """Say whose line a book gets."""
    return "lead" if name == view.lead else "market" if name == BUY_AND_HOLD else "other"


def name_cell(view: HeadView, name: str) -> Cell:
    """Write the name of a book: the lead strong, what is no model quiet."""
    known = name in view.models and view.role(name) == "model"
    return Cell(title(name), mark="text lead" if name == view.lead else "text" if known else "text quiet")


def curves(view: HeadView, names: Sequence[str], *, limit: int) -> list[Curve]:
    """Read the equity curves of ``names``, the lead last so that it is drawn on top."""
    return [
        Curve.read(title(name), view.facts.backtest[name], part=part_of(view, name), limit=limit)
        for name in reversed(names)
    ]


def _figure(view: HeadView) -> Figure:
    names = [*view.top, BUY_AND_HOLD]
    wide, narrow = (curves(view, names, limit=limit) for limit in (600, 240))
    slug, lead = f"{view.slug}-equity", title(view.lead)
    lines = f"Equity starts at 1. Strong line: {lead}; thin: next best models; dashed: buy and hold."
    band = f"Bootstrap band, {view.confidence}: where {lead} could have been had its bars come in another order."
    return Figure(
        "Equity and drawdown after costs",
        equity_figure(wide, wide=True, slug=f"{slug}-wide"),
        equity_figure(narrow, wide=False, slug=f"{slug}-narrow"),
        f"{lines} {band} {assumptions(view)}",
        "whole",
    )


def _tables(view: HeadView) -> list[Table]:
    said = assumptions(view)
    return [
        Table("Performance after costs", *_grid(view, _MEASURES), note=said),
        Table("From gross to net", *_grid(view, _FROM_GROSS_TO_NET), note=f"{said} {_UNITS}"),
    ]


def _grid(view: HeadView, specs: Measures) -> tuple[list[Column], list[list[Cell]]]:
    columns = [Column(label, hint=_HINTS.get(measure, "")) for measure, (label, _) in specs.items()]
    rows = [
        [name_cell(view, name), *(_cell(performance(view, name), m, unit) for m, (_, unit) in specs.items())]
        for name in books(view)
    ]
    return [Column("Model", mark="text"), *columns], rows


def _cell(found: Mapping[str, Any], measure: str, unit: str) -> Cell:
    if measure == "max_drawdown":
        return Cell(number(found[measure], unit), counted(found[_LASTED], "bar"))
    return estimate_cell(found[measure], unit)


def _policies(view: HeadView) -> list[Drawer]:
    """How positions were sized, and what each fold chose where the sizing was searched."""
    found = {name: view.facts.backtest[name]["policy"] for name in view.tried}
    columns = [Column("Model", mark="text"), Column("Sizing", mark="text"), Column("What it does", mark="text")]
    rows = [
        [
            name_cell(view, name),
            Cell(plain(policy["sizing"]), mark="text"),
            Cell(prose(policy["said"]), mark="text prose"),
        ]
        for name, policy in found.items()
    ]
    tables = [Table("Sizing", columns, rows), *([_chosen(view)] if found[view.lead]["folds"] else [])]
    return [Drawer("How large the positions were", tables)]


def _chosen(view: HeadView) -> Table:
    """One row per fold: what it could look at, and what each model chose by it."""
    policies = {name: view.facts.backtest[name]["policy"]["folds"] for name in view.tried}
    columns = [
        Column("Fold", mark="text"),
        Column("Begins"),
        Column("Bars looked at", hint="all before the fold begins; none: the sizing as given"),
        Column("Last of them"),
        *(Column(title(name), mark="lead" if name == view.lead else "") for name in policies),
    ]
    rows = [
        [
            Cell(f"Fold {told['fold']}", mark="text"),
            Cell(day(told["test_start"])),
            Cell(quantity(told["bars"])),
            value_cell(day(told["until"])),
            *(Cell(plain(folds[place]["chosen"])) for folds in policies.values()),
        ]
        for place, told in enumerate(policies[view.lead])
    ]
    return Table("Chosen in each fold, on the books of earlier folds", columns, rows)


def _reading(view: HeadView) -> str:
    mine, held = (performance(view, name)["total_return"] for name in (view.lead, BUY_AND_HOLD))
    sharpe = performance(view, view.lead)["sharpe"]
    said = f"{opening(title(view.lead))} returned {number(mine, 'share')} after costs"
    if is_number(sharpe["value"]):
        ends = interval(sharpe["low"], sharpe["high"], "ratio")
        said += f" (Sharpe {number(sharpe['value'], 'ratio')} {ends})".replace(" )", ")")
    return f"{said}; buy and hold returned {number(held, 'share')}."
