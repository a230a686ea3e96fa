"""Runs of the null check are kept one by one; a kill costs at most the run that was written."""

from pathlib import Path

import pytest
from kedro.io import DatasetError

from assay.datasets.null_runs import Calibration, NullRuns
from assay.market.errors import DataError


def dataset(folder: Path) -> NullRuns:
    return NullRuns(filepath=str(folder / "null" / "runs.jsonl"))


def test_runs_are_found_under_their_key_in_their_order(tmp_path: Path) -> None:
    assert dataset(tmp_path).load().of("a") == []
    runs = dataset(tmp_path).load()
    for key, number in [("a", 1), ("b", 2), ("a", 3)]:
        runs.add(key, {"number": number})
    assert dataset(tmp_path).load().of("a") == [{"number": 1}, {"number": 3}]


def test_a_line_torn_by_a_kill_costs_that_run_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    runs, path = dataset(tmp_path).load(), tmp_path / "null" / "runs.jsonl"
    runs.add("a", {"number": 1})
    path.write_bytes(path.read_bytes() + b'{"key":"a","run":{"num')
    assert runs.of("a") == [{"number": 1}]
    runs.add("a", {"number": 2})
    assert runs.of("a") == [{"number": 1}, {"number": 2}]
    assert "never finished" in caplog.text


@pytest.mark.parametrize("line", ["nonsense", "[1]", '{"key": "a"}'])
def test_a_damaged_line_is_named(tmp_path: Path, line: str) -> None:
    runs, path = dataset(tmp_path).load(), tmp_path / "null" / "runs.jsonl"
    runs.add("a", {"number": 1})
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(DataError, match="line 2: is no record of a run"):
        runs.of("a")


def test_runs_cannot_be_saved_in_one(tmp_path: Path) -> None:
    with pytest.raises((TypeError, DatasetError), match="added one by one"):
        dataset(tmp_path).save([])


def test_a_report_can_do_without_a_calibration(tmp_path: Path) -> None:
    found = Calibration(filepath=str(tmp_path / "null_calibration.json"))
    assert found.load() is None
    found.save({"runs": 20})
    assert found.load() == {"runs": 20}
