"""Tuning: only early rows count, and a killed study goes on as if nothing had happened."""

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import polars as pl
import pytest
from optuna.storages import InMemoryStorage

from assay.market import tuning
from assay.market.errors import SplitError
from assay.market.models import ModelParams
from assay.market.recipe import RecipePlan
from assay.market.selection import Selection, SelectionRule, Task, select
from assay.market.splits import Receipt, SplitRule, before_first_fold, plan_folds, split_rows
from assay.market.tuning import Budget, TuningPlan, TuningResult, collect_trials, effective_rows, inner_receipts, tune
from assay.market.weights import WeightRule
from assay.market.workload import Kind

Market = tuple[pl.DataFrame, pl.DataFrame, list[Receipt]]
ALPHA = {"alpha": {"low": 1, "high": 10_000, "log": True}}
TREES = {
    "kind": "lightgbm",
    "n_estimators": 10,
    "threads": 1,
    "search": {"num_leaves": {"low": 2, "high": 20}, "learning_rate": {"low": 0.01, "high": 0.3, "log": True}},
}


def recipe(head: Kind = "regression", /, **params: Any) -> RecipePlan:
    fields = params or {"kind": "ridge", "search": ALPHA}
    return RecipePlan(params=ModelParams.model_validate(fields).root, kind=head, feature_set_id="set-1")


def chosen(market: Market, plan: RecipePlan, budget: Budget, *, embargo: int, **rule: Any) -> tuple[Selection, ...]:
    features, labels, receipts = market
    early = pl.Series(before_first_fold(labels, receipts))
    features, labels = features.filter(early), labels.filter(early)
    parts = [split_rows(labels, receipt)[0] for receipt in inner_receipts(labels, budget, embargo=embargo)]
    limits, task = SelectionRule(**({"methods": ("univariate",)} | rule)), Task(plan.kind, tail=plan.tail)
    return tuple(select(features.filter(rows), labels.filter(rows), limits, task=task) for rows in parts)


def planned(
    market: Market, plan: RecipePlan | None = None, storage: Any = None, *, embargo: int = 0, **budget: Any
) -> TuningPlan:
    rule = budget.pop("rule", {})
    plan, budgeted = plan or recipe(), Budget.model_validate(budget)
    selections = chosen(market, plan, budgeted, embargo=embargo, **rule)
    return TuningPlan(plan, budgeted, embargo, selections, storage or InMemoryStorage())


def run(market: Market, *args: Any, **budget: Any) -> TuningResult:
    return tune(*market, plan=planned(market, *args, **budget))


@pytest.fixture(scope="module")
def market(toy_market: Any) -> Market:
    features, labels = toy_market(bars=240)
    return features, labels, plan_folds(labels, SplitRule(folds=3))


def test_a_record_tells_the_trial(market: Market) -> None:
    result = run(market, trials=3)
    rows = int(before_first_fold(market[1], market[2]).sum())
    first = result.trials[0]
    assert [trial["number"] for trial in result.trials] == [0, 1, 2]
    assert set(first) == {"id", "number", "params", "score", "raw", "objective", "rows", "effective_rows"}
    assert first["params"] == {"alpha": 500.0}
    assert first["objective"] == "mse"
    assert first["score"] == -first["raw"] < 0
    assert first["rows"] == rows
    assert 0 < first["effective_rows"] <= rows / 2 / 3 + 1  # two entities, horizon 3
    assert len({trial["id"] for trial in result.trials}) == 3
    assert json.loads(json.dumps(result.trials)) == result.trials
    best = max(result.trials, key=lambda trial: trial["score"])
    assert result.best == best["params"]


def test_scores_agree_with_a_slow_computation(market: Market) -> None:
    features, labels, receipts = market
    rule = SplitRule(folds=2, min_train=0.6, embargo=4)
    result = run(market, trials=2, inner_folds=2, min_train=0.6, embargo=4)
    early = pl.Series(before_first_fold(labels, receipts))
    features, labels = features.filter(early), labels.filter(early)
    losses = []
    selections = planned(market, trials=2, inner_folds=2, min_train=0.6, embargo=4).selections
    for inner, selection in zip(plan_folds(labels, rule), selections, strict=True):
        known = labels["label_end"] <= inner.last_train_label_end
        test = labels["time"].is_between(inner.test_start, inner.test_end)
        model = tuning.prepare(features.filter(known), labels.filter(known), recipe(), selection=selection)
        X = model.X.astype(float)
        y = labels.filter(known)["forward_return"].to_numpy()
        beta = np.linalg.solve(X.T @ X + result.trials[1]["params"]["alpha"] * np.eye(X.shape[1]), X.T @ (y - y.mean()))
        out = model.inputs.transform(features.filter(test)).astype(float) @ beta + y.mean()
        losses.append(((out - labels.filter(test)["forward_return"].to_numpy()) ** 2).mean())
    assert result.trials[1]["raw"] == pytest.approx(np.mean(losses), rel=1e-4)


@pytest.mark.parametrize(("kind", "params"), [("regression", {}), ("classification", TREES)])
def test_rows_from_the_first_test_fold_on_are_never_read(kind: Kind, params: Any, market: Market) -> None:
    features, labels, receipts = market
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
    plan = recipe(kind, **params)
    clean = run(market, plan, trials=4)
    assert run((spoiled.cast(dict(features.schema)), lies, receipts), plan, trials=4) == clean


@pytest.mark.parametrize(("kind", "params"), [("regression", {}), ("classification", TREES)])
def test_same_seed_same_trials(kind: Kind, params: Any, market: Market) -> None:
    plan = recipe(kind, **params)
    assert run(market, plan, trials=8) == run(market, plan, trials=8)
    assert len({json.dumps(trial["params"]) for trial in run(market, plan, trials=8).trials}) == 8
    other = run(market, replace(plan, seed=1), trials=8)
    assert other.trials[0]["params"] == run(market, plan, trials=1).trials[0]["params"]
    assert other.trials[1]["params"] != run(market, plan, trials=2).trials[1]["params"]


def test_more_trials_continue_a_study(market: Market) -> None:
    storage = InMemoryStorage()
    short = run(market, storage=storage, trials=6)
    long = run(market, storage=storage, trials=9)
    assert long.trials[:6] == short.trials
    assert long == run(market, trials=9)
    assert run(market, storage=storage, trials=6) == short
    assert len(storage.get_all_studies()) == 1


def test_trials_are_never_repeated(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    storage, fits = InMemoryStorage(), []
    fit = tuning.fit_model
    monkeypatch.setattr(tuning, "fit_model", lambda design, plan: (fits.append(plan), fit(design, plan))[1])
    run(market, storage=storage, trials=3)
    assert len(fits) == 3 * 2
    run(market, storage=storage, trials=3)
    assert len(fits) == 3 * 2


@pytest.mark.parametrize("failing", [0, 1, 7])
def test_a_trial_that_broke_is_failed_and_run_again(
    failing: int, market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage, fit, calls = InMemoryStorage(), tuning.fit_model, []

    def breaks(design: Any, plan: RecipePlan) -> Any:
        calls.append(plan)
        if len(calls) == 2 * failing + 2:
            raise KeyboardInterrupt
        return fit(design, plan)

    monkeypatch.setattr(tuning, "fit_model", breaks)
    with pytest.raises(KeyboardInterrupt):
        run(market, storage=storage, trials=9)
    resumed = run(market, storage=storage, trials=9)
    monkeypatch.undo()
    assert resumed == run(market, trials=9)
    states = [trial.state.name for trial in storage.get_all_trials(storage.get_all_studies()[0]._study_id)]
    assert states.count("FAIL") == 1
    assert states.count("COMPLETE") == 9


def test_an_untuned_trial_that_never_started_is_not_asked_for_twice(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = InMemoryStorage()

    def breaks(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(optuna.study.Study, "ask", breaks)
    with pytest.raises(KeyboardInterrupt):
        run(market, storage=storage, trials=3)
    monkeypatch.undo()
    assert run(market, storage=storage, trials=3) == run(market, trials=3)


SCRIPT = """
import json, os, signal, sys
from pathlib import Path
import polars as pl
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from assay.market import tuning
from assay.market.models import ModelParams
from assay.market.recipe import RecipePlan
from assay.market.selection import Selection
from assay.market.splits import SplitRule, plan_folds

folder, deadly = Path(sys.argv[1]), int(sys.argv[2])
features, labels = (pl.read_parquet(folder / f"{name}.parquet") for name in ("features", "labels"))
calls, fit = [], tuning.fit_model

def dies(design, plan):
    calls.append(plan)
    if len(calls) == deadly:
        os.kill(os.getpid(), signal.SIGKILL)
    return fit(design, plan)

tuning.fit_model = dies
search = {"alpha": {"low": 1, "high": 10_000, "log": True}}
params = ModelParams.model_validate({"kind": "ridge", "search": search}).root
plan = tuning.TuningPlan(
    RecipePlan(params, "regression", "set-1"),
    tuning.Budget(trials=9),
    0,
    tuple(Selection.model_validate(one) for one in json.loads((folder / "selections.json").read_text())),
    JournalStorage(JournalFileBackend(str(folder / "study.log"))),
)
tuning.tune(features, labels, plan_folds(labels, SplitRule(folds=3)), plan=plan)
"""


def test_a_study_killed_in_mid_trial_goes_on(market: Market, tmp_path: Path) -> None:
    features, labels, _ = market
    features.write_parquet(tmp_path / "features.parquet")
    labels.write_parquet(tmp_path / "labels.parquet")
    selections = [selection.model_dump(mode="json") for selection in planned(market, trials=9).selections]
    (tmp_path / "selections.json").write_text(json.dumps(selections))
    command = [sys.executable, "-c", SCRIPT, str(tmp_path), "15"]  # inside the eighth trial
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    journal = optuna.storages.journal.JournalFileBackend(str(tmp_path / "study.log"))
    storage = optuna.storages.JournalStorage(journal)
    study = storage.get_all_studies()[0]._study_id
    assert [trial.state.name for trial in storage.get_all_trials(study)] == ["COMPLETE"] * 7 + ["RUNNING"]
    assert run(market, storage=storage, trials=9) == run(market, trials=9)
    assert [t.state.name for t in storage.get_all_trials(study)] == ["COMPLETE"] * 7 + ["FAIL"] + ["COMPLETE"] * 2


def changed_values(market: Market, column: str, table: int) -> Market:
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
        {"embargo": 4},
        {"budget": {"objective": {"regression": "ic"}}},
        {"plan": recipe(kind="ridge", alpha=400, search=ALPHA)},
        {"plan": recipe(kind="ridge", search={"alpha": {"low": 2, "high": 10_000, "log": True}})},
        {"budget": {"rule": {"features": 3}}},
        {"plan": replace(recipe(), weights=WeightRule(kind="uniqueness"))},
        {"plan": replace(recipe(), standardise=False)},
        {"plan": replace(recipe(), feature_set_id="set-2")},
        {"plan": replace(recipe(), seed=1)},
        {"plan": replace(recipe(), tail=0.3)},
        {"column": ("noise_0", 0)},
        {"column": ("forward_return", 1)},
    ],
)
def test_a_study_is_never_used_for_anything_else(change: dict[str, Any], market: Market) -> None:
    storage = InMemoryStorage()
    run(market, storage=storage, trials=1)
    if "column" in change:
        market = changed_values(market, *change["column"])
    run(market, change.get("plan"), storage, embargo=change.get("embargo", 0), trials=1, **change.get("budget", {}))
    assert len(storage.get_all_studies()) == 2


def test_a_study_of_other_code_or_another_library_is_not_continued(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sklearn

    storage = InMemoryStorage()
    run(market, storage=storage, trials=1)
    with monkeypatch.context() as changed:
        changed.setattr(tuning, "_code", lambda: "another line")
        run(market, storage=storage, trials=1)
    with monkeypatch.context() as changed:
        changed.setattr(sklearn, "__version__", "0.0")
        run(market, storage=storage, trials=1)
    assert len(storage.get_all_studies()) == 3


def test_selections_of_other_rows_stop_the_search(market: Market) -> None:
    plan = planned(market)
    with pytest.raises(SplitError, match="selection of features: was not made on this training part"):
        tune(*market, plan=replace(plan, selections=plan.selections[::-1]))


def test_trials_read_the_features_chosen_in_their_inner_fold(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    read, fit = [], tuning.fit_model
    monkeypatch.setattr(tuning, "fit_model", lambda design, plan: (read.append(design), fit(design, plan))[1])
    plan = planned(market, trials=1, rule={"features": 2})
    tune(*market, plan=plan)
    assert [design.inputs.columns for design in read] == [selection.kept for selection in plan.selections]
    assert {len(design.inputs.columns) for design in read} == {2}


def test_what_changes_no_trial_keeps_the_study(market: Market) -> None:
    storage = InMemoryStorage()
    for threads in (1, 2):
        run(market, recipe("classification", **(TREES | {"threads": threads})), storage, trials=1)
    run(market, recipe("classification", **TREES), storage, trials=1, objective={"regression": "ic"})
    assert len(storage.get_all_studies()) == 1


def test_without_ranges_nothing_is_tuned(market: Market) -> None:
    storage = InMemoryStorage()
    assert run(market, recipe(kind="ridge"), storage) == TuningResult({}, [])
    assert storage.get_all_studies() == []


def test_whole_numbers_stay_whole_and_inside_their_range(market: Market) -> None:
    trials = run(market, recipe("classification", **(TREES | {"num_leaves": 15})), trials=8).trials
    leaves = [trial["params"]["num_leaves"] for trial in trials]
    assert all(type(value) is int and 2 <= value <= 20 for value in leaves)
    assert leaves[0] == 15
    assert len(set(leaves)) > 2


def test_logarithmic_ranges_are_searched_logarithmically() -> None:
    assert tuning._distributions(recipe(**TREES).params) == {
        "learning_rate": optuna.distributions.FloatDistribution(0.01, 0.3, log=True),
        "num_leaves": optuna.distributions.IntDistribution(2, 20),
    }
    logarithmic = {"num_leaves": {"low": 2, "high": 20, "log": True}}
    params = recipe(**(TREES | {"search": logarithmic})).params
    assert tuning._distributions(params) == {"num_leaves": optuna.distributions.IntDistribution(2, 20, log=True)}


@pytest.mark.parametrize(("objective", "sign"), [("log_loss", -1), ("accuracy", 1)])
def test_objectives_of_classes(objective: str, sign: int, market: Market) -> None:
    plan = recipe("classification", **TREES)
    for trial in run(market, plan, trials=2, objective={"classification": objective}).trials:
        assert trial["objective"] == objective
        assert trial["score"] == sign * trial["raw"]


def test_objectives_by_hand() -> None:
    y, p = np.array([-1, 0, 1]), np.array([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2], [0.2, 0.2, 0.6]])
    value = {name: function for name, (function, _) in tuning._OBJECTIVES.items()}
    assert value["log_loss"](y, p) == pytest.approx(-np.log([0.5, 0.3, 0.6]).mean())
    assert value["log_loss"](np.array([1]), np.array([[1.0, 0, 0]])) == pytest.approx(-np.log(1e-15))
    assert value["accuracy"](y, p) == pytest.approx(2 / 3)
    assert value["mse"](np.array([1.0, 2.0]), np.array([0.0, 4.0])) == 2.5
    assert value["ic"](np.array([1.0, 2, 3, 4]), np.array([1.0, 3, 2, 9])) == pytest.approx(0.8)
    assert value["ic"](np.array([1.0, 2, 3]), np.zeros(3)) == 0


def test_results_of_a_head_are_collected() -> None:
    first, second = {"id": "a/0", "score": 1.0}, {"id": "a/1", "score": 2.0}
    seen = {"what": "tuning", "last_time_seen": "2024-01-01", "last_label_end": "2024-01-02"}
    tuned = {"best": {"alpha": 2.0}, "trials": [first, second], "seen": seen}
    best, records = collect_trials({"ridge": tuned, "zero": {"best": {}, "trials": [], "seen": None}})
    assert best == {
        "ridge": {"values": {"alpha": 2.0}, "trials": ["a/0", "a/1"], "seen": seen},
        "zero": {"values": {}, "trials": [], "seen": None},
    }
    about = {"model": "ridge", "scope": "inner"}
    assert records == [about | first, about | second]


def test_a_search_declares_what_it_has_seen(market: Market) -> None:
    labels, receipts = market[1:]
    part = labels.filter(before_first_fold(labels, receipts))
    assert run(market, trials=1).seen == {
        "what": "tuning",
        "last_time_seen": part["time"].max().isoformat(),
        "last_label_end": part["label_end"].max().isoformat(),
    }


def test_of_equal_scores_the_earlier_trial_wins(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = iter([3.0, 1.0, 2.0, 1.0])
    monkeypatch.setattr(tuning, "_evaluate", lambda *_: next(raw))
    result = run(market, trials=4)
    assert result.best == result.trials[1]["params"]


def test_tuning_helps_where_it_should(market: Market) -> None:
    heavy = recipe(kind="ridge", alpha=1e5, search={"alpha": {"low": 0.1, "high": 1e5, "log": True}})
    result = run(market, heavy, trials=8)
    assert result.best["alpha"] < 2_000
    by_rank = run(market, heavy, trials=8, objective={"regression": "ic"})
    assert max(trial["raw"] for trial in by_rank.trials) > 0.4


def test_effective_rows_are_labels_that_do_not_overlap(toy_market: Any) -> None:
    for horizon in (1, 3, 7):
        labels = toy_market(bars=100, horizon=horizon)[1].filter(pl.col("label").is_not_null())
        assert effective_rows(labels) == -(-(100 - horizon - 1) // horizon)
    spans = pl.DataFrame({"start": [0, 1, 2, 5, 6], "label_end": [10, 3, 4, 7, 8]}).cast(pl.Datetime("us", "UTC"))
    assert effective_rows(spans) == 2
    assert effective_rows(spans.reverse()) == 2
    assert effective_rows(spans.with_columns(label_end="start")) == spans["start"].n_unique()


def test_progress_is_told_over_the_trials_left(market: Market) -> None:
    told: list[tuple[list[int], str]] = []

    def track(items: Any, what: str) -> Any:
        told.append((list(items), what))
        return items

    storage = InMemoryStorage()
    for trials in (2, 5, 5):
        tune(*market, plan=planned(market, storage=storage, trials=trials), track=track)
    assert told == [([0, 1], "trials"), ([2, 3, 4], "trials"), ([], "trials")]


def test_too_few_early_rows_stop_the_run(market: Market) -> None:
    with pytest.raises(SplitError, match="too few timestamps"):
        run(market, inner_folds=200)
