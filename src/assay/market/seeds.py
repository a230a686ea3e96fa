"""How far the declared primary depends on the seed: its folds fitted again with other seeds, and nothing else changed.

The spread over seeds is not the sampling error: every seed is scored on the same rows. The one says how far the fit was
luck, the other how far the rows were.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from assay.market.ensembles import EnsembleRules, combine
from assay.market.evaluation import out_of_sample_scores
from assay.market.left_out import left_out
from assay.market.models import Files
from assay.market.plan import Plan
from assay.market.primary import Primary
from assay.market.recipe import RecipePlan, open_recipe
from assay.market.tables import stack_by_model
from assay.market.walk_forward import fold_bundle, validate


@dataclass(frozen=True)
class Walked:
    """The walk-forward test of a head.

    Attributes:
        raw_oos: Predictions of all its models, one after the other.
        fold_models: By model what `validate` gave.
        ensembles: What is made of the models.
        first_fold: First fold of the rows that are judged.
    """

    raw_oos: pl.DataFrame
    fold_models: Mapping[str, Files]
    ensembles: EnsembleRules
    first_fold: int


def reseed(model_input: pl.DataFrame, plan: Plan, walked: Walked, *, primary: Primary, count: int) -> dict[str, Any]:
    """Fit the primary again on every fold with other seeds, and score each on the judged rows.

    Selected features and tuned parameters stay those of the run; they are in the bundles of the folds. The first seed
    is the run's own, whose answers are there already; the others are the next integers. An ensemble is made anew of
    members that were fitted again, whatever it learns from them included.

    Args:
        model_input: The prepared dataset.
        plan: Plan of the head.
        walked: What the run fitted and answered.
        primary: The declared claim.
        count: How many seeds, that of the run included.

    Returns:
        ``model`` (None where it was not fitted again), ``seeds``, ``ic`` (the primary's metric with each seed, before
        calibration; None where it is undefined), ``mean``, ``sd`` (n - 1), ``low`` and ``high`` (smallest and largest)
        over the defined ones, and what is ``said``.

    Raises:
        DataError: The prepared dataset is not that of the plan.
        BundleError: A stored model cannot be opened.
    """
    if primary.head != plan.head or plan.absent:
        return _document(None, {}, plan.absent or f"The declared primary is about the head {primary.head}.")
    rules = _rules_of(primary.model, walked.ensembles)
    recipes = _recipes_of(primary.model, rules, walked, plan)
    if not recipes:
        return _document(None, {}, f"{primary.model} was fitted in no fold of this run.")
    scores = {}
    for seed in range(plan.learning.seed, plan.learning.seed + count):
        seeded = plan.model_copy(update={"learning": plan.learning.model_copy(update={"seed": seed})})
        answers = walked.raw_oos.filter(pl.col("model").is_in(list(recipes)))
        if seed != plan.learning.seed:
            answers = _refitted(model_input, seeded, recipes)
        made = combine(answers, model_input, plan=seeded, rules=rules, left_out={}).oos if rules.root else answers
        judged = made.filter(pl.col("fold") >= walked.first_fold)
        scores[seed] = out_of_sample_scores(judged, primary.model, kind=plan.kind)[primary.metric]
    return _document(primary.model, scores, _said(scores))


def _rules_of(model: str, rules: EnsembleRules) -> EnsembleRules:
    """The ensembles that a model is made of, itself included, in their order."""
    needed = {model}
    for name, rule in reversed(rules.root.items()):
        if name in needed:
            needed |= set(rule.reads)
    return EnsembleRules({name: rule for name, rule in rules.root.items() if name in needed})


def _recipes_of(model: str, rules: EnsembleRules, walked: Walked, plan: Plan) -> dict[str, RecipePlan]:
    """How every fitted model behind the primary was fitted; those that were left out of the run are left out here."""
    read = {model, *(member for rule in rules.root.values() for member in rule.reads)}
    there = {name: files for name, files in walked.fold_models.items() if name in read and not left_out(files)}
    opened = {name: fold_bundle(files, plan.receipts[0].fold) for name, files in there.items()}
    return {name: open_recipe(files, feature_set_id=plan.feature_set_id).plan for name, files in opened.items()}


def _refitted(model_input: pl.DataFrame, plan: Plan, recipes: Mapping[str, RecipePlan]) -> pl.DataFrame:
    """Predictions of the models fitted again with the seed of a plan."""
    features, labels = plan.open(model_input)
    return stack_by_model(
        {
            name: validate(features, labels, plan.folds(), plan=replace(recipe, seed=plan.learning.seed))[0]
            for name, recipe in recipes.items()
        }
    )


def _document(model: str | None, scores: Mapping[int, float | None], said: str) -> dict[str, Any]:
    found = _defined(scores)
    return {
        "model": model,
        "seeds": list(scores),
        "ic": list(scores.values()),
        "mean": float(np.mean(found)) if found else None,
        "sd": float(np.std(found, ddof=1)) if len(found) > 1 else None,
        "low": min(found, default=None),
        "high": max(found, default=None),
        "said": said,
    }


def _said(scores: Mapping[int, float | None]) -> str:
    found = _defined(scores)
    if not found:
        return "Its forecast never changes, with any seed."
    seeds = "1 seed" if len(scores) == 1 else f"{len(scores)} seeds"
    how = f"fitted with {seeds}, features and tuned parameters the same, before calibration"
    if min(found) == max(found):
        return f"The IC is {found[0]:+.3f}, {how}."
    apart = "The interval of the IC is about the rows, and does not hold this."
    return f"The IC goes from {min(found):+.3f} to {max(found):+.3f}, {how}. {apart}"


def _defined(scores: Mapping[int, float | None]) -> Sequence[float]:
    return [score for score in scores.values() if score is not None]
