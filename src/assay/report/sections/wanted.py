"""The levels people ask for, held against what was found and what is attainable."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from assay.report.elements import Block, Cell, Column, Table
from assay.report.facts import ReportFacts
from assay.report.format import counted, interval, number, spelled

_LEDE = (
    "Levels that are often wished for, each judged twice: is the number reached, and is it skill? PASS needs the level "
    "and a difference to the naive forecast whose interval lies above zero; after costs, a Sharpe ratio without drift "
    "whose interval does. “Trivial” marks a level the naive forecast, or buying and holding, reaches as well. "
    "60 % direction on every hourly bar would be a Sharpe near 24 before costs; nobody has that. 52 to 53 % is a "
    "strong result."
)
STATUS_MARKS = {"PASS": "pass", "WARNING": "warning", "FAIL": "fail"}


def wanted_block(facts: ReportFacts) -> Block:
    """Judge the wanted levels.

    Args:
        facts: The facts of the report.

    Returns:
        One table, a row per wanted level.
    """
    wanted = facts.verdict["wanted"]
    columns = [
        Column("Level", mark="text"),
        Column("Wanted"),
        Column("Found"),
        Column("Judgement", mark="text"),
        Column("What it means", mark="text"),
    ]
    models = facts.declared.evaluation["models"]
    rows = [_row(entry, models) for entry in wanted]
    tables = [Table("Wanted levels", columns, rows)] if rows else []
    return Block("wanted", "What the levels you may want would mean", _LEDE, reading=_reading(wanted), tables=tables)


def _row(entry: Mapping[str, Any], models: Iterable[str]) -> list[Cell]:
    unit, status = entry["unit"], entry["status"]
    return [
        Cell(entry["name"], mark="text"),
        Cell(number(entry["wanted"], unit)),
        Cell(number(entry["found"], unit), interval(entry["low"], entry["high"], unit)),
        Cell(status, "trivial" if entry["trivial"] else "", mark=f"text status {STATUS_MARKS[status]}"),
        Cell(spelled(entry["note"], models), mark="text prose"),
    ]


def _reading(wanted: Sequence[Mapping[str, Any]]) -> str:
    if not wanted:
        return ""
    counts = {status: sum(entry["status"] == status for entry in wanted) for status in STATUS_MARKS}
    trivial = sum(entry["trivial"] for entry in wanted)
    tail = f"; {trivial} of them trivial" if trivial else ""
    judged = f"{counts['PASS']} pass, {counts['WARNING']} warn and {counts['FAIL']} fail"
    return f"Of {counted(len(wanted), 'wanted level')} {judged}{tail}."
