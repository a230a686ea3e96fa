"""Which features the models lean on, and how steadily."""

from collections import defaultdict
from typing import Any

from assay.report.elements import Block, Cell, Column, Drawer, Figure, Size, Table, drawn, value_cell
from assay.report.figures.importance import importance_figure
from assay.report.format import opening, title
from assay.report.view import HeadView

_LEDE = (
    "Mean importance over the folds with its spread. A feature that matters in one fold only is noise that was fitted. "
    "Importance says what a model uses, not that it works."
)
_MOST = 15


def importance_block(view: HeadView) -> Block:
    """Show the largest features of the two best models that tell them, the lead first, the others in a drawer.

    Args:
        view: The head.

    Returns:
        The block; empty when no model tells importance.
    """
    ranked = _ranked(view)
    large = [model for model in view.tried if model in ranked][:2]
    others = [_figure(view, model, rows, "third") for model, rows in ranked.items() if model not in large]
    more = [Drawer("Other models", figures=others)] if others else []
    lead = ranked.get(view.lead)
    if lead and len(lead) > _MOST:
        more.append(Drawer(f"All {len(lead)} features of {title(view.lead)}", [_table(view, lead)]))
    return Block(
        f"{view.slug}-importance",
        "What the model looks at",
        _LEDE,
        figures=[_figure(view, model, ranked[model]) for model in large],
        more=more,
    )


def _ranked(view: HeadView) -> dict[str, list[dict[str, Any]]]:
    grouped: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in view.facts.importance:
        grouped[row["model"]].append(dict(row))
    return {model: sorted(rows, key=lambda row: (-row["mean"], row["feature"])) for model, rows in grouped.items()}


def _figure(view: HeadView, model: str, rows: list[dict[str, Any]], size: Size = "half") -> Figure:
    slug = f"{view.slug}-importance-{model}"
    return drawn(
        f"{opening(title(model))}, {min(len(rows), _MOST)} largest",
        lambda wide: importance_figure(rows[:_MOST], wide=wide, slug=f"{slug}-{wide}", title=title(model)),
        caption="Share of the model's total importance; line: lowest and highest fold.",
        size=size,
    )


def _table(view: HeadView, rows: list[dict[str, Any]]) -> Table:
    columns = [Column("Feature", mark="text"), Column("Mean"), Column("Std over folds")]
    cells = [
        [
            Cell(row["feature"], mark="text code"),
            value_cell(row["mean"], "share"),
            value_cell(row["std"], "share"),
        ]
        for row in rows
    ]
    return Table(f"Importance, {title(view.lead)}", columns, cells)
