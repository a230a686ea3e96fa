"""Ensembles: who is in them, with which weights, and where equal weights had to do."""

from collections.abc import Mapping, Sequence
from typing import Any

from assay.report.elements import Block, Cell, Column, Drawer, Figure, Table
from assay.report.figures.weights import gain_strip, weight_grid
from assay.report.format import (
    MISSING,
    counted,
    difference,
    is_number,
    number,
    opening,
    quantity,
    reasons,
    spelled,
    title,
    together,
)
from assay.report.view import HeadView

_LEDE = (
    "Ensembles see nothing but the models' out-of-sample answers. For fold k weights are fitted on folds up to k − 2, "
    "accepted on fold k − 1 if they gain there over equal weights, and applied to fold k. Early folds have too little "
    "behind them and take equal weights; this is said, not hidden."
)
_WEIGHTS = "Weight of each member in the fold it was applied to; next: what the next bar would be answered with."
_GAINS = "Loss with equal weights less that with the fitted ones, on the fold before. Grey: no gain, not applied."
_KINDS = {
    "stacking": "stacking",
    "soft_voting": "soft voting, weights fixed beforehand",
    "mean": "simple mean",
    "meta": "meta-label: a second model holds back calls of the first",
}


def ensemble_block(view: HeadView) -> Block:
    """Show the members, weights and fallbacks of every ensemble.

    Args:
        view: The head.

    Returns:
        The block; empty when the head has no ensembles.
    """
    contenders: Mapping[str, Any] = view.facts.ensembles["contenders"]
    order = [name for name in view.tried if name in contenders]
    steps = [_steps(view, name, contenders[name]) for name in order if not _is_fixed(contenders[name])]
    return Block(
        f"{view.slug}-ensembles",
        "Ensembles",
        _LEDE,
        reading=_reading(view, contenders),
        figures=[figure for name in order for figure in _figures(view, name, contenders[name])],
        tables=[_members(view, order, contenders)] if order else (),
        more=[Drawer("Fold by fold", steps)] if steps else (),
    )


def _figures(view: HeadView, name: str, found: Mapping[str, Any]) -> list[Figure]:
    """Weights and gains where something was learned; weights that were fixed beforehand stand in the table."""
    steps = {"next" if step["fold"] is None else str(step["fold"]): step for step in _all_steps(found)}
    gains = {label: step["gain"] for label, step in steps.items()}
    weights = {label: step["weights"] for label, step in steps.items()}
    if not any(map(is_number, gains.values())) or not any(weights.values()):
        return []
    applied, slug = [label for label, step in steps.items() if _is_learned(step)], f"{view.slug}-{name}"
    wide, narrow = (weight_grid(found["members"], weights, wide=w, slug=f"{slug}-weights-{w}") for w in (True, False))
    broad, slim = (gain_strip(gains, applied, wide=w, slug=f"{slug}-gains-{w}") for w in (True, False))
    return [
        Figure(f"Weights of {title(name)}, by fold", wide, narrow, _WEIGHTS, "half"),
        Figure(f"Gain of {title(name)}, by fold", broad, slim, _GAINS, "half"),
    ]


def _all_steps(found: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [*found["folds"], {"fold": None, **found["final"]}]


def _is_learned(step: Mapping[str, Any]) -> bool:
    return bool(step["fitted_on"]) and not step["fallback"]


def _is_fixed(found: Mapping[str, Any]) -> bool:
    """Whether there was nothing to learn."""
    return not any(step["fitted_on"] or step["fallback"] for step in _all_steps(found))


def _members(view: HeadView, order: Sequence[str], contenders: Mapping[str, Any]) -> Table:
    info = view.info(view.metric)
    columns = [
        Column("Ensemble", mark="text"),
        Column("Kind", mark="text"),
        Column(info.label, "common folds"),
        Column("Members", mark="text"),
        Column("Not there", mark="text"),
        Column("Learned weights", hint="folds to which something learned was applied, of all folds"),
    ]
    rows = [
        [
            Cell(title(name), mark="text lead" if name == view.lead else "text"),
            Cell(_KINDS.get(found["kind"], title(found["kind"])), mark="text"),
            Cell(number(view.estimate(name, view.metric)["value"], info.unit)),
            Cell(_present(found), mark="text prose"),
            Cell(" ".join(reasons(found["absent"])) or MISSING, mark="text prose"),
            Cell(_learned(found)),
        ]
        for name in order
        for found in [contenders[name]]
    ]
    return Table("Ensembles and their members", columns, rows)


def _present(found: Mapping[str, Any]) -> str:
    """The members, with their weights where these were fixed beforehand."""
    weights = found["final"]["weights"]
    if not weights or not _is_fixed(found):
        return together(found["members"])
    return ", ".join(f"{title(member)} {number(weights[member], 'ratio')}" for member in found["members"])


def _learned(found: Mapping[str, Any]) -> str:
    if _is_fixed(found):
        return "nothing to learn"
    applied = sum(map(_is_learned, found["folds"]))
    return f"{applied} of {counted(len(found['folds']), 'fold')}"


def _steps(view: HeadView, name: str, found: Mapping[str, Any]) -> Table:
    columns = [
        Column("Fold", mark="text"),
        Column("Fitted on folds", mark="text"),
        Column("Rows"),
        Column("Accepted on fold"),
        Column("Gain there", hint="loss with equal weights less loss with the fitted ones: log loss, or squared error"),
        Column("What was applied", mark="text"),
    ]
    rows = [
        [
            Cell("next" if step["fold"] is None else quantity(step["fold"]), mark="text"),
            Cell(", ".join(map(quantity, step["fitted_on"])) or MISSING, mark="text"),
            Cell(quantity(step["rows"]) if step["rows"] else MISSING),
            Cell(quantity(step["accepted_on"])),
            Cell(difference(step["gain"])),
            Cell(_applied(view, step), mark="text prose"),
        ]
        for step in _all_steps(found)
    ]
    return Table(f"{opening(title(name))}, fold by fold", columns, rows)


def _applied(view: HeadView, step: Mapping[str, Any]) -> str:
    return opening(spelled(step["fallback"], view.known)) if step["fallback"] else "What was fitted"


def _reading(view: HeadView, contenders: Mapping[str, Any]) -> str:
    said = [_against_members(view, name, found) for name, found in contenders.items()]
    left_out = [f"Not made: {spelled(one, view.known)}" for one in reasons(view.facts.ensembles["left_out"])]
    return " ".join([*filter(None, said), *left_out])


def _against_members(view: HeadView, name: str, found: Mapping[str, Any]) -> str:
    """Whether an ensemble is ahead of the best of its own members, in the metric that is read first."""
    info = view.info(view.metric)
    best = next((model for model in view.best_first if model in found["members"]), None)
    mine, other = (view.estimate(model, view.metric)["value"] for model in (name, best or name))
    if best is None or mine is None or other is None:
        return ""
    written, held = (number(value, info.unit) for value in (mine, other))
    ahead = mine < other if info.lower_is_better else mine > other
    side = "level with" if written == held else "ahead of" if ahead else "not ahead of"
    alone = ", by value alone" if side == "ahead of" else ""
    return f"{opening(title(name))} ({info.label} {written}) is {side} its best member, {title(best)} ({held}){alone}."
