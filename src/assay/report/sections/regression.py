"""Regression in detail: forecast against outcome, residuals."""

from assay.report.elements import Block, Drawer, Figure
from assay.report.figures.regression import residual_figure, scatter_figure
from assay.report.format import title
from assay.report.view import HeadView

_LEDE = (
    "Grey: single rows. Line: mean outcome of each tenth of the forecasts; with skill it rises. Forecasts span much "
    "less than outcomes do, because most of an outcome cannot be known."
)


def regression_block(view: HeadView) -> Block:
    """Show scatter and residuals, the lead in front, the next best models in a drawer.

    Args:
        view: The head (regression).

    Returns:
        The block; empty on other kinds of heads.
    """
    if view.facts.kind != "regression":
        return Block(f"{view.slug}-fit", "Forecast and outcome", _LEDE)
    others = [figure for model in view.top[1:] for figure in _figures(view, model)]
    return Block(
        f"{view.slug}-fit",
        "Forecast and outcome",
        _LEDE,
        figures=_figures(view, view.lead),
        more=[Drawer("Other models", figures=others)] if others else (),
    )


def _figures(view: HeadView, model: str) -> list[Figure]:
    entry, name, slug = view.model(model), title(model), f"{view.slug}-{{}}-{model}"
    scatter, residuals = entry["scatter"], entry["residuals"]
    what = "return" if view.facts.traded else "change"
    cloud = scatter_figure(
        scatter["predicted"], scatter["realised"], what=what, slug=slug.format("scatter"), title=name
    )
    rest = residual_figure(residuals["edges"], residuals["counts"], what=what, slug=slug.format("residual"), title=name)
    return [Figure(f"Forecast and outcome, {name}", cloud), Figure(f"Residuals, {name}", rest)]
