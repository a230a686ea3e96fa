"""The run manifest: what it takes to get the same bytes again."""

from collections.abc import Mapping
from typing import Any

from assay.report.elements import Block, Cell, Column, Drawer, Table
from assay.report.facts import ReportFacts
from assay.report.format import opening, title
from assay.report.sections.quality import flatten

_FEW = 2  # entries of a nested block that still fit into the main table
_LEDE = (
    "The same code, parameters, inputs and seeds give the same features, predictions and metrics, byte for byte. These "
    "are the hashes to compare."
)


def run_block(facts: ReportFacts) -> Block:
    """Show the manifest: the facts that decide the numbers, and the block of run id and clock.

    Args:
        facts: The facts of the report.

    Returns:
        The block; nested parts each in a drawer.
    """
    fixed: Mapping[str, Any] = facts.manifest["facts"]
    nested = {opening(title(name)): value for name, value in fixed.items() if _is_long(value)}
    plain = {name: value for name, value in fixed.items() if not _is_long(value)}
    tables = [_table("What decides the numbers", plain)] if plain else []
    drawers = [Drawer(name, [_table(name, value)]) for name, value in nested.items()]
    drawers.append(Drawer("This run", [_table("Run and clock", facts.manifest["run"])]))
    return Block("run", "Run manifest", _LEDE, tables=tables, more=drawers)


def _is_long(value: object) -> bool:
    return isinstance(value, Mapping) and (
        len(value) > _FEW or any(isinstance(part, Mapping) for part in value.values())
    )


def _table(caption: str, values: Mapping[str, Any]) -> Table:
    rows = [[Cell(name, mark="text code"), Cell(text, mark="text code")] for name, text in flatten(values, spell=str)]
    return Table(caption, [Column("Name", mark="text"), Column("Value", mark="text")], rows)
