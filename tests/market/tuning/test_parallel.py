"""A search in several processes: what they share, what they are refused, and how their errors come home."""

import os
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import InMemoryStorage

from assay.datasets.study import Study
from assay.market.errors import ConfigurationError, SplitError
from assay.market.tuning import crew, parallel, tune
from assay.market.tuning.crew import Job, Worker
from assay.market.tuning.samplers import Samplers
from assay.market.tuning.search import Search
from assay.market.tuning.trial import Work

TREES = {"kind": "lightgbm", "search": {"num_leaves": {"low": 2, "high": 20}}}


def test_processes_give_the_trials_of_one_where_nothing_is_learnt(lab: Any, tmp_path: Path) -> None:
    budget = {"sampler": "random", "pruning": False, "trials": 7}
    told: list[int] = []

    def track(items: Any, _what: str) -> Any:
        for item in items:
            yield item
            told.append(item)

    before = {name: os.environ.get(name) for name in crew.THREADS}
    storage = Study(filepath=str(tmp_path / "study.log")).load()
    result = tune(*lab.market, plan=lab.planned(None, storage, processes=2, **budget), track=track)
    alone = lab.run(**budget)
    assert [without_id(one) for one in result.trials] == [without_id(one) for one in alone.trials]
    assert result.best == alone.best
    assert result.trials[0]["id"] != alone.trials[0]["id"]
    assert told == list(range(7))
    assert {name: os.environ.get(name) for name in crew.THREADS} == before


def without_id(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name != "id"}


def test_a_storage_in_memory_cannot_be_shared(lab: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"tuning.processes: needs a storage that processes can share"):
        lab.run(None, InMemoryStorage(), processes=2)


def test_an_error_of_a_trial_comes_home(lab: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = lab.planned(None, Study(filepath=str(tmp_path / "study.log")).load(), processes=2, trials=4)
    share = Job.share
    monkeypatch.setattr(Job, "share", lambda work, *args, **more: share(replace(work, folds=(None,)), *args, **more))
    with pytest.raises(AttributeError, match="no attribute 'design'") as caught:
        tune(*lab.market, plan=plan)
    assert "In a process of the search" in caught.value.__notes__[0]


def test_errors_of_the_project_survive_the_way_home() -> None:
    error = SplitError("fold 1", "is empty", expected=1, found=0, do="load more bars")
    error.add_note("elsewhere")
    home = crew._received(pickle.loads(pickle.dumps((type(error), error.args, error.__dict__))))  # noqa: S301
    assert type(home) is SplitError
    assert str(home) == str(error)
    assert (home.thing, home.problem, home.__notes__) == ("fold 1", "is empty", ["elsewhere"])


@pytest.mark.parametrize(("threads", "processes", "each"), [(8, 2, 4), (8, 3, 2), (1, 4, 1), (0, 1, os.cpu_count())])
def test_workers_share_the_threads(
    threads: int, processes: int, each: int, make_recipe: Callable[..., Any], lab: Any
) -> None:
    plan = lab.planned(make_recipe(**TREES, threads=threads), trials=1)
    job = Job.share(Work.of(plan, ()), "study", plan.storage, processes=processes)
    assert job.threads == job.work.recipe.params.threads == each


def test_a_family_without_threads_shares_the_cores(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    plan = lab.planned(trials=1)
    assert Job.share(Work.of(plan, ()), "study", plan.storage, processes=2).threads == 3


class Dying:
    """Stands for workers whose processes die whatever they do."""

    def __init__(self, _job: Any) -> None:
        self.trial: Any = None

    def begin(self, trial: Any) -> None:
        self.trial = trial

    def has_finished(self) -> bool:
        return False

    def end(self) -> None:
        pass


def test_a_trial_that_kills_every_process_stops_the_search(
    lab: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (crew, parallel):
        monkeypatch.setattr(module, "Worker", Dying)
    monkeypatch.setattr(parallel, "answering", lambda workers: [(one, one.trial) for one in workers])
    plan = lab.planned(None, Study(filepath=str(tmp_path / "study.log")).load(), processes=2, trials=4)
    with pytest.raises(ConfigurationError, match=r"trial \d ended its process 3 times(.|\n)*lower tuning.processes"):
        tune(*lab.market, plan=plan)


def test_nobody_answers_for_workers_that_wait() -> None:
    idle = Worker.__new__(Worker)
    idle.trial = None
    assert crew.answering([idle]) == []


def test_a_trial_that_was_finished_at_the_last_moment_is_not_abandoned(
    lab: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = lab.planned(trials=2)
    search = Search(plan, "study")
    for number in (0, 1):
        search.study.tell(search.ask(number), 1.0)
    search.abandon(0)

    def too_late(*_: Any, **_more: Any) -> None:
        raise UpdateFinishedTrialError

    monkeypatch.setattr("optuna.study.Study.tell", too_late)
    search.abandon(1)
    assert [trial.state.name for trial in search.study.trials] == ["COMPLETE", "COMPLETE"]


def test_trials_that_run_meanwhile_are_avoided_by_several_processes_alone(lab: Any) -> None:
    """With one process no trial runs meanwhile, and what is written down for the others would cost time."""
    for processes in (1, 2):
        sampler = Samplers(lab.planned(trials=9, processes=processes))[5]
        assert sampler._constant_liar == (processes == 2)  # type: ignore[attr-defined]
