"""Tuning and bundles: what was tried before the first test row, what was chosen, and what was fitted with it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from assay.report.elements import Block, Cell, Column, Drawer, Figure, Table, value_cell
from assay.report.figures.trials import trial_figure
from assay.report.format import counted, day, opening, quantity, title
from assay.report.view import HeadView

_LEDE = (
    "Hyper-parameters were searched only on rows before the first test fold, with purged inner splits, so these scores "
    "select nothing on the rows the verdict is about. Dots: trials. Line: best so far."
)


def tuning_block(view: HeadView) -> Block:
    """Show the trials of each tuned model and the chosen parameters.

    Args:
        view: The head.

    Returns:
        The block; empty when nothing was tuned.
    """
    grouped: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for trial in view.facts.trials:
        grouped[trial["model"]].append(trial)
    figures = [_figure(view, model, trials) for model, trials in grouped.items()]
    more = [Drawer(f"All of {counted(len(view.facts.trials), 'trial')}", [_trials(view)])] if grouped else []
    tables = [_chosen(view.facts.best_params)] if view.facts.best_params else []
    if figures or tables:
        more = [Drawer("Trials and chosen parameters", tables, figures), *more]
    bundles = [Drawer("Bundles fitted on all labelled rows", [_bundles(view)])] if view.facts.bundles else []
    return Block(f"{view.slug}-tuning", "Tuning and bundles", _LEDE, more=[*more, *bundles])


def _figure(view: HeadView, model: str, trials: Sequence[Mapping[str, Any]]) -> Figure:
    scores = sorted((trial["number"], trial["score"]) for trial in trials)
    svg = trial_figure(scores, slug=f"{view.slug}-trials-{model}", title=title(model))
    caption = f"score from {title(trials[0]['objective'])}, higher is better"
    return Figure(opening(title(model)), svg, caption=caption)


def _chosen(best: Mapping[str, Mapping[str, Any]]) -> Table:
    rows = [
        [Cell(title(model), mark="text"), Cell(_params(params), mark="text code")] for model, params in best.items()
    ]
    return Table("Chosen parameters", [Column("Model", mark="text"), Column("Parameters", mark="text")], rows)


def _params(params: Mapping[str, Any]) -> str:
    return "  ".join(f"{name}={quantity(value)}" for name, value in params.items())


def _trials(view: HeadView) -> Table:
    columns = [Column("Model", mark="text"), Column("Trial"), Column("Score"), Column("Parameters", mark="text")]
    rows = [
        [
            Cell(title(trial["model"]), mark="text"),
            Cell(quantity(trial["number"])),
            value_cell(trial["score"]),
            Cell(_params(trial["params"]), mark="text code"),
        ]
        for trial in view.facts.trials
    ]
    return Table("Trials", columns, rows)


def _bundles(view: HeadView) -> Table:
    """A bundle has seen every labelled row, so the score beside it is the out-of-sample one of its recipe."""
    info = view.info(view.metric)
    columns = [
        Column("Model", mark="text"),
        Column("Bundle", mark="text"),
        Column("Rows"),
        Column("Labels known until"),
        Column(f"{info.label} of the recipe, all folds"),
    ]
    rows = [
        [
            Cell(title(bundle["model"]), mark="text"),
            Cell(bundle["bundle_id"], mark="text code"),
            Cell(quantity(bundle["training"]["rows"])),
            Cell(day(bundle["training"]["last_label_end"])),
            value_cell(view.model(bundle["model"])["full_span"][view.metric], info.unit),
        ]
        for bundle in view.facts.bundles
    ]
    return Table("Bundles", columns, rows)
