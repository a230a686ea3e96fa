"""What the input checks found; nothing is repaired in silence."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from assay.report.elements import Block, Cell, Column, Drawer, Table
from assay.report.facts import ReportFacts
from assay.report.format import counted, day, number, opening, prose, quantity, title

_SHARES = {"coverage", "share"}
_LEDE = (
    "Rows that came in, rows that were set aside and why. A faulty field becomes empty, a faulty row goes to "
    "quarantine with its reason, an unexplained jump stays but gets no label."
)


def quality_block(facts: ReportFacts) -> Block:
    """Show the counts of the input checks and the span of every entity.

    Args:
        facts: The facts of the report.

    Returns:
        The block; sources and counts are shown as they come, whatever their names.
    """
    quality = facts.quality
    sources = [_counts(name, found) for name, found in quality.items() if isinstance(found, Mapping)]
    entities = quality["entities"]
    labels = [_labels(name, head.label_manifest) for name, head in facts.heads.items()]
    drawers = [
        Drawer(counted(len(entities), "entity", "entities"), [_entities(entities)]),
        Drawer("Labels: rows and what was left out", labels),
    ]
    return Block("data", "Data quality", _LEDE, reading=_reading(facts), tables=sources, more=drawers)


def _counts(name: str, found: Mapping[str, Any]) -> Table:
    rows = [[Cell(label, mark="text"), Cell(text)] for label, text in flatten(found)]
    return Table(opening(title(name)), [Column("Check", mark="text"), Column("Found")], rows)


def flatten(
    found: Mapping[str, Any], prefix: str = "", *, spell: Callable[[object], str] = title
) -> Iterator[tuple[str, str]]:
    """Walk nested values, yielding ``("outer · inner", text)`` for each; names are written as ``spell`` does."""
    for name, value in found.items():
        label = f"{prefix}{spell(name)}"
        if isinstance(value, Mapping):
            yield from flatten(value, f"{label} · ", spell=spell)
        elif isinstance(value, list | tuple):
            yield label, ", ".join(quantity(item) for item in value) or "none"
        else:
            yield label, number(value, "share") if str(name) in _SHARES else quantity(value)


def _entities(entities: Sequence[Mapping[str, Any]]) -> Table:
    columns = [Column("Entity", mark="text"), Column("First bar"), Column("Last bar"), Column("Rows")]
    rows = [
        [Cell(e["entity"], mark="text"), Cell(day(e["first"])), Cell(day(e["last"])), Cell(quantity(e["rows"]))]
        for e in entities
    ]
    return Table("Entities", columns, rows)


def _labels(name: str, manifest: Mapping[str, Any]) -> Table:
    return _counts(f"{name} labels", {key: value for key, value in manifest.items() if key != "class_shares"})


def _reading(facts: ReportFacts) -> str:
    said = [prose(note) for note in facts.quality["notes"] if note not in facts.notes]
    if "stale_open_share" in facts.quality:  # asked only where the open may be stale
        stale = number(facts.quality["stale_open_share"], "share")
        said.insert(0, f"The open equals the previous close on {stale} of rows.")
    return " ".join(said)
