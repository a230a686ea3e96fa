"""One trial: fits on the inner folds, its score, and whether it is worth the next fold."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite, nan
from typing import TYPE_CHECKING, Any

import numpy as np

from assay.market.errors import DivergedError
from assay.market.recipe import RecipePlan, fit_model
from assay.market.tuning.budget import Objective
from assay.market.tuning.objectives import raw_value, score
from assay.market.tuning.plan import TuningPlan
from assay.market.tuning.pruning import is_hopeless
from assay.market.tuning.rows import InnerFold
from assay.market.tuning.space import told

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial, Trial

NUMBER, RESULT = "number", "result"  # attributes of a stored trial
_STATES = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}


@dataclass(frozen=True)
class Work:
    """All that a trial needs besides its parameters.

    Attributes:
        folds: The prepared inner folds, oldest first.
        recipe: What is fitted.
        rule: The objective and its parameters.
        pruning: Whether a hopeless trial ends early.
    """

    folds: Sequence[InnerFold]
    recipe: RecipePlan
    rule: Objective
    pruning: bool

    @classmethod
    def of(cls, plan: TuningPlan, folds: Sequence[InnerFold]) -> "Work":
        """The work of all trials of a plan."""
        return cls(folds, plan.recipe, plan.budget.objective, plan.budget.pruning)


def run_trial(study: "Study", trial: "Trial", work: Work) -> None:
    """Fit and score one configuration, and tell the study what came of it.

    A score that is not finite, e.g. of a network that diverged, makes a failed trial.
    """
    from optuna.trial import TrialState

    name = work.rule.of(work.recipe.kind)
    state, raw = _judge(study, trial, work)
    mean = float(np.mean(raw))
    trial.set_user_attr(RESULT, {"state": state, "raw": None if state == "failed" else mean, "folds": len(raw)})
    if state == "complete":
        study.tell(trial, score(name, mean))
    else:
        study.tell(trial, state=TrialState.PRUNED if state == "pruned" else TrialState.FAIL)


def is_recorded(trial: "FrozenTrial") -> bool:
    """Whether the study was told what came of a trial; one that a kill cut short is failed without a result."""
    result = trial.user_attrs.get(RESULT)
    return result is not None and result["state"] == _STATES.get(trial.state.name)


def record(trial: "FrozenTrial", work: Work) -> dict[str, Any]:
    """A trial that the study was told about, as a record."""
    result, name = trial.user_attrs[RESULT], work.rule.of(work.recipe.kind)
    raw = result["raw"]
    return {
        "number": trial.user_attrs[NUMBER],
        "state": result["state"],
        "params": told(work.recipe.params, trial.params),
        "score": None if raw is None else score(name, raw),
        "raw": raw,
        "folds": result["folds"],
        "objective": name,
    }


def _judge(study: "Study", trial: "Trial", work: Work) -> tuple[str, list[float]]:
    """State of the trial, and the raw objective of each fold that was scored."""
    recipe = work.recipe.with_values(told(work.recipe.params, trial.params))
    raw: list[float] = []
    for fold in work.folds:
        raw.append(_raw(fold, recipe, work.rule))
        if not isfinite(raw[-1]):
            return "failed", raw
        if work.pruning and len(raw) < len(work.folds):
            so_far = score(work.rule.of(recipe.kind), float(np.mean(raw)))
            trial.report(so_far, len(raw))
            if is_hopeless(so_far, _peers(study, len(raw))):
                return "pruned", raw
    return "complete", raw


def _raw(fold: InnerFold, recipe: RecipePlan, rule: Objective) -> float:
    """The raw objective of a fold; NaN where training diverged."""
    try:
        model = fit_model(fold.design, recipe)
    except DivergedError:
        return nan
    out = model.predict(fold.X) * fold.design.target_scale
    return raw_value(rule.of(recipe.kind), replace(fold.truth, out=out), rule)


def _peers(study: "Study", folds: int) -> list[float]:
    """Mean scores of the complete trials over their first folds."""
    from optuna.trial import TrialState

    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return [trial.intermediate_values[folds] for trial in complete]
