"""How often the same rules find evidence where there is none, and where there is some."""

from collections.abc import Mapping
from typing import Any

from assay.report.elements import Block, Cell, Column, Drawer, Figure, Table
from assay.report.facts import LEVELS, ReportFacts
from assay.report.figures.intervals import Estimate, interval_panel
from assay.report.format import MISSING, counted, interval, number, opening, percent, prose, quantity, title

_LEDE = (
    "The whole pipeline is run again where there is nothing to find: on this workload's own features, moved in time "
    "against their labels, and on simulated markets without a signal. How often the rules then say “evidence” is how "
    "much the word is worth; the power is how often they say it where a signal of a known size was planted."
)
_HOW = "Not run for this workload. To run it: kedro run --pipelines null_check --params null_check.runs=20"
_OTHER = "Of other rules than those of this report: limits, costs or evaluation were changed since."
_CAPTION = "Dot: share of reports that say evidence, with its exact 95\u202f% interval."
Found = Mapping[str, Any]
Rates = Mapping[str, Found]


def null_block(facts: ReportFacts) -> Block:
    """Show the rate of false evidence, or how to measure it.

    Args:
        facts: The facts of the report.

    Returns:
        The block, with a caution where the rate lies above the level.
    """
    found = facts.null_calibration
    if found is None:
        return Block("null-check", "Would noise pass?", _LEDE, reading=_HOW)
    null: Rates = {"all together": found["total"], **found["kinds"]}
    planted: Rates = {} if found["power"] is None else found["power"]["kinds"]
    other = "" if found["rules"] == facts.verdict["judged_by"] else f"{_OTHER} "
    power = "" if found["power"] is None else f" {prose(found['power']['said'])}"
    return Block(
        "null-check",
        "Would noise pass?",
        _LEDE,
        reading=f"{other}{prose(found['said'])}{power}",
        figures=[_null(null, found["level"]), *([_power(planted)] if planted else [])],
        tables=[_levels({**null, **planted}, _note(found))],
        more=[Drawer("Rule by rule", [_rules({"all together": found["total"], **planted})])],
        tone="caution" if found["holds"] is False or other else "",
    )


def _null(rates: Rates, level: float) -> Figure:
    heading = "Evidence without a signal"
    svg = interval_panel(_dots(rates), unit="share", reference=level, slug="null-rates", title=heading)
    return Figure(heading, svg, caption=f"{_CAPTION} Dashed: the {percent(level)} that are allowed.")


def _power(rates: Rates) -> Figure:
    heading = "Evidence with a planted signal"
    svg = interval_panel(_dots(rates), unit="share", reference=None, slug="null-power", title=heading)
    return Figure(heading, svg, caption=f"{_CAPTION} Farther right is better.")


def _dots(rates: Rates) -> list[Estimate]:
    ends = {name: rate["evidence"] for name, rate in rates.items()}
    return [Estimate(title(name), rate["value"], rate["low"], rate["high"]) for name, rate in ends.items()]


def _levels(rates: Rates, note: str) -> Table:
    columns = [
        Column("Market", mark="text"),
        Column("Runs"),
        *(Column(opening(level)) for level in LEVELS),
        Column("Say evidence"),
    ]
    return Table("Verdicts where the truth is known", columns, [_row(*rate) for rate in rates.items()], note=note)


def _row(name: str, found: Found) -> list[Cell]:
    rate, levels = found["evidence"], found["levels"]
    return [
        Cell(title(name), mark="text"),
        Cell(quantity(found["runs"])),
        *(Cell(quantity(levels.get(level, 0))) for level in LEVELS),
        Cell(number(rate["value"], "share"), interval(rate["low"], rate["high"], "share")),
    ]


def _note(found: Found) -> str:
    failed = len(found["failed"])
    broken = f" {counted(failed, 'run')} failed and came to no verdict." if failed else ""
    return (
        f"{counted(found['runs'], 'run')} without a signal, by the rules of digest {str(found['rules'])[:12]}.{broken}"
    )


def _rules(rates: Rates) -> Table:
    """How often each rule held, out of the runs in which it could be asked: which of them keeps noise out."""
    names = dict.fromkeys(name for rate in rates.values() for name in rate["rules"])
    rows = [[Cell(name, mark="text"), *(_held(rate["rules"].get(name)) for rate in rates.values())] for name in names]
    columns = [Column("Rule", mark="text"), *(Column(opening(title(name))) for name in rates)]
    return Table("Share of runs in which each rule held", columns, rows)


def _held(counts: Found | None) -> Cell:
    if not counts or not counts["asked"]:
        return Cell(MISSING, hint="asked in no run")
    return Cell(number(counts["held"] / counts["asked"], "share"), f"of {quantity(counts['asked'])}")
