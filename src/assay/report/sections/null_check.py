"""How often the same rules find evidence where there is none, and where there is some."""

from collections.abc import Mapping
from typing import Any

from assay.report.elements import Block, Cell, Column, Figure, Table
from assay.report.facts import LEVELS, ReportFacts
from assay.report.figures.intervals import Estimate, interval_panel
from assay.report.format import counted, interval, number, opening, prose, quantity, title

_LEDE = (
    "The whole pipeline is run again where there is nothing to find: on this workload's own features, moved in time "
    "against their labels, and on simulated markets without a signal. The rules should then say “evidence” in at most "
    "one of twenty reports."
)
_HOW = "Not run for this workload. One run takes seconds: kedro run --pipelines null_check --params null_check.runs=20"
_ALLOWED = 0.05
_CAPTION = "Dot: share of reports that say evidence, with its exact 95\u202f% interval. Dashed: what is allowed."
Found = Mapping[str, Any]


def null_block(facts: ReportFacts) -> Block:
    """Show the rate of false evidence, or how to measure it.

    Args:
        facts: The facts of the report.

    Returns:
        The block.
    """
    found = facts.null_calibration
    if found is None:
        return Block("null-check", "Would noise pass?", _LEDE, reading=_HOW)
    low = found["total"]["evidence"]["low"]
    return Block(
        "null-check",
        "Would noise pass?",
        _LEDE,
        reading=opening(prose(found["said"])),
        figures=[_figure(found)],
        tables=[_table(found)],
        tone="caution" if low is not None and low > _ALLOWED else "",
    )


def _rates(found: Found) -> dict[str, Found]:
    return {"all together": found["total"], **found["kinds"]}


def _powers(found: Found) -> dict[str, Found]:
    """Runs on planted signals: one entry, or several by their size."""
    power = found["power"] or {}
    return {"planted signal": power} if "evidence" in power else dict(power)


def _figure(found: Found) -> Figure:
    rows = [
        Estimate(title(name), rate["evidence"]["value"], rate["evidence"]["low"], rate["evidence"]["high"])
        for name, rate in _rates(found).items()
    ]
    heading = "Reports without a signal that say evidence"
    svg = interval_panel(rows, unit="share", reference=_ALLOWED, slug="null-rates", title=heading)
    return Figure(heading, svg, caption=_CAPTION)


def _table(found: Found) -> Table:
    columns = [
        Column("Market", mark="text"),
        Column("Runs"),
        *(Column(opening(level)) for level in LEVELS),
        Column("Say evidence"),
    ]
    rows = [_row(name, rate) for name, rate in (_rates(found) | _powers(found)).items()]
    note = f"{counted(found['runs'], 'run')}, judged by the rules of digest {str(found['rules'])[:12]}."
    return Table("Verdicts where the truth is known", columns, rows, note=note)


def _row(name: str, found: Found) -> list[Cell]:
    rate, levels = found["evidence"], found["levels"]
    return [
        Cell(title(name), mark="text"),
        Cell(quantity(found["runs"])),
        *(Cell(quantity(levels.get(level, 0))) for level in LEVELS),
        Cell(number(rate["value"], "share"), interval(rate["low"], rate["high"], "share")),
    ]
