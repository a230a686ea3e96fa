"""When, and with which entities, the net result was earned."""

from collections.abc import Mapping, Sequence
from typing import Any

from assay.market.trading import BUY_AND_HOLD
from assay.report.elements import Block, Cell, Column, Drawer, Figure, Table, value_cell
from assay.report.figures.entities import Earned, entity_figure
from assay.report.figures.months import Month, month_grid, year_totals
from assay.report.format import counted, number, opening, quantity, title
from assay.report.sections.costs import assumptions, books, performance
from assay.report.view import HeadView

_LEDE = (
    "A result that comes from a few months or from one entity is a story about them, not about the forecast. Returns "
    "add up: the months of a year to the year, the entities, each on its own share of the capital, to the whole."
)
_MOST = 14  # entities drawn; all are in the drawer
Rows = Sequence[Mapping[str, Any]]


def earned_block(view: HeadView) -> Block:
    """Show the net return of each month, year and entity.

    Args:
        view: The head.

    Returns:
        The block; empty where no position earns what the head predicts.
    """
    name, heading = f"{view.slug}-earned", "When and where was it earned?"
    if not view.facts.traded:
        return Block(name, heading, _LEDE)
    months = _months(view, view.lead)
    return Block(
        name,
        heading,
        _LEDE,
        reading=_reading(view, months),
        figures=[_calendar(view, months), *_entities(view)],
        tables=[_years(view)],
        more=[Drawer("Every book by entity", _by_entity(view))],
    )


def _months(view: HeadView, name: str) -> list[Month]:
    return [Month.read(**one) for one in view.facts.backtest[name]["monthly"]]


def _calendar(view: HeadView, months: Sequence[Month]) -> Figure:
    heading = f"Net return of {title(view.lead)} by month, in percent"
    wide, narrow = (
        month_grid(months, wide=w, slug=f"{view.slug}-months-{w}", title=f"{heading} of the capital")
        for w in (True, False)
    )
    caption = f"Shares of the capital, UTC; the stronger the colour, the larger the month. {assumptions(view)}"
    return Figure(heading, wide, narrow, caption, "whole")


def _entities(view: HeadView) -> list[Figure]:
    """The entities that earned and lost most; nothing where there is only one."""
    mine, held = ({one["name"]: one["ret"] for one in _parts(view, name)} for name in (view.lead, BUY_AND_HOLD))
    if len(mine) < 2:
        return []
    far = sorted(mine, key=lambda name: abs(mine[name]), reverse=True)[:_MOST]
    rows = [Earned(title(name), mine[name], held[name]) for name in sorted(far, key=mine.__getitem__, reverse=True)]
    heading = "Net return by entity" if len(far) == len(mine) else f"The {_MOST} entities that moved it most"
    wide, narrow = (entity_figure(rows, wide=w, slug=f"{view.slug}-earners-{w}", title=heading) for w in (True, False))
    caption = f"Filled: {title(view.lead)}; hollow: buy and hold. Of an entity's own share of the capital."
    return [Figure(heading, wide, narrow, f"{caption} {assumptions(view)}", "half")]


def _parts(view: HeadView, name: str) -> Rows:
    found: Rows = view.facts.backtest[name]["by_entity"]
    return found


def _years(view: HeadView) -> Table:
    names = [*view.top, BUY_AND_HOLD]
    totals = {name: year_totals(_months(view, name)) for name in names}
    columns = [Column("Year", mark="text"), *(_column(view, name) for name in names)]
    rows = [
        [Cell(str(year), mark="text"), *(value_cell(totals[name].get(year), "share") for name in names)]
        for year in totals[BUY_AND_HOLD]
    ]
    whole = [value_cell(performance(view, name)["total_return"], "share", mark="lead") for name in names]
    rows.append([Cell("All", mark="text lead"), *whole])
    return Table("Net return by year", columns, rows, note=assumptions(view))


def _column(view: HeadView, name: str) -> Column:
    return Column(title(name), mark="lead" if name == view.lead else "quiet" if name == BUY_AND_HOLD else "")


def _by_entity(view: HeadView) -> list[Table]:
    names = books(view)[:-1]
    columns = [Column("Entity", mark="text"), *(_column(view, name) for name in names)]
    rows = [
        [Cell(title(one["name"]), mark="text"), *(_part(_parts(view, name)[place]) for name in names)]
        for place, one in enumerate(_parts(view, BUY_AND_HOLD))
    ]
    note = f"Below each return: its Sharpe ratio, without an interval. {assumptions(view)}"
    return [Table("Net return by entity, on its own share of the capital", columns, rows, note=note)]


def _part(found: Mapping[str, Any]) -> Cell:
    return Cell(number(found["ret"], "share"), number(found["sharpe"], "ratio"))


def _reading(view: HeadView, months: Sequence[Month]) -> str:
    won, lost = sum(one.ret > 0 for one in months), sum(one.ret < 0 for one in months)
    who, all_of_them = opening(title(view.lead)), counted(len(months), "month")
    if not won + lost:
        return f"{who} earned and lost nothing in {all_of_them}."
    best, worst = (pick(months, key=lambda one: one.ret) for pick in (max, min))
    said = f"{who} won in {quantity(won)} and lost in {quantity(lost)} of {all_of_them}; "
    said += f"the best was {_named(best)}, the worst {_named(worst)}."
    return f"{said} {_without_best(view)}".rstrip()


def _named(one: Month) -> str:
    return f"{one.year}-{one.month:02d} with {number(one.ret, 'share')}"


def _without_best(view: HeadView) -> str:
    """What is left without the best tenth of the months, beside holding; nothing where nothing was won."""
    mine, held = (sorted(one.ret for one in _months(view, name)) for name in (view.lead, BUY_AND_HOLD))
    if sum(mine) <= 0:
        return ""
    few = max(1, round(len(mine) / 10))
    left = [f"{number(sum(found[:-few]), 'share')} of {number(sum(found), 'share')}" for found in (mine, held)]
    return f"Without its best {counted(few, 'month')} {left[0]} is left; of buy and hold, without its own, {left[1]}."
