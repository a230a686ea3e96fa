"""Tuning: search for parameters on purged splits of the rows before the first test fold."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl
from pydantic import Field

from assay.market.models import ModelRule, called
from assay.market.models.base import Floats, Matrix, Target, class_codes
from assay.market.parameters import Parameters
from assay.market.parts import TARGETS, Seen, check_same_rows
from assay.market.prepared import content_hash
from assay.market.progress import Track, silent
from assay.market.recipe import Design, RecipePlan, fit_model, prepare
from assay.market.selection import Selection
from assay.market.splits import Receipt, SplitRule, before_first_fold, plan_folds, split_rows
from assay.market.workload import Kind

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.storages import BaseStorage
    from optuna.study import Study
    from optuna.trial import FrozenTrial, Trial

STARTUP_TRIALS = 5  # trials drawn at random before TPE has enough to go by
SMALLEST = 1e-15  # least probability counted by the log loss


class Objective(Parameters):
    """What tuning optimises, by kind of head.

    Attributes:
        classification: Multi-class log loss, or share of right classes.
        regression: Mean squared error, or rank correlation of prediction and outcome (information coefficient).
    """

    classification: Literal["log_loss", "accuracy"] = "log_loss"
    regression: Literal["mse", "ic"] = "mse"

    def of(self, kind: Kind) -> str:
        """The objective of a head of ``kind``."""
        return {"classification": self.classification, "regression": self.regression}[kind]


class Budget(Parameters):
    """How much tuning may do.

    Attributes:
        trials: Number of configurations, the untuned one first.
        inner_folds: Walk-forward folds inside the rows before the first test fold.
        min_train: Share of those rows' timestamps before the first inner fold.
        objective: What to optimise.
    """

    trials: int = Field(default=5, ge=1)
    inner_folds: int = Field(default=2, ge=1)
    min_train: float = Field(default=0.5, gt=0, lt=1)
    objective: Objective = Objective()


@dataclass(frozen=True)
class TuningPlan:
    """What to tune, how long, and where the study is kept.

    Attributes:
        recipe: What is fitted; its model parameters carry the search ranges and the values of the first trial, and its
            seed is also that of the search.
        budget: How much to do.
        embargo: Bars before an inner fold that no inner training label may reach, as before the outer folds.
        selections: The features chosen for the training part of each inner fold of `inner_receipts`.
        storage: An Optuna storage. One that outlives the process lets a killed study go on where it was.
    """

    recipe: RecipePlan
    budget: Budget
    embargo: int
    selections: tuple[Selection, ...]
    storage: "BaseStorage"


@dataclass(frozen=True)
class TuningResult:
    """Outcome of tuning one model.

    Attributes:
        best: Values of the searched parameters with the best score; empty for a model without search ranges.
        trials: One record per trial, first to last: id, number, params, score (higher is better), raw objective,
            objective, rows, effective_rows.
        seen: What the search has seen, as `Seen.to_dict` says it; None for a model without search ranges.
    """

    best: dict[str, float]
    trials: list[dict[str, Any]]
    seen: dict[str, str] | None = None


@dataclass(frozen=True)
class _InnerFold:
    """A prepared inner split: training design, test inputs, test targets in original units."""

    design: Design
    X: Matrix
    y: Target


def tune(
    features: pl.DataFrame,
    labels: pl.DataFrame,
    receipts: Sequence[Receipt],
    *,
    plan: TuningPlan,
    track: Track = silent,
) -> TuningResult:
    """Search by TPE (Bergstra et al., *NeurIPS* 2011) for the best mean score over purged inner folds.

    Only rows whose label was known before the first test fold take part. The sampler of trial n is seeded from (seed,
    n), so a study that was killed and resumed gives the trials of one that was not; a trial that was running when the
    process died is marked failed and repeated. A study is found again only for the same rows, parameters, ranges,
    inner splits, seed and objective; more ``trials`` continue it. Equal scores: the earlier trial wins.

    Args:
        features: Features table, all rows.
        labels: Labels table of the same rows in the same order.
        receipts: The outer folds.
        plan: What to tune.
        track: Shows the progress over the trials that are left.

    Returns:
        Best values, all trials and what they have seen; nothing of it, and nothing stored, for a model without search
        ranges.

    Raises:
        DataError: Features and labels are not the same rows.
        SplitError: Too few rows before the first test fold, or a selection that was made on other rows.
    """
    recipe, budget = plan.recipe, plan.budget
    if not recipe.params.search:
        return TuningResult({}, [])
    check_same_rows(features, labels)
    rows = before_first_fold(labels, receipts)
    features, labels = features.filter(rows), labels.filter(rows)
    folds = _inner_folds(features, labels, plan)
    objective = budget.objective.of(recipe.kind)
    study = _open_study(plan, study_name(features, labels, plan))
    for number in track(range(len(_complete(study)), budget.trials), "trials"):
        trial = _ask(study, plan, number)
        raw = _evaluate(folds, recipe.with_values(trial.params), objective)
        trial.set_user_attr("raw", raw)
        study.tell(trial, _OBJECTIVES[objective][1] * raw)
    about = {"objective": objective, "rows": labels.height, "effective_rows": effective_rows(labels)}
    trials = [_record(trial, number) | about for number, trial in enumerate(_complete(study)[: budget.trials])]
    best = max(trials, key=lambda trial: (trial["score"], -trial["number"]))
    named = [{"id": f"{study.study_name}/{trial['number']}"} | trial for trial in trials]
    return TuningResult(best["params"], named, Seen.of("tuning", labels).to_dict())


def inner_receipts(labels: pl.DataFrame, budget: Budget, *, embargo: int) -> list[Receipt]:
    """Plan the inner folds.

    Args:
        labels: Labels of the rows before the first test fold.
        budget: Number of inner folds and their first training share.
        embargo: Bars before an inner fold that no inner training label may reach.

    Raises:
        SplitError: Too few rows.
    """
    return plan_folds(labels, SplitRule(folds=budget.inner_folds, min_train=budget.min_train, embargo=embargo))


def effective_rows(labels: pl.DataFrame) -> int:
    """Largest number of labels of which no two share any time: about unique timestamps / horizon.

    All entities count as one, since they move together. Spans are [start, label_end) from entry to exit.

    Args:
        labels: Labelled rows.
    """
    spans = labels.select("start", "label_end").sort("start")
    starts = spans["start"].to_physical().to_numpy()
    ends = np.minimum.accumulate(spans["label_end"].to_physical().to_numpy()[::-1])[::-1]
    count, position = 0, 0
    while position < len(starts):  # always the span that ends first among those still ahead
        count += 1
        # a label may end where it starts, e.g. at a barrier inside its first bar
        after = np.searchsorted(starts, starts[position], side="right")
        position = int(max(after, np.searchsorted(starts, ends[position])))
    return count


def collect_trials(found: Mapping[str, Mapping[str, Any]]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Bring the results of all models of a head together.

    Args:
        found: By model a `TuningResult` as a document.

    Returns:
        By model the best ``values``, the ids of the ``trials`` they were chosen from, and what these have ``seen``.
        All trials as records of the trial ledger, with ``model`` and ``scope`` inner.
    """
    best = {
        model: {
            "values": result["best"],
            "trials": [trial["id"] for trial in result["trials"]],
            "seen": result["seen"],
        }
        for model, result in found.items()
    }
    records = [
        {"model": model, "scope": "inner", **trial} for model, result in found.items() for trial in result["trials"]
    ]
    return best, records


def study_name(features: pl.DataFrame, labels: pl.DataFrame, plan: TuningPlan) -> str:
    """Name of a study: a hash of all that decides its trials: rows, parameters, the code here and its libraries."""
    recipe, budget = plan.recipe, plan.budget
    what = asdict(recipe) | {
        "code": _code(),
        "libraries": {name: import_module(name).__version__ for name in ("optuna", "polars", recipe.params.library)},
        "params": recipe.params.model_dump(mode="json", exclude={"threads"}),
        "weights": recipe.weights.model_dump(mode="json"),
        "features": [selection.kept for selection in plan.selections],
        "budget": budget.model_dump(mode="json", exclude={"trials", "objective"}),
        "embargo": plan.embargo,
        "objective": budget.objective.of(recipe.kind),
    }
    digest = hashlib.sha256(json.dumps(what, sort_keys=True).encode())
    digest.update(content_hash(features, labels).encode())
    return f"{recipe.params.kind}-{digest.hexdigest()[:24]}"


@cache
def _code() -> str:
    """Hash of the domain's own sources: what changes a score must not continue a study of the old ones."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _inner_folds(features: pl.DataFrame, labels: pl.DataFrame, plan: TuningPlan) -> list[_InnerFold]:
    recipe, receipts = plan.recipe, inner_receipts(labels, plan.budget, embargo=plan.embargo)
    folds = []
    for receipt, selection in zip(receipts, plan.selections, strict=True):
        train, test = split_rows(labels, receipt)
        design = prepare(features.filter(train), labels.filter(train), recipe, selection=selection)
        X = design.inputs.transform(features.filter(test))
        folds.append(_InnerFold(design, X, labels.filter(test)[TARGETS[recipe.kind]].to_numpy()))
    return folds


def _open_study(plan: TuningPlan, name: str) -> "Study":
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(study_name=name, storage=plan.storage, direction="maximize", load_if_exists=True)
    for trial in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
    return study


def _complete(study: "Study") -> "list[FrozenTrial]":
    from optuna.trial import TrialState

    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def _ask(study: "Study", plan: TuningPlan, number: int) -> "Trial":
    from optuna.samplers import TPESampler
    from optuna.trial import TrialState

    params = plan.recipe.params
    seed = int(np.random.SeedSequence([plan.recipe.seed, number]).generate_state(1)[0])
    study.sampler = TPESampler(seed=seed, n_startup_trials=STARTUP_TRIALS)
    if number == 0 and not study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
        study.enqueue_trial({name: getattr(params, name) for name in params.search})
    return study.ask(_distributions(params))


def _distributions(params: ModelRule) -> "dict[str, BaseDistribution]":
    from optuna.distributions import FloatDistribution, IntDistribution

    return {
        name: IntDistribution(int(span.low), int(span.high), log=span.log)
        if params.is_integer(name)
        else FloatDistribution(span.low, span.high, log=span.log)
        for name, span in sorted(params.search.items())
    }


def _evaluate(folds: Sequence[_InnerFold], recipe: RecipePlan, objective: str) -> float:
    """Mean of the raw objective over the inner folds."""
    raw = []
    for fold in folds:
        out = fit_model(fold.design, recipe).predict(fold.X) * fold.design.target_scale
        raw.append(_OBJECTIVES[objective][0](fold.y, out))
    return float(np.mean(raw))


def _record(trial: "FrozenTrial", number: int) -> dict[str, Any]:
    # Failed attempts take numbers of Optuna's own; counting the complete ones makes a resumed study equal.
    return {"number": number, "params": dict(trial.params), "score": trial.value, "raw": trial.user_attrs["raw"]}


def _log_loss(y: Target, out: Floats) -> float:
    chosen = out[np.arange(len(y)), class_codes(y)]
    return float(-np.log(np.maximum(chosen, SMALLEST)).mean())


def _accuracy(y: Target, out: Floats) -> float:
    return float((called(out) == y).mean())


def _mse(y: Target, out: Floats) -> float:
    return float(((y - out) ** 2).mean())


def _ic(y: Target, out: Floats) -> float:
    """Rank correlation; 0 for a constant forecast, which orders nothing."""
    ranks = pl.DataFrame({"y": y, "out": out}).select(pl.all().rank()).to_numpy()
    y_rank, out_rank = (ranks - ranks.mean(axis=0)).T
    norm = np.sqrt((y_rank**2).sum() * (out_rank**2).sum())
    return float(y_rank @ out_rank / norm) if norm > 0 else 0.0


# Raw value of each objective, and the sign that makes more of it better.
_OBJECTIVES: dict[str, tuple[Callable[[Target, Floats], float], int]] = {
    "log_loss": (_log_loss, -1),
    "accuracy": (_accuracy, 1),
    "mse": (_mse, -1),
    "ic": (_ic, 1),
}
