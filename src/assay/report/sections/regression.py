"""Regression in detail: forecast against outcome, residuals."""

from assay.report.elements import Block, Drawer, Figure
from assay.report.figures.regression import residual_figure, scatter_figure
from assay.report.format import title
from assay.report.view import HeadView

_LEDE = (
    "Grey: single rows. Line: mean realised return of each tenth of the forecasts; with skill it rises. Forecasts span "
    "much less than returns do, because most of a return cannot be known."
)


def regression_block(view: HeadView) -> Block:
    """Show scatter and residuals, the lead in front, the next best models in a drawer.

    Args:
        view: The head (regression).

    Returns:
        The block; empty when no model kept its scatter.
    """
    others = [figure for model in view.top[1:] for figure in _figures(view, model)]
    return Block(
        f"{view.slug}-fit",
        "Forecast and outcome",
        _LEDE,
        figures=_figures(view, view.lead),
        more=[Drawer("Other models", figures=others)] if others else (),
    )


def _figures(view: HeadView, model: str) -> list[Figure]:
    entry, name = view.model(model), title(model)
    scatter, residuals = entry.get("scatter") or {}, entry.get("residuals") or {}
    figures = []
    if scatter.get("predicted"):
        svg = scatter_figure(scatter["predicted"], scatter["realised"], slug=f"{view.slug}-scatter-{model}", title=name)
        figures.append(Figure(f"Forecast and outcome, {name}", svg))
    if residuals.get("counts"):
        svg = residual_figure(residuals["edges"], residuals["counts"], slug=f"{view.slug}-residual-{model}", title=name)
        figures.append(Figure(f"Residuals, {name}", svg))
    return figures
