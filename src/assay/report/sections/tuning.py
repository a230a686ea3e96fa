"""Tuning and bundles: what was tried before the first test row, what was chosen, and what was fitted with it."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from assay.report.elements import Block, Cell, Column, Drawer, Figure, Size, Table, drawn, value_cell
from assay.report.figures.parallel import Line, Scale, parallel_figure
from assay.report.figures.thin import evenly
from assay.report.figures.trials import effect_figure, floor, trial_figure
from assay.report.format import MISSING, counted, day, difference, number, opening, quantity, title
from assay.report.search import FEWEST, Axis, best_of, complete, effects, without_gain
from assay.report.view import HeadView

_LEDE = (
    "Hyper-parameters were searched only on rows before the first test fold, with purged inner splits, so these scores "
    "select nothing on the rows the verdict is about. A higher score is better, whatever the objective."
)
_HISTORY = (
    "Dots: trials. Line: best so far. Rings: pruned early, at the score they had. Crosses: failed. Triangles at the "
    "foot: far below."
)
_EFFECTS = (
    "Bar: how much of the ranks of the scores a parameter explains on its own (adjusted R²). Line across: what chance "
    "reaches in one of twenty cases; grey bars do not pass it."
)
_PARALLEL = (
    "A line per trial, across its value of each parameter, each on the scale it was searched on, to its score: the "
    "stronger, the better. Thick: chosen. Dashed: pruned early."
)
_MOST = 120  # lines that can still be told apart
_ROWS = 240  # trials in the table of all models
_STOPS = {
    "trials": "all trials done",
    "grid": "whole grid done",
    "patience": "patience ran out: {} without a better one",
    "seconds": "time ran out",
}
Trials = Sequence[Mapping[str, Any]]


def tuning_block(view: HeadView) -> Block:
    """Show the search of the lead, the outcome of all searches, and the bundles.

    Args:
        view: The head.

    Returns:
        The block; empty when nothing was tuned and nothing fitted.
    """
    grouped = _grouped(view)
    first = next(iter(grouped), None)
    rest = (model for model in grouped if model != first)
    others = [figure for model in rest for figure in _figures(view, model, grouped[model], small=True)]
    more = [Drawer("Searches of the other models", figures=others)] if others else []
    if grouped:
        more.append(Drawer("Trials and their parameters", [_trials(grouped)]))
    if view.facts.bundles:
        more.append(Drawer("Bundles fitted on all labelled rows", [_bundles(view)]))
    return Block(
        f"{view.slug}-tuning",
        "Tuning and bundles",
        _LEDE,
        reading=_reading(view, grouped),
        figures=_figures(view, first, grouped[first]) if first else (),
        tables=[_outcomes(view, grouped)] if grouped else (),
        more=more,
    )


def _grouped(view: HeadView) -> dict[str, Trials]:
    """Trials by model, the lead or else the best of the tuned models first."""
    by_model: dict[str, list[Mapping[str, Any]]] = {}
    for trial in view.facts.trials:
        by_model.setdefault(trial["model"], []).append(trial)
    order = [*(model for model in view.tried if model in by_model), *by_model]
    return {model: sorted(by_model[model], key=lambda trial: trial["number"]) for model in dict.fromkeys(order)}


def _figures(view: HeadView, model: str, trials: Trials, *, small: bool = False) -> list[Figure]:
    if best_of(trials) is None:
        return []
    spans = view.facts.searches[model]["spans"]
    axes = [Axis.read(name, span) for name, span in spans.items()]
    half: Size = "third" if small else "half"
    found = [_history(view, model, trials, size=half), *_effects(view, model, trials, axes, size=half)]
    return [*found, *_parallel(view, model, trials, axes, size="third" if small else "whole")]


def _history(view: HeadView, model: str, trials: Trials, *, size: Size) -> Figure:
    slug = f"{view.slug}-trials-{model}"
    return drawn(
        f"{opening(title(model))}, {_stop(view, model, trials)}",
        lambda wide: trial_figure(trials, wide=wide, slug=f"{slug}-{wide}", title=title(model)),
        caption=f"Score from {title(trials[0]['objective'])}. {_HISTORY}",
        size=size,
    )


def _stop(view: HeadView, model: str, trials: Trials) -> str:
    said = _STOPS.get(view.facts.searches[model]["stopped"], counted(len(trials), "trial"))
    return said.format(counted(without_gain(trials), "trial"))


def _effects(view: HeadView, model: str, trials: Trials, axes: Sequence[Axis], *, size: Size) -> list[Figure]:
    """A figure, unless there are too few trials to say anything."""
    found = effects(trials, axes)
    if not found:
        return []
    slug = f"{view.slug}-effects-{model}"
    return [
        drawn(
            f"{opening(title(model))}, what each parameter did",
            lambda wide: effect_figure(found, wide=wide, slug=f"{slug}-{wide}", title=title(model)),
            caption=_EFFECTS,
            size=size,
        )
    ]


def _parallel(view: HeadView, model: str, trials: Trials, axes: Sequence[Axis], *, size: Size) -> list[Figure]:
    """A figure, where at least one parameter was searched in more than one trial."""
    done = complete(trials)
    if not axes or len(done) < 2:
        return []
    shown, foot, best = _shown(trials), floor(done), max(trial["score"] for trial in done)
    scales = [*(Scale(axis.name, axis.ticks()) for axis in axes), Scale("score", _score_ticks(foot, best))]
    order = sorted(done, key=lambda trial: (trial["score"], -trial["number"]))
    ranks = {trial["number"]: place / (len(order) - 1) for place, trial in enumerate(order)}
    lines = [Line(_places(trial, axes, foot, best), ranks.get(trial["number"]), trial is order[-1]) for trial in shown]
    label = f"Parallel coordinates of {len(lines)} trials of {title(model)}: {', '.join(axis.name for axis in axes)}"
    slug = f"{view.slug}-parallel-{model}"
    return [
        drawn(
            f"{opening(title(model))}, which combinations scored well",
            lambda wide: parallel_figure(scales, lines, wide=wide, label=label, slug=f"{slug}-{wide}"),
            caption=_PARALLEL,
            size=size,
        )
    ]


def _shown(trials: Trials) -> Trials:
    """At most 120 trials that can be drawn: the best one, and others evenly spread over the search."""
    done = [trial for trial in trials if trial["state"] != "failed"]
    best = best_of(trials)
    kept = [done[place] for place in evenly(len(done), _MOST)]
    return kept if best is None or best in kept else [*kept[1:], best]


def _score_ticks(foot: float, best: float) -> list[tuple[float, str]]:
    """Both ends, written with as many decimals as tell them apart."""
    decimals = max(2, 1 - math.floor(math.log10(best - foot))) if best > foot else 4
    return [(place, f"{score:.{decimals}f}".replace("-", "\u2212")) for place, score in ((0.0, foot), (1.0, best))]


def _places(trial: Mapping[str, Any], axes: Sequence[Axis], foot: float, best: float) -> list[float | None]:
    """Where the line of a trial crosses each axis; a pruned one has no score that compares, so it ends before."""
    across = [axis.place(trial["params"].get(axis.name)) for axis in axes]
    if trial["state"] != "complete":
        return [*across, None]
    return [*across, max(0.0, (trial["score"] - foot) / (best - foot)) if best > foot else 1.0]


def _outcomes(view: HeadView, grouped: Mapping[str, Trials]) -> Table:
    columns = [
        Column("Model", mark="text"),
        Column("Trials", hint="complete; below: pruned early and failed"),
        Column("Stopped", mark="text"),
        Column("Best score", "at trial"),
        Column("Gain", hint="best score less that of the first trial, the untuned parameters; of the inner folds"),
        Column("Chosen parameters", mark="text"),
    ]
    rows = [_outcome(view, model, trials) for model, trials in grouped.items()]
    return Table("Searches", columns, rows)


def _outcome(view: HeadView, model: str, trials: Trials) -> list[Cell]:
    best, first = best_of(trials), trials[0]
    states = Counter(trial["state"] for trial in trials)
    ended = ", ".join(f"{quantity(states[state])} {state}" for state in ("pruned", "failed") if states[state])
    told = [Cell(title(model), mark="text"), Cell(quantity(states["complete"]), ended)]
    stop = Cell(opening(_stop(view, model, trials)), mark="text")
    if best is None:
        return [*told, stop, Cell(MISSING), Cell(MISSING), Cell(MISSING, mark="text")]
    gain = difference(best["score"] - first["score"]) if first["state"] == "complete" else MISSING
    chosen = Cell(_params(view.facts.best_params.get(model, {})), mark="text code")
    return [*told, stop, Cell(number(best["score"]), f"trial {quantity(best['number'])}"), Cell(gain), chosen]


def _params(params: Mapping[str, Any]) -> str:
    return "  ".join(f"{name}={_value(value)}" for name, value in params.items()) or MISSING


def _value(value: object) -> str:
    return f"[{', '.join(map(quantity, value))}]" if isinstance(value, list | tuple) else quantity(value)


def _trials(grouped: Mapping[str, Trials]) -> Table:
    columns = [
        Column("Model", mark="text"),
        Column("Trial"),
        Column("State", mark="text"),
        Column("Score"),
        Column("Parameters", mark="text"),
    ]
    rows = [
        [
            Cell(title(model), mark="text"),
            Cell(quantity(trial["number"])),
            Cell(trial["state"], mark="text" if trial["state"] == "complete" else "text quiet"),
            value_cell(trial["score"]),
            Cell(_params(trial["params"]), mark="text code"),
        ]
        for model, trials in grouped.items()
        for trial in _best(trials, max(10, _ROWS // len(grouped)))
    ]
    total = sum(map(len, grouped.values()))
    note = f"The best of {counted(total, 'trial')}; all of them are in the trial ledger." if len(rows) < total else ""
    return Table("Trials", columns, rows, note=note)


def _best(trials: Trials, most: int) -> Trials:
    """The best trials, complete ones first, in the order in which they were made."""
    order = sorted(trials, key=lambda trial: (trial["state"] != "complete", -(trial["score"] or 0), trial["number"]))
    return sorted(order[:most], key=lambda trial: trial["number"])


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


def _reading(view: HeadView, grouped: Mapping[str, Trials]) -> str:
    if not grouped:
        return ""
    states = Counter(trial["state"] for trial in view.facts.trials)
    said = f"{counted(len(view.facts.trials), 'trial')} of {counted(len(grouped), 'model')}"
    ended = [f"{quantity(states[state])} {state}" for state in ("pruned", "failed") if states[state]]
    said += f" ({', '.join(ended)})" if ended else ""
    few = sum(len(complete(trials)) < FEWEST for trials in grouped.values())
    tail = f" Fewer than {FEWEST} complete trials are too few to tell what a parameter did." if few else ""
    return f"{said}, profile {view.facts.profile}.{tail}"
