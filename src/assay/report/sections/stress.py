"""How much of the net result survives higher costs, more capital, and the same trades at other times."""

from collections.abc import Mapping
from typing import Any

from assay.market.trading import BUY_AND_HOLD
from assay.report.elements import Block, Cell, Column, Figure, Table, estimate_cell, value_cell
from assay.report.figures.entries import Among, entries_figure
from assay.report.figures.stress import Stressed, stress_figure, times
from assay.report.format import MISSING, is_number, number, opening, prose, quantity, title
from assay.report.sections.costs import assumptions, name_cell, part_of, performance
from assay.report.view import HeadView

_LEDE = (
    "Costs are assumptions, so the same trades are priced again at other costs; the break-even cost is where the book "
    "ends where it began. Capacity is the capital at which the impact of its own trades would take all it earns. And "
    "the same positions are moved in time: random entries trade as much, as long and to the same side as the book, so "
    "what they earn is drift, and only what lies beyond them is timing."
)
_CURVE = "Strong line: {}; thin: next best models; dashed: buy and hold. Always flat has no Sharpe: it earns zero."
_RANDOM = "Dot: the book. Bar: 2.5 to 97.5 in 100 of the books moved in time; tick: their median. {}"
_MOST = 14  # books drawn among random entries; all are in the table


def stress_block(view: HeadView) -> Block:
    """Show the Sharpe ratio at other costs, the break-even cost, the capacity, and random entries.

    Args:
        view: The head.

    Returns:
        The block; empty where no position earns what the head predicts.
    """
    name, heading = f"{view.slug}-stress", "How much of it survives?"
    if not view.facts.traded:
        return Block(name, heading, _LEDE)
    return Block(
        name,
        heading,
        _LEDE,
        reading=_reading(view),
        figures=[*_curve(view), *_among(view)],
        tables=[_costs(view), _random(view)],
    )


def break_even_multiple(book: Mapping[str, Any]) -> float | None:
    """Find the multiple of its trading costs at which a book ends where it began.

    The annual return falls on a straight line, because the trades stay the same.

    Args:
        book: A book of the backtest.

    Returns:
        The multiple, below 0 for a book that loses before it pays for trades; None where trading costs nothing.
    """
    first, last = (book["stress"][place] for place in (0, -1))
    lost = first["annual_return"] - last["annual_return"]
    if lost <= 0:
        return None
    span = last["multiple"] - first["multiple"]
    return float(first["multiple"] + span * first["annual_return"] / lost)


def _order(view: HeadView) -> list[str]:
    """Models, then those baselines that trade, then buy and hold."""
    baselines = [
        name for name in view.models if view.role(name) == "baseline" and view.facts.backtest[name]["episodes"]
    ]
    return [*view.tried, *baselines, BUY_AND_HOLD]


def _stressed(view: HeadView, name: str) -> Stressed | None:
    book = view.facts.backtest[name]
    rows = [row for row in book["stress"] if is_number(row["sharpe"])]
    if not rows:
        return None
    sharpes = [row["sharpe"] for row in rows]
    multiples = [row["multiple"] for row in rows]
    return Stressed(title(name), multiples, sharpes, break_even_multiple(book), part_of(view, name))


def _curve(view: HeadView) -> list[Figure]:
    if _stressed(view, view.lead) is None:
        return []
    books = [one for name in reversed([*view.top, BUY_AND_HOLD]) if (one := _stressed(view, name)) is not None]
    wide, narrow = (stress_figure(books, wide=w, slug=f"{view.slug}-stress-{w}") for w in (True, False))
    caption = f"{_CURVE.format(title(view.lead))} 1×: {assumptions(view)}"
    return [Figure("Sharpe ratio at other costs", wide, narrow, caption, "half")]


def _among(view: HeadView) -> list[Figure]:
    rows = [
        Among(title(name), own, **found["sharpe"], lead=name == view.lead)
        for name in _order(view)[:-1]
        for found, own in [(view.facts.backtest[name]["random"], performance(view, name)["sharpe"]["value"])]
        if found["entries"] and is_number(own)
    ][:_MOST]
    if not rows:
        return []
    wide, narrow = (entries_figure(rows, wide=w, slug=f"{view.slug}-entries-{w}") for w in (True, False))
    caption = _RANDOM.format(assumptions(view))
    return [Figure("Sharpe ratio beside random entries", wide, narrow, caption, "half")]


def _costs(view: HeadView) -> Table:
    multiples = [row["multiple"] for row in view.facts.backtest[view.lead]["stress"]]
    columns = [
        Column("Model", mark="text"),
        *(Column(f"Sharpe at {times(multiple)}", hint="below it: annual return") for multiple in multiples),
        Column("Break-even", "bp, one way", "cost of a unit of turnover at which the book ends where it began"),
        Column("Break-even", "times the costs"),
        Column("Capacity", "quote currency", "capital at which the impact of its trades takes all that it earns"),
    ]
    rows = [_cost_row(view, name) for name in _order(view)]
    note = "Positions stay as they were; funding and borrowing are paid for holding and stay too."
    return Table("The same trades at other costs", columns, rows, note=f"1×: {assumptions(view)} {note}")


def _cost_row(view: HeadView, name: str) -> list[Cell]:
    book = view.facts.backtest[name]
    even, capacity = break_even_multiple(book), book["capacity"]
    capital = quantity(round(capacity["capital"])) if is_number(capacity["capital"]) else MISSING
    return [
        name_cell(view, name),
        *(Cell(number(row["sharpe"], "ratio"), number(row["annual_return"], "share")) for row in book["stress"]),
        value_cell(book["break_even_bp"], "bp"),
        _even_cell(even),
        Cell(capital, hint=prose(capacity["said"])),
    ]


def _even_cell(even: float | None) -> Cell:
    if even is None:
        return Cell(MISSING, hint="trading costs nothing here")
    return Cell(times(even)) if even >= 0 else Cell("none", hint="loses before it pays for a single trade")


def _random(view: HeadView) -> Table:
    columns = [
        Column("Model", mark="text"),
        Column("Sharpe"),
        Column("Random entries", "median", "books with the same trades at other times"),
        Column("Beaten", hint="share of them with a lower Sharpe ratio than the book"),
        Column("Episodes", hint="independent times at which the book was active"),
        Column("What it says", mark="text"),
    ]
    rows = []
    for name in _order(view)[:-1]:
        book = view.facts.backtest[name]
        found = book["random"]
        entries = {**found["sharpe"], "value": found["sharpe"]["median"]}
        cells = [
            name_cell(view, name),
            estimate_cell(book["performance"]["sharpe"], "ratio"),
            estimate_cell(entries, "ratio"),
            value_cell(found["beaten"], "share"),
            Cell(quantity(book["episodes"])),
            Cell(prose(found["said"]), mark="text prose"),
        ]
        rows.append(cells)
    note = "Below the median: 2.5 to 97.5 in 100 of them. Below the Sharpe: its interval."
    return Table("Random entries", columns, rows, note=f"{note} {assumptions(view)}")


def _reading(view: HeadView) -> str:
    book = view.facts.backtest[view.lead]
    said = f"{opening(title(view.lead))} {_survives(book)}. {prose(book['random']['said'])}"
    capacity = book["capacity"]["said"]
    return f"{said} Capacity: {prose(capacity[:1].lower() + capacity[1:])}"


def _survives(book: Mapping[str, Any]) -> str:
    even, bp = break_even_multiple(book), book["break_even_bp"]
    if not is_number(bp):
        return "never trades, so costs take nothing"
    at = f"{number(bp, 'bp')} bp of turnover"
    if even is None:
        return f"pays nothing for trading here, and breaks even at {at}"
    if even < 0:
        return "loses before it pays for a single trade"
    return f"breaks even at {at}, {times(even)} what is charged"
