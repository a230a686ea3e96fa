"""The feature catalogue: what each feature is, where it comes from, and what was left out."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from assay.report.elements import Block, Cell, Column, Drawer, Table
from assay.report.facts import ReportFacts
from assay.report.format import MISSING, counted, number, opening, prose, quantity, title

_LEDE = (
    "A feature may use only what was known at its row's time; the leak audit tests that. Coverage is the share of "
    "rows on which it is defined; a feature enters a fold only with at least {} of its training part covered."
)


def feature_block(facts: ReportFacts) -> Block:
    """List the features by family, closed by default, and those disabled with their reasons.

    Args:
        facts: The facts of the report.

    Returns:
        The block.
    """
    families: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for feature in facts.catalogue["features"]:
        families[feature["family"]].append(feature)
    disabled = facts.catalogue["disabled"]
    drawers = [
        Drawer(f"{opening(title(family))} ({len(found)})", [_table(family, found)])
        for family, found in sorted(families.items())
    ]
    if disabled:
        drawers.insert(0, Drawer(f"Left out of this run ({len(disabled)})", [_disabled(disabled)]))
    return Block(
        "features",
        "Features",
        _LEDE.format(number(facts.declared.min_coverage, "share")),
        reading=_reading(facts, families, len(disabled)),
        more=drawers,
    )


def _table(family: str, features: Sequence[Mapping[str, Any]]) -> Table:
    columns = [
        Column("Feature", mark="text"),
        Column("Definition", mark="text"),
        Column("Unit", mark="text"),
        Column("Window"),
        Column("Warm-up", hint="bars before the first value"),
        Column("Memory", mark="text", hint="windowed: the bars of its window; recursive: all bars before, fading"),
        Column("Coverage"),
        Column("Sources", mark="text"),
        Column("Reference", mark="text"),
    ]
    return Table(f"{opening(title(family))} features", columns, [_row(feature) for feature in features])


def _row(feature: Mapping[str, Any]) -> list[Cell]:
    return [
        Cell(feature["name"], mark="text code"),
        Cell(feature["definition"], mark="text prose"),
        Cell(feature["unit"], mark="text"),
        Cell(quantity(feature["window"])),
        Cell(quantity(feature["warm_up"])),
        Cell(_memory(feature), mark="text"),
        Cell(number(feature["coverage"], "share")),
        Cell(", ".join(feature["sources"]), mark="text"),
        Cell(feature["reference"] or MISSING, mark="text"),
    ]


def _memory(feature: Mapping[str, Any]) -> str:
    return "recursive" if feature["recursive"] else "windowed"


def _disabled(disabled: Sequence[Mapping[str, Any]]) -> Table:
    columns = [Column("Disabled feature", mark="text"), Column("Why", mark="text")]
    rows = [
        [Cell(feature["name"], mark="text code"), Cell(prose(feature["reason"]), mark="text prose")]
        for feature in disabled
    ]
    return Table("Left out of this run", columns, rows)


def _reading(facts: ReportFacts, families: Mapping[str, Sequence[object]], disabled: int) -> str:
    total = sum(len(found) for found in families.values())
    said = f"{counted(total, 'feature')} in {counted(len(families), 'family', 'families')}"
    said += f", {disabled} disabled" if disabled else ""
    return f"{said}. Feature set {facts.catalogue['feature_set_id']}."
