"""What earlier runs left: which there were, what each saw, and what may be deleted without any of them missing it."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kedro.io import DataCatalog, Version

from assay.datasets.files import Json
from assay.datasets.manifest import RunManifest
from assay.datasets.runs import Archive, this_process
from assay.datasets.store import FeatureStore
from assay.market.errors import ConfigurationError

NOUNS = ("panel", "signal.metrics", "summary")
Write = Callable[..., None]


def run_id(number: int) -> str:
    return f"2026-01-{number:02d}T00.00.00.000Z"


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return archive_in(tmp_path)


def archive_in(folder: Path) -> Archive:
    kinds = {"manifest": RunManifest} | dict.fromkeys(NOUNS, Json)
    datasets: dict[str, Any] = {
        f"w.{noun}": kind(filepath=str(folder / noun / f"{noun}.json"), version=Version(None, None))
        for noun, kind in kinds.items()
    }
    datasets["w.trials"] = Json(filepath=str(folder / "trials.jsonl"))
    (folder / "trials.jsonl").write_text("{}")
    return Archive("w", DataCatalog(datasets), list(datasets))


def write(folder: Path, number: int, *nouns: str, status: str = "complete", process: Any = None) -> None:
    about = {"id": run_id(number), "status": status, "seconds": 1.0, "process": process}
    contents: dict[str, Any] = dict.fromkeys(nouns, number) | {"manifest": {"run": about, "facts": {}}}
    for noun, content in contents.items():
        path = folder / noun / f"{noun}.json" / run_id(number) / f"{noun}.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(content))
        path.with_name(f"{path.name}.receipt.json").write_text("{}")


def test_a_run_sees_its_own_version_or_the_newest_older_one(archive: Archive, tmp_path: Path) -> None:
    write(tmp_path, 1, *NOUNS)
    write(tmp_path, 3, "summary")
    write(tmp_path, 5, *NOUNS)
    [first, resumed, last] = archive.runs()
    assert [archive.read("panel", run) for run in (first, resumed, last)] == [1, 1, 5]
    assert [archive.read("summary", run) for run in (first, resumed, last)] == [1, 3, 5]
    assert archive.read("signal.metrics", resumed) == 1
    assert archive.read("nothing", last) is None
    assert archive.heads() == ["signal"]
    assert set(archive.written(resumed)) == {"w.summary", "w.manifest"}
    assert archive.path("panel", resumed) is None


def test_a_damaged_file_reads_as_nothing(archive: Archive, tmp_path: Path) -> None:
    write(tmp_path, 1, *NOUNS)
    (tmp_path / "panel" / "panel.json" / run_id(1) / "panel.json").write_text("{")
    assert archive.read("panel", archive.find("latest")) is None


@pytest.mark.parametrize(
    "content",
    ["{", "[]", '"x"', "{}", '{"facts": {}}', '{"facts": {}, "run": {"id": "a"}}', '{"facts": 1, "run": {}}'],
)
def test_a_run_with_a_damaged_manifest_is_left_out_and_never_pruned_among_kept_ones(
    archive: Archive, tmp_path: Path, content: str
) -> None:
    for number in (1, 2, 3, 4):
        write(tmp_path, number, *NOUNS)
    (tmp_path / "manifest" / "manifest.json" / run_id(3) / "manifest.json").write_text(content)
    assert [run.id for run in archive.runs()] == [run_id(number) for number in (1, 2, 4)]
    pruned = archive.prunable(keep=2)
    assert [run.id for run in pruned.runs] == [run_id(1)]
    assert {path.parent.name for path in pruned.files} == {run_id(1)}


def test_a_manifest_with_a_damaged_process_is_no_manifest(archive: Archive, tmp_path: Path) -> None:
    write(tmp_path, 1, status="running", process="gone")
    write(tmp_path, 2, status="running", process={"pid": 1})
    assert archive.runs() == []


def test_pruning_keeps_what_kept_runs_see(archive: Archive, tmp_path: Path) -> None:
    write(tmp_path, 1, *NOUNS)
    write(tmp_path, 2, *NOUNS)
    write(tmp_path, 3, "summary")
    found = archive.prunable(keep=1)
    assert [run.id for run in found.runs] == [run_id(1), run_id(2)]
    assert found.size == sum(file.stat().st_size for file in found.files)
    found.delete()
    [left] = archive.runs()
    assert [archive.read(noun, left) for noun in NOUNS] == [2, 2, 3]
    assert not (tmp_path / "panel" / "panel.json" / run_id(1)).exists()
    assert (tmp_path / "trials.jsonl").exists()
    assert archive.prunable(keep=1).files == ()


def test_failed_runs_do_not_count_and_newer_ones_stay(archive: Archive, tmp_path: Path) -> None:
    write(tmp_path, 1, *NOUNS)
    write(tmp_path, 2, "panel", status="failed")
    write(tmp_path, 3, *NOUNS)
    write(tmp_path, 4, "panel", status="failed")
    assert [run.id for run in archive.prunable(keep=1).runs] == [run_id(1), run_id(2)]
    assert archive.prunable(keep=2).runs == ()


def test_a_stage_run_by_itself_is_no_run_with_a_verdict(archive: Archive, tmp_path: Path) -> None:
    write(tmp_path, 1, *NOUNS)
    write(tmp_path, 2, *NOUNS)
    write(tmp_path, 3, "panel")
    write(tmp_path, 4, "panel")
    assert [run.id for run in archive.prunable(keep=1).runs] == [run_id(1)]


def test_a_run_that_goes_on_loses_nothing(archive: Archive, tmp_path: Path) -> None:
    """Whatever it was started with, and however many runs came after it."""
    write(tmp_path, 1, *NOUNS)
    write(tmp_path, 2, "panel", status="running", process=this_process())
    write(tmp_path, 3, *NOUNS)
    archive.prunable(keep=1).delete()
    running = archive.find(run_id(2))
    assert running.status == "running"
    assert [archive.read(noun, running) for noun in NOUNS] == [2, 1, 1]


@pytest.mark.parametrize(
    ("process", "status"),
    [
        (None, "killed"),
        ({"host": "another machine", "pid": 1}, "running"),
        ({**this_process(), "pid": 2**22 + 1}, "killed"),
        (this_process(), "running"),
    ],
)
def test_a_run_whose_process_is_gone_was_killed(
    archive: Archive, tmp_path: Path, process: dict[str, Any] | None, status: str
) -> None:
    write(tmp_path, 1, status="running", process=process)
    assert archive.find("latest").status == status


def test_a_process_of_somebody_else_is_there(archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: int) -> None:
        raise PermissionError

    write(tmp_path, 1, status="running", process=this_process())
    monkeypatch.setattr(os, "kill", refuse)
    assert archive.find("latest").status == "running"


def test_runs_are_found_by_the_beginning_of_their_names(archive: Archive, tmp_path: Path) -> None:
    write(tmp_path, 1)
    write(tmp_path, 12)
    assert archive.find("2026-01-12").id == run_id(12)
    assert archive.find(run_id(1)).id == run_id(1)
    for name, problem in (("2026-01", "could be each of 2 runs"), ("202", "is not there"), ("2027-01", "is not there")):
        with pytest.raises(ConfigurationError, match=problem):
            archive.find(name)


def test_at_least_one_run_is_kept(archive: Archive) -> None:
    with pytest.raises(ConfigurationError, match="runs to keep: too few"):
        archive.prunable(keep=0)


@given(
    runs=st.lists(st.tuples(st.sets(st.sampled_from(NOUNS)), st.sampled_from(["complete", "failed"])), max_size=7),
    keep=st.integers(1, 4),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_pruning_never_changes_what_a_kept_run_sees(
    tmp_path_factory: pytest.TempPathFactory, runs: list[tuple[set[str], str]], keep: int
) -> None:
    folder = tmp_path_factory.mktemp("archive")
    for number, (nouns, status) in enumerate(runs, start=1):
        write(folder, number, *nouns, status=status)
    archive = archive_in(folder)
    found = archive.prunable(keep=keep)
    forgotten = {run.id for run in found.runs}
    kept = [run for run in archive.runs() if run.id not in forgotten]
    before = [[archive.read(noun, run) for noun in NOUNS] for run in kept]
    found.delete()
    assert [[archive.read(noun, run) for noun in NOUNS] for run in archive.runs()] == before
    judged = [run_id(n) for n, (nouns, status) in enumerate(runs, 1) if status == "complete" and "summary" in nouns]
    assert set(judged[-keep:]) <= {run.id for run in kept}
    assert not set(judged[:-keep]) & {run.id for run in kept}


def test_parts_that_no_version_names_go_unless_a_run_goes_on(tmp_path: Path) -> None:
    store = FeatureStore(filepath=str(tmp_path / "features.json"), version=Version(None, None))
    manifest = RunManifest(filepath=str(tmp_path / "manifest" / "manifest.json"), version=Version(None, None))
    part = tmp_path / "partitions" / "set" / "key.parquet"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"rows")
    archive = Archive("w", DataCatalog({"w.features": store, "w.manifest": manifest}), ["w.features"])
    write(tmp_path, 1, status="running", process=this_process())
    assert archive.prunable(keep=1).files == ()
    write(tmp_path, 2)
    assert archive.prunable(keep=1).files == ()
    for path in files(tmp_path / "manifest"):
        path.write_text(path.read_text().replace('"running"', '"failed"'))
    assert part in archive.prunable(keep=1).files


def files(folder: Path) -> Iterator[Path]:
    return folder.rglob("manifest.json/*/manifest.json")
