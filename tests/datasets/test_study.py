"""The study's storage: trials survive a kill, and a torn journal is mended."""

import os
import pickle
import subprocess
import sys
import textwrap
from pathlib import Path

import optuna
import pytest
from kedro.io import DatasetError

from assay.datasets.study import Study


def search(study: Study, trials: int) -> optuna.Study:
    search = optuna.create_study(storage=study.load(), study_name="a", load_if_exists=True)
    for _ in range(trials):
        trial = search.ask()
        search.tell(trial, trial.suggest_float("x", 0, 1))
    return search


def test_trials_are_still_there_when_the_storage_is_opened_again(tmp_path: Path) -> None:
    path = str(tmp_path / "signal" / "study.log")
    first = [trial.params for trial in search(Study(filepath=path), 3).trials]
    again = [trial.params for trial in search(Study(filepath=path), 2).trials]
    assert again[:3] == first
    assert len(again) == 5
    assert optuna.logging.get_verbosity() == optuna.logging.WARNING


def test_a_torn_line_does_not_spoil_what_is_appended_after_it(tmp_path: Path) -> None:
    study = Study(filepath=str(tmp_path / "study.log"))
    open_while_torn = search(study, 2)
    with (tmp_path / "study.log").open("ab") as file:
        file.write(b'{"op_code":4,"worker')
    open_while_torn.ask()
    with (tmp_path / "study.log").open("ab") as file:
        file.write(b'{"op_code":4,"worker')
    assert len(search(study, 1).trials) == 4


def test_damage_inside_the_journal_is_a_clear_error(tmp_path: Path) -> None:
    study = Study(filepath=str(tmp_path / "study.log"))
    search(study, 2)
    lines = (tmp_path / "study.log").read_bytes().splitlines(keepends=True)
    (tmp_path / "study.log").write_bytes(b"".join([*lines[:2], b"rubbish\n", *lines[3:]]))
    with pytest.raises(DatasetError, match=r"study.log: is damaged(\n.*)+delete it and search again"):
        study.load()


def test_a_study_is_volatile_and_cannot_be_saved(tmp_path: Path) -> None:
    study = Study(filepath=str(tmp_path / "study.log"))
    assert study.volatile
    assert not study.exists()
    with pytest.raises(DatasetError, match="written by Optuna, through the storage"):
        study.save({})


def test_pickled_a_storage_opens_the_same_journal_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    study = Study(filepath="study.log")
    here = search(study, 2)
    sent = pickle.dumps(here._storage)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    there = optuna.load_study(study_name="a", storage=pickle.loads(sent))  # noqa: S301
    assert [trial.params for trial in there.trials] == [trial.params for trial in here.trials]
    with (tmp_path / "study.log").open("ab") as file:
        file.write(b'{"op_code":4,"worker')
    there.tell(there.ask(), 1.0)  # its lock mends the journal too
    assert here.trials[-1].value == 1.0


def test_the_disk_is_waited_for_once_per_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = search(Study(filepath=str(tmp_path / "study.log")), 1)
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    trial = study.ask()
    trial.suggest_float("x", 0, 1)
    trial.report(1.0, 1)
    assert synced == []
    study.tell(trial, 1.0)
    assert len(synced) == 1


WRITER = """
    import sys
    import optuna
    from assay.datasets.study import Study

    study = optuna.create_study(storage=Study(filepath=sys.argv[1]).load(), study_name="a", load_if_exists=True)
    for _ in range(25):
        trial = study.ask()
        trial.suggest_float("x", 0, 1)
        study.tell(trial, float(sys.argv[2]))
"""


def test_processes_that_write_at_a_time_lose_nothing(tmp_path: Path) -> None:
    script, path = textwrap.dedent(WRITER), str(tmp_path / "study.log")
    writers = [subprocess.Popen([sys.executable, "-c", script, path, str(number)]) for number in range(3)]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    trials = optuna.load_study(study_name="a", storage=Study(filepath=path).load()).trials
    assert sorted(trial.value for trial in trials) == [0.0] * 25 + [1.0] * 25 + [2.0] * 25
    assert [trial.number for trial in trials] == list(range(75))


KILLER = """
    import os, random, signal, sys, time
    import optuna
    from assay.datasets.study import Study

    random.seed(5)
    def search():
        storage = Study(filepath=sys.argv[1]).load()
        return optuna.create_study(storage=storage, study_name="a", load_if_exists=True)

    told = 0
    for round in range(15):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            study = search()
            while True:
                trial = study.ask()
                study.tell(trial, trial.suggest_float("x", 0, 1))
                os.write(writer, b"1")
        os.close(writer)
        told += len(os.read(reader, 1))
        time.sleep(random.uniform(0, 0.03))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        told += len(os.read(reader, 2**16))
        signal.alarm(25)  # a lock of a dead process would hold this up for thirty seconds
        complete = [t for t in search().trials if t.state.name == "COMPLETE"]
        assert told <= len(complete) <= told + round + 1, (told, len(complete))
        signal.alarm(0)
"""


def test_kills_lose_no_finished_trial_and_never_wait_for_a_dead_lock(tmp_path: Path) -> None:
    command = [sys.executable, "-c", textwrap.dedent(KILLER), str(tmp_path / "study.log")]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
