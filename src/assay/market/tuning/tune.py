"""Tuning: search for parameters on purged splits of the rows before the first test fold."""

from collections.abc import Sequence
from typing import Any

import polars as pl

from assay.market.errors import DataError
from assay.market.parts import Seen
from assay.market.progress import Track, silent
from assay.market.splits import Receipt
from assay.market.tuning.identity import study_name
from assay.market.tuning.parallel import run_side_by_side
from assay.market.tuning.plan import TuningPlan, TuningResult
from assay.market.tuning.rows import Early, early_part, effective_rows, inner_folds
from assay.market.tuning.search import Search
from assay.market.tuning.stopping import best_of
from assay.market.tuning.trial import Work, run_trial


def tune(
    features: pl.DataFrame,
    labels: pl.DataFrame,
    receipts: Sequence[Receipt],
    *,
    plan: TuningPlan,
    track: Track = silent,
) -> TuningResult:
    """Search for the best mean score over purged inner folds.

    Only rows whose label was known before the first test fold take part. The sampler of trial n is seeded from (seed,
    n), so a study that was killed and resumed gives the trials of one that was not; a trial that was running when the
    process died is marked failed and run again under its number. Trials in several processes depend on who finishes
    first; each number is still run to its end exactly once. A study is found again only for the same rows, parameters,
    ranges, inner splits, seed and objective; more ``trials`` continue it. Equal scores: the earlier trial wins.

    Args:
        features: Features table, all rows, sorted by entity and time.
        labels: Labels table of the same rows in the same order.
        receipts: The outer folds.
        plan: What to tune.
        track: Shows the progress over the trials that are left.

    Returns:
        Best values, all trials and what they have seen; only ``params``, and nothing stored, for a model without search
        ranges.

    Raises:
        DataError: Features and labels are not the same rows, or no trial was scored to its end.
        SplitError: Too few rows before the first test fold, or a selection that was made on other rows.
        ConfigurationError: Several processes with a storage that they cannot share, or a time limit without a clock.
    """
    configured = plan.recipe.params.model_dump(mode="json")
    if not plan.recipe.params.search:
        return TuningResult({}, [], params=configured)
    early = early_part(features, labels, receipts, plan=plan)
    search = Search(plan, study_name(early, plan))
    if search.stopped() is None:
        run = _run_one_by_one if plan.budget.processes == 1 else run_side_by_side
        run(search, Work.of(plan, inner_folds(early, plan)), plan, track)
    return _result(search, early, configured)


def _run_one_by_one(search: Search, work: Work, plan: TuningPlan, track: Track) -> None:  # noqa: ARG001
    for number in track(search.left(), "trials"):
        if search.stopped():
            return
        run_trial(search.study, search.ask(number), work)
        search.keep_time()


def _result(search: Search, early: Early, configured: dict[str, Any]) -> TuningResult:
    labels, trials = early.labelled, search.trials()
    best = best_of(trials)
    if best is None:
        raise DataError(
            f"search {search.study.study_name}",
            "no trial was scored to its end",
            expected="a finite objective on every inner fold",
            found=[trial["state"] for trial in trials],
            do="look at the features and parameters of the untuned model, which was tried first",
        )
    about = {"rows": labels.height, "effective_rows": effective_rows(labels)}
    named = [{"id": f"{search.study.study_name}/{trial['number']}", **trial, **about} for trial in trials]
    return TuningResult(
        best=best["params"],
        trials=named,
        seen=Seen.of("tuning", labels).to_dict(),
        stopped=search.stopped(),
        params=configured,
    )
