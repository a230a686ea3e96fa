"""Receipts of the splits: proof that no training label reaches into a test part."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from assay.report.elements import Block, Cell, Column, Drawer, Figure, Table
from assay.report.figures.classes import FoldShares, fold_shares
from assay.report.figures.timeline import split_timeline
from assay.report.format import counted, moment, opening, quantity, title, when
from assay.report.sections.classes import in_order
from assay.report.view import HeadView

_LEDE = (
    "Grey: training part. Orange: rows left out between, by the purge (their labels reach into the test part) and the "
    "embargo; it is drawn at least a hair wide. Blue: test part, predicted once, never trained on before."
)
_TIMES = ("train_start", "train_end", "last_train_label_end", "test_start", "test_end")
_ROWS = ("train_rows", "test_rows", "purged_rows", "embargoed_rows")


def split_block(view: HeadView) -> Block:
    """Show the receipts as a timeline and a table, and check them once more.

    Args:
        view: The head.

    Returns:
        The block, with an alarm if any training label ends at or after the start of its test part.
    """
    receipts = view.facts.receipts
    leaking = [receipt["fold"] for receipt in receipts if _gap(receipt) <= timedelta(0)]
    return Block(
        f"{view.slug}-splits",
        "Splits and their receipts",
        _LEDE,
        reading=_reading(receipts, leaking),
        figures=[_figure(view), *_class_shares(view)],
        tables=[_table(receipts)],
        more=[Drawer("The newest row and label that each kind of fit has seen", [_fits(view)])]
        if view.facts.fits
        else (),
        tone="alarm" if leaking else "",
    )


def _gap(receipt: Mapping[str, Any]) -> timedelta:
    return when(receipt["test_start"]) - when(receipt["last_train_label_end"])


def _figure(view: HeadView) -> Figure:
    receipts = [dict(receipt) for receipt in view.facts.receipts]
    slug = f"{view.slug}-timeline"
    wide, narrow = (split_timeline(receipts, wide=w, slug=f"{slug}-{w}") for w in (True, False))
    return Figure("Folds over time", wide, narrow, size="whole")


def _class_shares(view: HeadView) -> list[Figure]:
    """A figure on heads with classes; none on others."""
    shares = [
        FoldShares(found["fold"], in_order(found["train"]), in_order(found["test"]))
        for found in view.facts.class_shares
    ]
    if not shares:
        return []
    slug = f"{view.slug}-fold-shares"
    wide, narrow = (fold_shares(shares, wide=w, slug=f"{slug}-{w}") for w in (True, False))
    caption = "Labelled rows of each fold. Where test differs from training, the market changed between them."
    return [Figure("Class shares per fold", wide, narrow, caption, "whole")]


def _table(receipts: Sequence[Mapping[str, Any]]) -> Table:
    columns = [
        Column("Fold", mark="text"),
        Column("Training from"),
        Column("to"),
        Column("Last training label ends", hint="the return of the last training row is known at this time"),
        Column("Test from"),
        Column("to"),
        Column("Training rows"),
        Column("Test rows"),
        Column("Purged"),
        Column("Embargoed"),
    ]
    rows = [
        [
            Cell(quantity(receipt["fold"]), mark="text"),
            *(Cell(moment(receipt[name])) for name in _TIMES),
            *(Cell(quantity(receipt[name])) for name in _ROWS),
        ]
        for receipt in receipts
    ]
    return Table("Split receipts (times in UTC)", columns, rows)


def _fits(view: HeadView) -> Table:
    """Over all models of a fold: how far the rows, and below them the labels, of each kind of fit reach."""
    kinds = list(dict.fromkeys(fit["what"] for fit in view.facts.fits))
    columns = [Column("Fold", mark="text"), *(Column(opening(title(kind))) for kind in kinds), Column("Test from")]
    rows = [
        [
            Cell(quantity(receipt["fold"]), mark="text"),
            *(_newest(view.facts.fits, kind, receipt["fold"]) for kind in kinds),
            Cell(moment(receipt["test_start"])),
        ]
        for receipt in view.facts.receipts
    ]
    return Table("Newest row seen, newest label known (times in UTC)", columns, rows)


def _newest(fits: Sequence[Mapping[str, Any]], kind: str, fold: int) -> Cell:
    made = [fit for fit in fits if (fit["what"], fit["fold"]) == (kind, fold)]
    row, label = (
        max((fit[name] for fit in made if fit[name]), key=when, default=None)
        for name in ("last_time_seen", "last_label_end")
    )
    return Cell(moment(row), f"label {moment(label)}" if label else "")


def _reading(receipts: Sequence[Mapping[str, Any]], leaking: list[int]) -> str:
    if leaking:
        folds = ", ".join(str(fold) for fold in leaking)
        return f"In fold {folds} a training label ends at or after the test part begins: not out of sample."
    smallest = min(_gap(receipt) for receipt in receipts)
    purged, embargoed = (sum(receipt[name] for receipt in receipts) for name in _ROWS[2:])
    return (
        f"The last training label ends before the test part begins, checked in {counted(len(receipts), 'fold')}; the "
        f"smallest gap is {_duration(smallest)}. {counted(purged, 'row')} purged, {quantity(embargoed)} embargoed."
    )


def _duration(span: timedelta) -> str:
    hours = span.total_seconds() / 3600
    return f"{hours / 24:.1f} days" if hours >= 48 else f"{hours:.1f} hours"
