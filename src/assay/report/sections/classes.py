"""Classification in detail: class shares, confusion matrices, ROC curves."""

from collections.abc import Mapping
from typing import Any

from assay.report.elements import Block, Cell, Column, Drawer, Figure, Table
from assay.report.figures.classes import class_bars
from assay.report.figures.roc import roc_figure
from assay.report.format import NARROW, is_number, plain, quantity, title
from assay.report.view import HeadView

_NAMES = ("SHORT", "NEUTRAL", "LONG")
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
        The block; empty on other kinds of heads and when no model has any of them.
    """
    if view.facts.kind != "classification":
        return Block(f"{view.slug}-classes", "Classes", _LEDE)
    others = [model for model in view.shown if model != view.lead]
    figures = [figure for figure in (_shares(view), _roc(view, view.lead)) if figure]
    tables = [table for model in others if (table := _confusion(view, model))]
    curves = [figure for model in view.top[1:] if (figure := _roc(view, model))]
    lead = _confusion(view, view.lead)
    return Block(
        f"{view.slug}-classes",
        "Classes",
        _LEDE,
        figures=figures,
        tables=[lead] if lead else (),
        more=[Drawer("Confusion matrices and ROC of the other models", tables, curves)] if tables or curves else (),
    )


def _shares(view: HeadView) -> Figure | None:
    sources = {
        "test rows (common folds)": view.evaluation.get("class_shares"),
        "all labelled rows": view.facts.label_manifest.get("class_shares"),
    }
    rows = {name: shares for name, found in sources.items() if (shares := _named(found))}
    if not rows:
        return None
    return Figure("Class shares", class_bars(rows, slug=f"{view.slug}-shares"), caption=_label_rule(view))


def _named(shares: object) -> dict[str, float]:
    if not isinstance(shares, Mapping):
        return {}
    spelled = {"-1": "SHORT", "0": "NEUTRAL", "1": "LONG"}
    found = {spelled.get(str(name), str(name)): value for name, value in shares.items() if is_number(value)}
    return in_order(found)


def in_order(found: Mapping[str, Any]) -> dict[str, Any]:
    """Put the classes into their order, whatever order they were written in; unknown ones come last."""
    return {name: found[name] for name in (*_NAMES, *found) if name in found}


def _label_rule(view: HeadView) -> str:
    manifest = view.facts.label_manifest
    shown = ("horizon", "threshold", "execution")
    return " · ".join(f"{title(name)}: {plain(manifest[name])}" for name in shown if name in manifest)


def _roc(view: HeadView, model: str) -> Figure | None:
    curves = {name: curve for name, curve in (view.model(model).get("roc") or {}).items() if curve.get("fpr")}
    if not curves:
        return None
    return Figure(
        f"ROC, {title(model)}", roc_figure(in_order(curves), slug=f"{view.slug}-roc-{model}", title=title(model))
    )


def _confusion(view: HeadView, model: str) -> Table | None:
    matrix = view.model(model).get("confusion")
    if not matrix:
        return None
    columns = [Column("true ↓  called →", mark="text"), *(Column(name) for name in _NAMES)]
    rows = [[Cell(name, mark="text"), *_shares_of(counts)] for name, counts in zip(_NAMES, matrix, strict=True)]
    return Table(f"Confusion matrix, {title(model)}", columns, rows, kind="heat")


def _shares_of(counts: list[int]) -> list[Cell]:
    total = sum(counts)
    shares = [count / total if total else 0.0 for count in counts]
    return [
        Cell(f"{100 * share:.0f}{NARROW}%", quantity(count), "share of the true class, and rows", heat=share)
        for share, count in zip(shares, counts, strict=True)
    ]
