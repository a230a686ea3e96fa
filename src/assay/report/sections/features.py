"""The feature catalogue: what each feature is, where it comes from, and what was left out."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from assay.report.elements import Block, Cell, Column, Drawer, Table
from assay.report.facts import ReportFacts
from assay.report.format import MISSING, number, opening, quantity, title

_LEDE = (
    "Every feature uses only what was known at its row's time. Coverage is the share of rows on which it is defined; a "
    "feature enters a fold only with at least half of its training part covered."
)


def feature_block(facts: ReportFacts) -> Block:
    """List the features by family, closed by default, and those disabled with their reasons.

    Args:
        facts: The facts of the report.

    Returns:
        The block; empty without a catalogue.
    """
    families: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for feature in facts.catalogue.get("features") or ():
        families[str(feature.get("family") or "other")].append(feature)
    disabled = facts.catalogue.get("disabled") or ()
    drawers = [
        Drawer(f"{opening(title(family))} ({len(found)})", [_table(family, found)])
        for family, found in sorted(families.items())
    ]
    if disabled:
        drawers.insert(0, Drawer(f"Left out of this run ({len(disabled)})", [_disabled(disabled)]))
    return Block(
        "features",
        "Features",
        _LEDE,
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
        Column("Coverage"),
        Column("Sources", mark="text"),
        Column("Reference", mark="text"),
    ]
    return Table(f"{opening(title(family))} features", columns, [_row(feature) for feature in features])


def _row(feature: Mapping[str, Any]) -> list[Cell]:
    sources = feature.get("sources") or ()
    return [
        Cell(str(feature.get("name")), mark="text code"),
        Cell(str(feature.get("definition") or MISSING), mark="text prose"),
        Cell(str(feature.get("unit") or MISSING), mark="text"),
        Cell(quantity(feature.get("window"))),
        Cell(quantity(feature.get("warm_up"))),
        Cell(number(feature.get("coverage"), "share")),
        Cell(sources if isinstance(sources, str) else ", ".join(map(str, sources)), mark="text"),
        Cell(str(feature.get("reference") or MISSING), mark="text"),
    ]


def _disabled(disabled: Sequence[Mapping[str, Any]]) -> Table:
    columns = [Column("Disabled feature", mark="text"), Column("Why", mark="text")]
    rows = [
        [Cell(str(f.get("name")), mark="text code"), Cell(str(f.get("reason")), mark="text prose")] for f in disabled
    ]
    return Table("Left out of this run", columns, rows)


def _reading(facts: ReportFacts, families: Mapping[str, Sequence[object]], disabled: int) -> str:
    total = sum(len(found) for found in families.values())
    if not total:
        return ""
    identity = facts.catalogue.get("feature_set_id")
    said = f"{total} features in {len(families)} families"
    said += f", {disabled} disabled" if disabled else ""
    return f"{said}. Feature set {identity}." if identity else f"{said}."
