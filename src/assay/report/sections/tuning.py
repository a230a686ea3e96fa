"""Tuning and bundles: what was tried before the first test row, what was chosen, and what was fitted with it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from assay.report.elements import Block, Cell, Column, Drawer, Figure, Table, value_cell
from assay.report.figures.trials import trial_figure
from assay.report.format import is_number, opening, quantity, title
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
        grouped[str(trial["model"])].append(trial)
    figures = [figure for model, trials in grouped.items() if (figure := _figure(view, model, trials))]
    more = [Drawer(f"All {len(view.facts.trials)} trials", [_trials(view)])] if grouped else []
    tables = [_chosen(view.facts.best_params)] if view.facts.best_params else []
    if figures or tables:
        more = [Drawer("Trials and chosen parameters", tables, figures), *more]
    bundles = [Drawer("Bundles fitted on all labelled rows", [_bundles(view)])] if view.facts.bundles else []
    return Block(f"{view.slug}-tuning", "Tuning and bundles", _LEDE, more=[*more, *bundles])


def _figure(view: HeadView, model: str, trials: Sequence[Mapping[str, Any]]) -> Figure | None:
    scores = [(int(t["number"]), float(t["score"])) for t in trials if is_number(t.get("score"))]
    if not scores:
        return None
    objective = title(trials[0].get("objective") or "objective")
    svg = trial_figure(sorted(scores), slug=f"{view.slug}-trials-{model}", title=title(model))
    return Figure(opening(title(model)), svg, caption=f"score from {objective}, higher is better")


def _chosen(best: Mapping[str, Any]) -> Table:
    rows = [
        [Cell(title(model), mark="text"), Cell(_params(params), mark="text code")] for model, params in best.items()
    ]
    return Table("Chosen parameters", [Column("Model", mark="text"), Column("Parameters", mark="text")], rows)


def _params(params: object) -> str:
    if not isinstance(params, Mapping):
        return quantity(params)
    return "  ".join(f"{name}={quantity(value)}" for name, value in params.items())


def _trials(view: HeadView) -> Table:
    columns = [Column("Model", mark="text"), Column("Trial"), Column("Score"), Column("Parameters", mark="text")]
    rows = [
        [
            Cell(title(trial["model"]), mark="text"),
            Cell(quantity(trial.get("number"))),
            value_cell(trial.get("score")),
            Cell(_params(trial.get("params")), mark="text code"),
        ]
        for trial in view.facts.trials
    ]
    return Table("Trials", columns, rows)


def _bundles(view: HeadView) -> Table:
    """A bundle has seen every labelled row, so the score beside it is the out-of-sample one of its recipe."""
    columns = [
        Column("Model", mark="text"),
        Column("Bundle", mark="text"),
        Column("Rows"),
        Column("Labels known until"),
    ]
    rows = [
        [
            Cell(title(bundle["model"]), mark="text"),
            Cell(bundle["bundle_id"], mark="text code"),
            Cell(quantity(bundle["training"]["rows"])),
            Cell(str(bundle["training"]["last_label_end"])[:10]),
            value_cell(_recipe_score(view, bundle["model"])),
        ]
        for bundle in view.facts.bundles
    ]
    return Table("Bundles", [*columns, Column(f"{title(view.metric)} of the recipe, all folds")], rows)


def _recipe_score(view: HeadView, model: str) -> object:
    return view.evaluation.get("models", {}).get(model, {}).get("full_span", {}).get(view.metric)
