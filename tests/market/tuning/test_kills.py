"""A search that is killed, not interrupted: what the journal holds is enough to go on."""

import os
import pickle
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assay.datasets.study import Study
from assay.market.tuning import TuningPlan, TuningResult, crew, identity, tune

SCRIPT = Path(__file__).with_name("deadly.py")
PRUNED = {"inner_folds": 3, "pruning": True}


@pytest.fixture(autouse=True)
def _same_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """A source that is edited while the tests run would make a killed search another one."""
    monkeypatch.setattr(identity, "_code", lambda: "as in the test")


def kill(folder: Path, market: Any, plan: TuningPlan, *where: object) -> None:
    """Run the search in a process of its own until it kills itself."""
    (folder / "search.pickle").write_bytes(pickle.dumps((market, plan)))
    command = [sys.executable, str(SCRIPT), str(folder / "search.pickle"), *map(str, where)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr


def states(plan: TuningPlan) -> Counter[str]:
    storage = plan.storage
    return Counter(trial.state.name for trial in storage.get_all_trials(storage.get_all_studies()[0]._study_id))


def check_each_number_once(result: TuningResult, plan: TuningPlan) -> None:
    assert [trial["number"] for trial in result.trials] == list(range(plan.budget.trials))
    counted = states(plan)
    assert counted["COMPLETE"] + counted["PRUNED"] == plan.budget.trials
    assert not counted["RUNNING"] + counted["WAITING"]


@pytest.mark.parametrize(
    ("budget", "fits"),
    [
        # inside the untuned trial; then after fifty fits, in the midst of pruned trials
        ({"sampler": "tpe", "trials": 40, "patience": 9, **PRUNED}, (2, 50)),
        ({"sampler": "grid", "grid_points": 9, "trials": 9, **PRUNED}, (14,)),
    ],
)
def test_a_killed_search_ends_with_the_trials_of_one_that_was_not(
    budget: dict[str, Any], fits: tuple[int, ...], lab: Any, make_recipe: Callable[..., Any], tmp_path: Path
) -> None:
    journal = Study(filepath=str(tmp_path / "study.log"))
    plan = lab.planned(make_recipe(), journal.load(), **budget)
    for deadly in fits:
        kill(tmp_path, lab.market, plan, "fit", deadly)
        assert states(plan)["RUNNING"] == 1
    resumed = tune(*lab.market, plan=replace(plan, storage=journal.load()))
    whole = lab.run(make_recipe(), **budget)
    assert resumed == whole
    assert {trial["state"] for trial in whole.trials} == {"complete", "pruned"}
    assert whole.stopped == ("patience" if budget["sampler"] == "tpe" else "trials")
    counted = states(plan)
    assert counted == Counter(trial["state"].upper() for trial in whole.trials) + Counter(FAIL=len(fits))


def test_several_processes_lose_no_trial_and_count_none_twice_when_the_parent_is_killed(
    lab: Any, tmp_path: Path
) -> None:
    journal = Study(filepath=str(tmp_path / "study.log"))
    plan = lab.planned(None, journal.load(), processes=2, trials=8, **PRUNED)
    kill(tmp_path, lab.market, plan, "trial", 3)
    assert 3 <= states(plan)["COMPLETE"] + states(plan)["PRUNED"] < 8
    result = tune(*lab.market, plan=replace(plan, storage=journal.load()))
    check_each_number_once(result, plan)
    assert tune(*lab.market, plan=replace(plan, storage=journal.load())) == result


def test_a_worker_that_is_killed_is_replaced_and_its_trial_run_again(
    lab: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[tuple[int, int]] = []
    begin = crew.Worker.begin

    def begin_and_die(worker: crew.Worker, trial: Any) -> None:
        number = trial.user_attrs["number"]
        begun.append((number, trial.number))
        if number in (0, 4) and [at for at, _ in begun].count(number) == 1:
            os.kill(worker._process.pid, signal.SIGKILL)  # type: ignore[arg-type]
            worker._process.join()
        begin(worker, trial)

    monkeypatch.setattr(crew.Worker, "begin", begin_and_die)
    plan = lab.planned(None, Study(filepath=str(tmp_path / "study.log")).load(), processes=2, trials=7)
    result = tune(*lab.market, plan=plan)
    check_each_number_once(result, plan)
    assert states(plan)["FAIL"] == 2
    assert sorted(number for number, _ in begun) == sorted([*range(7), 0, 4])
