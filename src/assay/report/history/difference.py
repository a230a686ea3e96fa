"""What differs between two runs: what went in, and what came out."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from assay.report.elements import Cell, Column, Table, estimate_cell
from assay.report.format import day, difference, is_number, number, quantity, title
from assay.report.history.record import Estimate, Record, Scores

_SHORT = 12  # characters of a hash that are shown
_NOT_COMPARED = ("rows", "workload", "parameters")  # follow from other facts, or are told by them
_PAIRED = (
    "A difference between two runs has no interval here: their rows, and so their luck, may not be the same. Within a "
    "run the report gives paired intervals."
)


@dataclass(frozen=True)
class Part:
    """One thing that went into both runs, differently."""

    name: str
    before: object
    after: object


def difference_tables(before: Record, after: Record) -> list[Table]:
    """Put two runs of a workload side by side.

    Args:
        before: The run that is compared with.
        after: The run that is compared.

    Returns:
        Three tables: the outcome, what went in differently, and the scores of the models of both.
    """
    return [_outcome(before, after), _inputs(before, after), _scores(before, after)]


def differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Part]:
    """Facts of two manifests that differ, nested ones by their path; a fact that only one has is None in the other."""
    first, second = dict(_flat(_compared(before))), dict(_flat(_compared(after)))
    names = sorted(first.keys() | second.keys())
    return [Part(n, first.get(n), second.get(n)) for n in names if first.get(n) != second.get(n)]


def _compared(facts: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in facts.items() if name not in _NOT_COMPARED}
    return kept if "configured" in kept else kept | {"parameters": facts.get("parameters")}


def _flat(block: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, value in block.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _columns(before: Record, after: Record, *more: Column) -> list[Column]:
    names = [Column("", mark="text"), Column("Before", before.id), Column("After", after.id)]
    return [*names, *more]


def _outcome(before: Record, after: Record) -> Table:
    rows = [[Cell(name, mark="text"), *_pair(name, before, after)] for name in _OUTCOME]
    return Table("Outcome", _columns(before, after), rows)


def _pair(name: str, *records: Record) -> list[Cell]:
    return [_OUTCOME[name](record) for record in records]


def _claim(record: Record) -> Cell:
    named = [str(record.primary[part]) for part in ("head", "model", "metric") if part in record.primary]
    return Cell(", ".join(map(title, named)) or number(None))


_OUTCOME: dict[str, Callable[[Record], Cell]] = {
    "Verdict": lambda record: Cell(record.level or number(None)),
    "Declared primary": _claim,
    "Its direction": lambda record: estimate_cell(dict(record.judged.direction)),
    "Its net Sharpe": lambda record: estimate_cell(dict(record.judged.sharpe), "ratio"),
    "Test rows": lambda record: Cell(quantity(record.rows)),
    "Test span": lambda record: Cell(" to ".join(map(day, record.span)) or number(None)),
    "Status": lambda record: Cell(record.status),
    "Seconds": lambda record: Cell(quantity(round(record.seconds))),
}


def _inputs(before: Record, after: Record) -> Table:
    parts = differing(before.facts, after.facts)
    rows = [
        [
            Cell(part.name, mark="text code"),
            Cell(_short(part.before), mark="code"),
            Cell(_short(part.after), mark="code"),
        ]
        for part in parts
    ]
    note = "" if rows else "Code, parameters, inputs, seeds and packages are the same: the numbers are, too."
    return Table("What went in differently", _columns(before, after), rows, note=note)


def _short(value: object) -> str:
    """A value in a cell; of a hash its beginning."""
    text = quantity(value) if value is None or isinstance(value, int | float) else str(value)
    return text[:_SHORT] if len(text) >= 40 and text.isalnum() else text


def _scores(before: Record, after: Record) -> Table:
    rows = list(_score_rows(before, after))
    columns = [
        Column("Head and model", mark="text"),
        *(Column(f"Direction {when}") for when in ("before", "after")),
        Column("Change"),
        *(Column(f"Net Sharpe {when}") for when in ("before", "after")),
        Column("Change"),
    ]
    return Table("Scores of every model", columns, rows, note=_PAIRED)


def _score_rows(before: Record, after: Record) -> Iterator[list[Cell]]:
    for head in dict.fromkeys((*after.scores, *before.scores)):
        first, second = before.scores.get(head, {}), after.scores.get(head, {})
        for model in dict.fromkeys((*second, *first)):
            pair = first.get(model, Scores()), second.get(model, Scores())
            name = Cell(f"{title(head)}: {title(model)}", mark="text")
            yield [
                name,
                *_change(*(s.direction for s in pair), unit=""),
                *_change(*(s.sharpe for s in pair), unit="ratio"),
            ]


def _change(before: Estimate, after: Estimate, *, unit: str) -> list[Cell]:
    values = before["value"], after["value"]
    changed = values[1] - values[0] if is_number(values[0]) and is_number(values[1]) else None
    return [estimate_cell(dict(before), unit), estimate_cell(dict(after), unit), Cell(difference(changed, unit))]
