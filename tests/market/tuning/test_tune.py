"""A search one by one: only early rows count, and a study goes on as if nothing had happened."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from optuna.storages import InMemoryStorage

from assay.market.errors import ConfigurationError, DataError, DivergedError, SplitError
from assay.market.recipe import RecipePlan, prepare
from assay.market.splits import SplitRule, before_first_fold, plan_folds
from assay.market.tuning import TuningResult, identity, trial, tune
from assay.market.weights import WeightRule
from assay.market.workload import Kind

Maker = Callable[..., RecipePlan]
ALPHA = {"alpha": {"low": 1, "high": 10_000, "log": True}}
TREES = {
    "kind": "lightgbm",
    "n_estimators": 10,
    "threads": 1,
    "search": {"num_leaves": {"low": 2, "high": 20}, "learning_rate": {"low": 0.01, "high": 0.3, "log": True}},
}
KINDS = pytest.mark.parametrize(("kind", "params"), [("regression", {}), ("classification", TREES)])
GRID = {"sampler": "grid", "grid_points": 9}
RECORD = {"id", "number", "state", "params", "score", "raw", "folds", "objective", "rows", "effective_rows"}


def counting_fits(monkeypatch: pytest.MonkeyPatch, before: Callable[[int], None] = lambda _: None) -> list[Any]:
    """Designs and plans of the fits of trials, in order; ``before`` each fit its number is told, from 1."""
    fits, fit = [], trial.fit_model

    def counted(design: Any, plan: RecipePlan) -> Any:
        fits.append((design, plan))
        before(len(fits))
        return fit(design, plan)

    monkeypatch.setattr(trial, "fit_model", counted)
    return fits


def test_a_record_tells_the_trial(lab: Any) -> None:
    result = lab.run(trials=3)
    rows = int(before_first_fold(lab.market[1], lab.market[2]).sum())
    first = result.trials[0]
    assert [told["number"] for told in result.trials] == [0, 1, 2]
    assert set(first) == RECORD
    assert first["params"] == {"alpha": 500.0}
    assert first["objective"] == "mse"
    assert first["state"] == "complete"
    assert first["folds"] == 2
    assert first["score"] == -first["raw"] < 0
    assert first["rows"] == rows
    assert 0 < first["effective_rows"] <= rows / 2 / 3 + 1  # two entities, horizon 3
    assert len({told["id"] for told in result.trials}) == 3
    assert json.loads(json.dumps(result.trials)) == result.trials
    best = max(result.trials, key=lambda told: told["score"])
    assert result.best == best["params"]
    assert result.stopped == "trials"


def test_scores_agree_with_a_slow_computation(lab: Any, make_recipe: Maker) -> None:
    features, labels, receipts = lab.market
    rule = SplitRule(folds=2, min_train=0.6, embargo=4)
    budget = {"trials": 2, "inner_folds": 2, "min_train": 0.6, "embargo": 4}
    result = lab.run(**budget)
    early = pl.Series(before_first_fold(labels, receipts))
    features, labels = features.filter(early), labels.filter(early)
    losses = []
    for inner, selection in zip(plan_folds(labels, rule), lab.planned(**budget).selections, strict=True):
        known = labels["label_end"] <= inner.last_train_label_end
        test = labels["time"].is_between(inner.test_start, inner.test_end)
        model = prepare(features.filter(known), labels.filter(known), make_recipe(), selection=selection)
        X = model.X.astype(float)
        y = labels.filter(known)["forward_return"].to_numpy()
        beta = np.linalg.solve(X.T @ X + result.trials[1]["params"]["alpha"] * np.eye(X.shape[1]), X.T @ (y - y.mean()))
        out = model.inputs.transform(features.filter(test)).astype(float) @ beta + y.mean()
        losses.append(((out - labels.filter(test)["forward_return"].to_numpy()) ** 2).mean())
    assert result.trials[1]["raw"] == pytest.approx(np.mean(losses), rel=1e-4)


@KINDS
def test_rows_from_the_first_test_fold_on_are_never_read(
    kind: Kind, params: Any, lab: Any, make_recipe: Maker, make_lab: Any
) -> None:
    features, labels, receipts = lab.market
    late = ~pl.Series(before_first_fold(labels, receipts))
    rng = np.random.default_rng(0)
    junk = pl.Series(rng.choice([np.nan, 1e30, -1e30], len(late)))
    spoiled = features.with_columns(
        pl.when(late).then(junk).otherwise(name).alias(name) for name in features.columns[2:]
    )
    labelled = late & labels["label"].is_not_null()
    lies = labels.with_columns(
        pl.when(labelled).then(pl.lit(-1, pl.Int8)).otherwise("label").alias("label"),
        pl.when(labelled).then(1e6).otherwise("forward_return").alias("forward_return"),
    )
    plan = make_recipe(kind, **params)
    other = make_lab((spoiled.cast(dict(features.schema)), lies, receipts))
    assert other.run(plan, trials=4) == lab.run(plan, trials=4)


@KINDS
def test_same_seed_same_trials(kind: Kind, params: Any, lab: Any, make_recipe: Maker) -> None:
    plan = make_recipe(kind, **params)
    assert lab.run(plan, trials=8) == lab.run(plan, trials=8)
    assert len({json.dumps(told["params"]) for told in lab.run(plan, trials=8).trials}) == 8
    other = lab.run(replace(plan, seed=1), trials=2)
    assert other.trials[0]["params"] == lab.run(plan, trials=1).trials[0]["params"]
    assert other.trials[1]["params"] != lab.run(plan, trials=2).trials[1]["params"]


def test_samplers_differ_after_the_start(lab: Any) -> None:
    tried = {
        sampler: [told["params"]["alpha"] for told in lab.run(trials=12, sampler=sampler, pruning=False).trials]
        for sampler in ("tpe", "random", "grid")
    }
    assert tried["random"][:5] == tried["tpe"][:5]  # nothing to learn from yet
    assert tried["random"][5:] != tried["tpe"][5:]
    assert len(set(tried["random"])) == 12
    assert tried["grid"][0] == 500
    assert sorted(tried["grid"][1:]) == pytest.approx([1, 100, 10_000])


def test_the_seed_decides_the_order_of_the_grid(lab: Any, make_recipe: Maker) -> None:
    tried = [
        [told["params"]["alpha"] for told in lab.run(replace(make_recipe(), seed=seed), trials=6, **GRID).trials]
        for seed in (0, 0, 1)
    ]
    assert tried[0] == tried[1] != tried[2]


def test_the_grid_ends_when_it_was_tried_in_whole(lab: Any) -> None:
    assert lab.run(sampler="grid", grid_points=3, trials=9).stopped == "grid"
    assert lab.run(sampler="grid", grid_points=3, trials=4).stopped == "trials"
    assert len(lab.run(sampler="grid", grid_points=5, trials=9).trials) == 6


def test_more_trials_continue_a_study(lab: Any) -> None:
    storage = InMemoryStorage()
    short = lab.run(storage=storage, trials=6)
    long = lab.run(storage=storage, trials=9)
    assert long.trials[:6] == short.trials
    assert long == lab.run(trials=9)
    assert lab.run(storage=storage, trials=6) == short
    assert len(storage.get_all_studies()) == 1


def test_trials_are_never_repeated(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    storage, fits = InMemoryStorage(), counting_fits(monkeypatch)
    lab.run(storage=storage, trials=3)
    assert len(fits) == 3 * 2
    lab.run(storage=storage, trials=3)
    assert len(fits) == 3 * 2


@pytest.mark.parametrize("failing", [0, 1, 7])
def test_a_trial_that_broke_is_failed_and_run_again(failing: int, lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = InMemoryStorage()

    def break_at(fit: int) -> None:
        if fit == 2 * failing + 2:
            raise KeyboardInterrupt

    counting_fits(monkeypatch, break_at)
    with pytest.raises(KeyboardInterrupt):
        lab.run(storage=storage, trials=9, pruning=False)
    resumed = lab.run(storage=storage, trials=9, pruning=False)
    monkeypatch.undo()
    assert resumed == lab.run(trials=9, pruning=False)
    states = [told.state.name for told in storage.get_all_trials(storage.get_all_studies()[0]._study_id)]
    assert states.count("FAIL") == 1
    assert states.count("COMPLETE") == 9


def test_a_trial_cut_short_between_its_result_and_its_state_is_run_again(
    lab: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = InMemoryStorage()

    def broken(*_: Any, **_more: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("optuna.study.Study.tell", broken)
        with pytest.raises(KeyboardInterrupt):
            lab.run(storage=storage, trials=3)
    assert lab.run(storage=storage, trials=3) == lab.run(trials=3)
    states = [told.state.name for told in storage.get_all_trials(storage.get_all_studies()[0]._study_id)]
    assert states == ["FAIL", "COMPLETE", "COMPLETE", "COMPLETE"]


def test_pruned_trials_are_recorded_but_never_chosen(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fits = counting_fits(monkeypatch)
    result = lab.run(inner_folds=3, trials=30)
    pruned = [told for told in result.trials if told["state"] == "pruned"]
    assert len(result.trials) == 30
    assert 0 < len(pruned) < 25
    assert {told["folds"] for told in pruned} <= {1, 2}
    assert sum(told["folds"] for told in result.trials) == len(fits) < 90
    assert all(told["state"] == "complete" for told in result.trials[:5])
    best = max((told for told in result.trials if told["state"] == "complete"), key=lambda told: told["score"])
    assert result.best == best["params"]
    whole = lab.run(inner_folds=3, trials=30, pruning=False)
    assert {told["state"] for told in whole.trials} == {"complete"}


def test_a_trial_is_pruned_by_the_median_of_the_complete_ones_over_the_same_folds(
    lab: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Five trials set the bar at 3 after one fold and at 3 on average after two: the sixth is worse than the median
    # after the first fold, the seventh after the second, the eighth never, although its folds get worse and worse.
    told = [*(raw for level in (1, 2, 3, 4, 5) for raw in (level, level, level)), 3.1, 2.9, 3.2, 2.0, 3.5, 9.0]
    raw = iter(told)
    monkeypatch.setattr(trial, "_raw", lambda *_: float(next(raw)))
    trials = lab.run(inner_folds=3, trials=8).trials
    assert [one["state"] for one in trials] == ["complete"] * 5 + ["pruned", "pruned", "complete"]
    assert [one["folds"] for one in trials[5:]] == [1, 2, 3]
    assert trials[6]["raw"] == pytest.approx((2.9 + 3.2) / 2)


def test_patience_ends_a_search_that_stands_still(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    losses = [5.0, 4.0, 6.0, 6.0, 3.0, 7.0, 7.0, 7.0, 1.0]

    def run(storage: Any = None, **budget: Any) -> TuningResult:
        raw = iter(losses)
        with monkeypatch.context() as patch:
            patch.setattr(trial, "_raw", lambda *_: next(raw))
            result: TuningResult = lab.run(storage=storage, inner_folds=1, trials=9, **budget)
        return result

    patient = run(patience=3)
    assert [told["raw"] for told in patient.trials] == losses[:8]
    assert patient.stopped == "patience"
    assert run(patience=2).trials == patient.trials[:4]
    assert run().stopped == run(patience=9).stopped == "trials"
    storage = InMemoryStorage()
    run(storage)
    assert run(storage, patience=3) == patient


class Clock:
    """Ticks ten seconds whenever it is read."""

    now = 0.0

    def __call__(self) -> float:
        self.now += 10.0
        return self.now


def test_no_trial_begins_after_the_time_is_up(lab: Any) -> None:
    storage = InMemoryStorage()
    short = lab.run(storage=storage, trials=9, seconds=45, clock=Clock())
    assert 1 < len(short.trials) < 9
    assert short.stopped == "seconds"
    again = lab.run(storage=storage, trials=9, seconds=45, clock=Clock())
    assert again == short  # the time of the first run counts
    more = lab.run(storage=storage, trials=9, seconds=80, clock=Clock())
    assert len(short.trials) < len(more.trials) < 9
    assert lab.run(storage=storage, trials=9, clock=Clock()) == lab.run(trials=9)


def test_the_untuned_trial_is_run_however_short_the_time(lab: Any) -> None:
    assert len(lab.run(trials=9, seconds=0.1, clock=Clock()).trials) == 1


def test_a_limit_of_time_needs_a_clock(lab: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"tuning.seconds: cannot be kept without a clock"):
        lab.run(seconds=10)


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_a_score_that_is_not_finite_is_a_failed_trial(broken: float, lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = iter([2.0, 2.0, 1.0, broken, 3.0, 3.0, 1.5, 1.5])
    monkeypatch.setattr(trial, "_raw", lambda *_: next(raw))
    storage = InMemoryStorage()
    result = lab.run(storage=storage, trials=4)
    assert [told["state"] for told in result.trials] == ["complete", "failed", "complete", "complete"]
    failed = result.trials[1]
    assert (failed["score"], failed["raw"], failed["folds"]) == (None, None, 2)
    assert result.best == result.trials[3]["params"]
    assert lab.run(storage=storage, trials=4) == result
    json.dumps(result.trials, allow_nan=False)


def test_a_trial_that_diverged_is_a_failed_one_of_the_ledger(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def before(fit: int) -> None:
        if fit == 3:  # the first fold of the second trial
            raise DivergedError("model", "training diverged")

    counting_fits(monkeypatch, before)
    result = lab.run(trials=3, inner_folds=2)
    assert [told["state"] for told in result.trials] == ["complete", "failed", "complete"]


def test_a_search_without_a_single_score_is_an_error(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "_raw", lambda *_: float("nan"))
    with pytest.raises(DataError, match=r"no trial was scored to its end(.|\n)*found: \['failed', 'failed'\]"):
        lab.run(trials=2)


def changed_values(market: Any, column: str, table: int) -> Any:
    features, labels, receipts = market
    tables = [features, labels]
    first = pl.int_range(pl.len()) == 0
    tables[table] = tables[table].with_columns(pl.when(first).then(pl.col(column) + 1).otherwise(column).alias(column))
    return tables[0], tables[1].cast(dict(labels.schema)), receipts


@pytest.mark.parametrize(
    "change",
    [
        {"budget": {"inner_folds": 3}},
        {"budget": {"min_train": 0.6}},
        {"budget": {"embargo": 4}},
        {"budget": {"objective": {"regression": "ic"}}},
        {"budget": {"sampler": "random"}},
        {"budget": {"pruning": False}},
        {"budget": {"rule": {"features": 3}}},
        {"params": {"alpha": 400, "search": ALPHA}},
        {"params": {"search": {"alpha": {"low": 2, "high": 10_000, "log": True}}}},
        {"plan": {"weights": WeightRule(kind="uniqueness")}},
        {"plan": {"standardise": False}},
        {"plan": {"feature_set_id": "set-2"}},
        {"plan": {"seed": 1}},
        {"plan": {"tail": 0.3}},
        {"column": ("noise_0", 0)},
        {"column": ("forward_return", 1)},
    ],
)
def test_a_study_is_never_used_for_anything_else(
    change: dict[str, Any], lab: Any, make_recipe: Maker, make_lab: Any
) -> None:
    storage = InMemoryStorage()
    lab.run(storage=storage, trials=1)
    if "column" in change:
        lab = make_lab(changed_values(lab.market, *change["column"]))
    plan = make_recipe(kind="ridge", **({"search": ALPHA} | change.get("params", {})))
    lab.run(replace(plan, **change.get("plan", {})), storage, trials=1, **change.get("budget", {}))
    assert len(storage.get_all_studies()) == 2


def test_what_changes_no_trial_keeps_the_study(lab: Any, make_recipe: Maker) -> None:
    storage = InMemoryStorage()
    for threads in (1, 2):
        lab.run(make_recipe("classification", **(TREES | {"threads": threads})), storage, trials=1)
    for budget in ({"objective": {"regression": "ic"}}, {"objective": {"cost_bp": 1}}, {"patience": 3}, {"trials": 2}):
        lab.run(make_recipe("classification", **TREES), storage, **({"trials": 1} | budget))
    lab.run(make_recipe("classification", **TREES), storage, trials=1, seconds=100, clock=Clock())
    assert len(storage.get_all_studies()) == 1


def test_the_parameter_of_an_objective_makes_another_study(lab: Any) -> None:
    storage = InMemoryStorage()
    scores = {
        lab.run(storage=storage, trials=1, objective={"regression": "sharpe", "cost_bp": cost}).trials[0]["score"]
        for cost in (0, 10, 50)
    }
    assert len(scores) == len(storage.get_all_studies()) == 3


def test_a_study_of_other_code_or_another_library_is_not_continued(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import sklearn

    storage = InMemoryStorage()
    lab.run(storage=storage, trials=1)
    with monkeypatch.context() as changed:
        changed.setattr(identity, "_code", lambda: "another line")
        lab.run(storage=storage, trials=1)
    with monkeypatch.context() as changed:
        changed.setattr(sklearn, "__version__", "0.0")
        lab.run(storage=storage, trials=1)
    assert len(storage.get_all_studies()) == 3


def test_selections_of_other_rows_stop_the_search(lab: Any) -> None:
    plan = lab.planned()
    with pytest.raises(SplitError, match="selection of features: was not made on this training part"):
        tune(*lab.market, plan=replace(plan, selections=plan.selections[::-1]))


def test_trials_read_the_features_chosen_in_their_inner_fold(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fits = counting_fits(monkeypatch)
    plan = lab.planned(trials=1, rule={"features": 2})
    tune(*lab.market, plan=plan)
    assert [design.inputs.columns for design, _ in fits] == [selection.kept for selection in plan.selections]
    assert {len(design.inputs.columns) for design, _ in fits} == {2}


def test_without_ranges_nothing_is_tuned(lab: Any, make_recipe: Maker) -> None:
    storage = InMemoryStorage()
    recipe = make_recipe(kind="ridge")
    assert lab.run(recipe, storage) == TuningResult({}, [], params=recipe.params.model_dump(mode="json"))
    assert storage.get_all_studies() == []


def test_whole_numbers_stay_whole_and_inside_their_range(lab: Any, make_recipe: Maker) -> None:
    trials = lab.run(make_recipe("classification", **(TREES | {"num_leaves": 15})), trials=8).trials
    leaves = [told["params"]["num_leaves"] for told in trials]
    assert all(type(value) is int and 2 <= value <= 20 for value in leaves)
    assert leaves[0] == 15
    assert len(set(leaves)) > 2


@pytest.mark.parametrize(("objective", "sign"), [("log_loss", -1), ("accuracy_direction", 1), ("sharpe", 1)])
def test_objectives_of_classes(objective: str, sign: int, lab: Any, make_recipe: Maker) -> None:
    plan = make_recipe("classification", **TREES)
    for told in lab.run(plan, trials=2, objective={"classification": objective}).trials:
        assert told["objective"] == objective
        assert told["score"] == sign * told["raw"]


def test_choices_are_tried_and_told_as_they_are_written(lab: Any, make_recipe: Maker) -> None:
    search = {"early_stopping_rounds": {"options": [None, 5]}, "max_depth": {"options": [-1, 2, 4]}}
    plan = make_recipe("regression", **(TREES | {"early_stopping_rounds": None, "search": search}))
    trials = lab.run(plan, trials=6, sampler="grid").trials
    tried = [(told["params"]["early_stopping_rounds"], told["params"]["max_depth"]) for told in trials]
    assert tried[0] == (None, -1)
    assert set(tried) == {(rounds, depth) for rounds in (None, 5) for depth in (-1, 2, 4)}


def test_of_equal_scores_the_earlier_trial_wins(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = iter([3.0, 1.0, 2.0, 1.0])
    monkeypatch.setattr(trial, "_raw", lambda *_: next(raw))
    result = lab.run(trials=4, inner_folds=1)
    assert result.best == result.trials[1]["params"]


def test_tuning_helps_where_it_should(lab: Any, make_recipe: Maker) -> None:
    heavy = make_recipe(kind="ridge", alpha=1e5, search={"alpha": {"low": 0.1, "high": 1e5, "log": True}})
    for sampler in ("tpe", "random", "grid"):
        assert lab.run(heavy, trials=8, sampler=sampler).best["alpha"] < 2_000
    by_rank = lab.run(heavy, trials=8, objective={"regression": "ic"})
    assert max(told["raw"] for told in by_rank.trials) > 0.4


def test_a_search_declares_what_it_has_seen(lab: Any) -> None:
    labels, receipts = lab.market[1:]
    part = labels.filter(before_first_fold(labels, receipts))
    assert lab.run(trials=1).seen == {
        "what": "tuning",
        "last_time_seen": part["time"].max().isoformat(),
        "last_label_end": part["label_end"].max().isoformat(),
    }


def test_progress_is_told_over_the_trials_left(lab: Any) -> None:
    told: list[tuple[list[int], str]] = []

    def track(items: Any, what: str) -> Any:
        told.append((list(items), what))
        return items

    storage = InMemoryStorage()
    for trials in (2, 5, 5):
        tune(*lab.market, plan=lab.planned(storage=storage, trials=trials), track=track)
    assert told == [([0, 1], "trials"), ([2, 3, 4], "trials")]


def test_too_few_early_rows_stop_the_run(lab: Any) -> None:
    with pytest.raises(SplitError, match="too few timestamps"):
        lab.run(inner_folds=200)
