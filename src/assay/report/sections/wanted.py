"""The levels people ask for, held against what was found and what is attainable."""

from collections.abc import Mapping
from typing import Any

from assay.report.elements import Block, Cell, Column, Table
from assay.report.facts import ReportFacts
from assay.report.format import MISSING, interval, number, spelled, title
from assay.report.view import HeadView, head_view

_LEDE = (
    "Levels that are often wished for, each judged twice: is the number reached, and is it skill? PASS needs the level "
    "and a difference to the naive forecast whose interval excludes zero. “Trivial” marks a level the naive "
    "forecast reaches as well. 60 % direction on every hourly bar would be a Sharpe near 24 before costs; nobody has "
    "that. 52 to 53 % is a strong result."
)
STATUS_MARKS = {"PASS": "pass", "WARNING": "warning", "FAIL": "fail"}


def wanted_block(facts: ReportFacts) -> Block:
    """Judge the wanted levels.

    Args:
        facts: The facts of the report.

    Returns:
        One table, a row per wanted level.
    """
    wanted = facts.verdict.get("wanted") or ()
    columns = [
        Column("Level", mark="text"),
        Column("Wanted"),
        Column("Found"),
        Column("Judgement", mark="text"),
        Column("What it means", mark="text"),
    ]
    views = [head_view(facts, name) for name in facts.heads]
    rows = [_row(views, entry) for entry in wanted]
    tables = [Table("Wanted levels", columns, rows)] if rows else []
    return Block("wanted", "What the levels you may want would mean", _LEDE, reading=_reading(wanted), tables=tables)


def _row(views: list[HeadView], entry: Mapping[str, Any]) -> list[Cell]:
    unit = str(entry.get("unit") or _unit(views, entry))
    names = {name for view in views for name in view.models}
    status = str(entry.get("status") or MISSING)
    trivial = "trivial" if entry.get("trivial") else ""
    return [
        Cell(_name(views, entry), mark="text"),
        Cell(number(entry.get("wanted"), unit)),
        Cell(number(entry.get("found"), unit), interval(entry.get("low"), entry.get("high"), unit)),
        Cell(status, trivial, mark=f"text status {STATUS_MARKS.get(status, 'unknown')}"),
        Cell(spelled(entry.get("note") or "", names), mark="text prose"),
    ]


def _name(views: list[HeadView], entry: Mapping[str, Any]) -> str:
    name = str(entry.get("name", ""))
    known = [view for view in views if name in view.metrics]
    return known[0].info(name).label if known else title(name)


def _unit(views: list[HeadView], entry: Mapping[str, Any]) -> str:
    name = str(entry.get("metric") or entry.get("name", ""))
    for view in views:
        for metric in view.metrics:
            info = view.info(metric)
            if info.unit and (metric in name or info.label.lower() in name.lower()):
                return info.unit
    return ""


def _reading(wanted: object) -> str:
    entries = list(wanted) if isinstance(wanted, list | tuple) else []
    if not entries:
        return ""
    counts = {status: sum(entry.get("status") == status for entry in entries) for status in STATUS_MARKS}
    trivial = sum(bool(entry.get("trivial")) for entry in entries)
    tail = f"; {trivial} of them trivial" if trivial else ""
    judged = f"{counts['PASS']} pass, {counts['WARNING']} warn and {counts['FAIL']} fail"
    return f"Of {len(entries)} wanted levels {judged}{tail}."
