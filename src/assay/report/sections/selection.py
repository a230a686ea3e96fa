"""Feature selection: what was chosen in each fold, and whether the folds agree."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

from assay.report.elements import Block, Cell, Column, Drawer, Figure, Table
from assay.report.figures.selection import Choice, choice_map
from assay.report.format import MISSING, counted, interval, is_number, number, opening, percent, quantity, title
from assay.report.view import HeadView

_LEDE = (
    "Features are chosen anew inside each fold, from its training part alone, and shared by all models. Each ranking "
    "counts the same; those with the best consensus rank are kept. Stability is 1 if every fold chooses the same and 0 "
    "if each chooses at random; folds share training rows, which flatters it. Comparisons over folds are shown, never "
    "used by anything fitted."
)
_CAPTION = "Column: fold. Filled: chosen, the stronger the better its consensus rank; a thin line: not chosen."
_MOST = 40
_CAUSES = {"coverage": "Too little coverage", "constant": "Constant", "correlation": "Near-duplicate"}
_OUTRANKED = "Ranked too low"


def selection_block(view: HeadView) -> Block:
    """Show which features were chosen in which fold, how steadily, and why the others were left out.

    Args:
        view: The head.

    Returns:
        The block; empty when nothing was selected.
    """
    folds = view.facts.selections
    slug = f"{view.slug}-selection"
    if not folds:
        return Block(slug, "Feature selection", _LEDE)
    records = view.facts.stability["features"]
    return Block(
        slug,
        "Feature selection",
        _LEDE,
        reading=_reading(view, records),
        figures=[_figure(slug, folds, records)],
        tables=[_causes(folds)],
        more=[Drawer(f"All {counted(len(records), 'feature')} and their ranks", [_table(records, folds)])],
    )


def _figure(slug: str, folds: Sequence[Mapping[str, Any]], records: Sequence[Mapping[str, Any]]) -> Figure:
    numbers = [fold["fold"] for fold in folds]
    order = [_order(fold) for fold in folds]
    chosen = [record["name"] for record in records if record["share"] > 0][:_MOST]
    choices = [Choice(name, [places.get(name) for places in order]) for name in chosen]
    wide, narrow = (choice_map(choices, numbers, wide=w, slug=f"{slug}-{w}") for w in (True, False))
    often = f"The {counted(len(choices), 'feature')} chosen most often"
    return Figure(often.replace("The 1 feature", "The feature"), wide, narrow, _CAPTION, "whole")


def _order(fold: Mapping[str, Any]) -> dict[str, float]:
    """Place of each chosen feature of a fold, 0 for the best ranked, 1 for the last."""
    ranked = sorted(fold["kept"], key=lambda name: (fold["consensus"][name], name))
    return {name: place / max(1, len(ranked) - 1) for place, name in enumerate(ranked)}


def _causes(folds: Sequence[Mapping[str, Any]]) -> Table:
    """Features per fold and cause, in the order in which the causes are looked for."""
    counts = [Counter(_cause(why) for why in fold["dropped"].values()) for fold in folds]
    names = (*_CAUSES.values(), _OUTRANKED)
    columns = [Column("Fold", mark="text"), *(Column(name) for name in names), Column("Kept"), Column("Rows judged on")]
    rows = [
        [
            Cell(quantity(fold["fold"]), mark="text"),
            *(Cell(quantity(count[name])) for name in names),
            Cell(quantity(len(fold["kept"])), mark="lead"),
            Cell(quantity(fold["rows"])),
        ]
        for fold, count in zip(folds, counts, strict=True)
    ]
    return Table("Why features were left out", columns, rows)


def _cause(why: str) -> str:
    return _CAUSES.get(why.split(maxsplit=1)[0], _OUTRANKED)


def _table(records: Sequence[Mapping[str, Any]], folds: Sequence[Mapping[str, Any]]) -> Table:
    methods = list(dict.fromkeys(method for fold in folds for method in fold["ranks"]))
    columns = [
        Column("Feature", mark="text"),
        Column("Chosen", "share of folds"),
        Column("Consensus rank", "mean ± std over folds"),
        *(Column(opening(title(method)), "mean rank") for method in methods),
    ]
    rows = [
        [
            Cell(record["name"], mark="text code"),
            Cell(number(record["share"], "share")),
            Cell(_consensus(record)),
            *(
                Cell(_rank(_mean(fold["ranks"].get(method, {}).get(record["name"]) for fold in folds)))
                for method in methods
            ),
        ]
        for record in records
    ]
    return Table("Every feature over the folds", columns, rows, note="No rank: left out before the ranking.")


def _consensus(record: Mapping[str, Any]) -> str:
    spread = record["rank_spread"]
    return _rank(record["mean_rank"]) + (f" ± {_rank(spread)}" if is_number(spread) else "")


def _mean(ranks: Iterable[float | None]) -> float | None:
    known = [rank for rank in ranks if is_number(rank)]
    return fmean(known) if known else None


def _rank(rank: float | None) -> str:
    return MISSING if rank is None else f"{rank:.1f}"


def _reading(view: HeadView, records: Sequence[Mapping[str, Any]]) -> str:
    folds, stability = view.facts.selections, view.facts.stability
    least, most = (pick(len(fold["kept"]) for fold in folds) for pick in (min, max))
    kept = quantity(most) if least == most else f"{quantity(least)} to {quantity(most)}"
    always = sum(record["share"] == 1 for record in records)
    offered = counted(len(records), "feature")
    common = f"{quantity(always) if always else 'none'} of them in every fold"
    said = f"Of {offered} {kept} are kept in each fold, {common}."
    if most == 1:
        common = "the same one in all of them" if always else "not the same one in all"
        said = f"Of {offered} 1 is kept in each fold, {common}."
    if not is_number(stability["estimate"]):
        return said
    ends = interval(stability["low"], stability["high"], "ratio")
    width = f" ({percent(stability['confidence'])} interval {ends})" if ends else ""
    return f"{said} Stability of the choice: {number(stability['estimate'], 'ratio')}{width}."
