"""Classification in detail: class shares, confusion matrices, ROC curves."""

from collections.abc import Mapping
from typing import Any

from assay.market.tables import CLASS_NAMES
from assay.report.elements import Block, Cell, Column, Drawer, Figure, Table
from assay.report.figures.classes import class_bars
from assay.report.figures.roc import roc_figure
from assay.report.format import day, number, plain, quantity, title
from assay.report.view import HeadView

_LEDE = (
    "How often each class occurs, what the model calls when it occurs, and how well its probabilities rank each class "
    "against the rest. A curve on the diagonal is a coin; NEUTRAL above it with SHORT and LONG on it is volatility "
    "skill."
)


def class_block(view: HeadView) -> Block:
    """Show class shares, confusion matrices and ROC curves, the lead in front.

    Args:
        view: The head (classification).

    Returns:
        The block; empty on other kinds of heads.
    """
    if view.facts.kind != "classification":
        return Block(f"{view.slug}-classes", "Classes", _LEDE)
    others = [model for model in view.shown if model != view.lead]
    tables = [_confusion(view, model) for model in others]
    curves = [figure for model in view.top[1:] if (figure := _roc(view, model))]
    return Block(
        f"{view.slug}-classes",
        "Classes",
        _LEDE,
        figures=[figure for figure in (_shares(view), _roc(view, view.lead)) if figure],
        tables=[_confusion(view, view.lead)],
        more=[Drawer("Confusion matrices and ROC of the other models", tables, curves)] if others else (),
    )


def _shares(view: HeadView) -> Figure:
    rows = {
        "test rows (common folds)": in_order(view.evaluation["class_shares"]),
        "all labelled rows": in_order(view.facts.label_manifest["class_shares"]),
    }
    return Figure("Class shares", class_bars(rows, slug=f"{view.slug}-shares"), caption=_label_rule(view))


def in_order(found: Mapping[str, Any]) -> dict[str, Any]:
    """Put the classes into their order, whatever order they were written in."""
    return {name: found[name] for name in CLASS_NAMES if name in found}


def _label_rule(view: HeadView) -> str:
    manifest = view.facts.label_manifest
    shown = {name: plain(manifest[name]) for name in ("kind", "horizon", "threshold", "execution")}
    if seen := manifest["threshold_seen"]:
        shown["threshold"] += f", estimated on labels known by {day(seen)}"
    return " · ".join(f"{title(name)}: {title(text) if name == 'kind' else text}" for name, text in shown.items())


def _roc(view: HeadView, model: str) -> Figure | None:
    curves = {name: curve for name, curve in view.model(model)["roc"].items() if curve["fpr"]}  # absent classes: none
    if not curves:
        return None
    return Figure(
        f"ROC, {title(model)}", roc_figure(in_order(curves), slug=f"{view.slug}-roc-{model}", title=title(model))
    )


def _confusion(view: HeadView, model: str) -> Table:
    matrix = view.model(model)["confusion"]
    columns = [Column("true ↓  called →", mark="text"), *(Column(name) for name in CLASS_NAMES)]
    rows = [[Cell(name, mark="text"), *_shares_of(counts)] for name, counts in zip(CLASS_NAMES, matrix, strict=True)]
    return Table(f"Confusion matrix, {title(model)}", columns, rows, kind="heat")


def _shares_of(counts: list[int]) -> list[Cell]:
    total = sum(counts)
    shares = [count / total if total else 0.0 for count in counts]
    return [
        Cell(number(share, "share"), quantity(count), "share of the true class, and rows", heat=share)
        for share, count in zip(shares, counts, strict=True)
    ]
