"""The manifest: what a run was made of, at every moment of the run."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from assay.hooks.manifest import code_revision

Market = Any


def manifest(market: Market) -> dict[str, Any]:
    return json.loads(market.path("manifest").read_text())


def test_a_finished_run_says_what_it_was_made_of(done: Market) -> None:
    found = manifest(done)
    facts, run = found["facts"], found["run"]
    assert facts["workload"] == "equity"
    assert facts["primary"] == {"head": "signal"}
    assert facts["feature_set_id"] == "window 3"
    assert facts["seeds"] == {"equity.learning.seed": 7}
    assert list(facts["inputs"]) == ["equity.raw"]
    assert set(facts["packages"]) >= {"python", "kedro", "pyarrow", "scipy", "ta-lib", "skops", "xgboost"}
    assert all(facts["packages"].values())
    assert facts["rows"]["equity.feature_engineering.engineer"] == {
        "in": {"equity.bars": 2},
        "out": {"equity.features": 2},
    }
    assert facts["rows"]["equity.tuning.search"]["out"] == {"equity.trials": 2}
    assert run["id"] == done.path("manifest").parent.name == "0001"
    assert (run["status"], run["error"], run["env"]) == ("complete", None, "base")
    assert len(run["nodes"]) == 4
    assert run["seconds"] >= sum(run["nodes"].values()) - 0.2
    assert 20 < run["peak_memory_mib"] < 100_000
    assert run["started"] <= run["finished"]


def test_the_reporting_node_sees_the_run_so_far(done: Market) -> None:
    seen = json.loads(done.path("summary").read_text())["seen"]
    assert seen["run"]["status"] == "running"
    assert seen["run"]["finished"] is None
    assert len(seen["run"]["nodes"]) == 3
    assert seen["run"]["id"] == "0001"


def test_facts_are_the_same_in_a_replay_and_hold_no_clock(done: Market) -> None:
    first = done.path("manifest").read_text()
    done.run()
    second = done.path("manifest").read_text()
    assert first != second
    assert json.loads(first)["facts"] == json.loads(second)["facts"]
    done.parameters["equity"]["tuning"]["depth"] = 3
    done.run()
    assert manifest(done)["facts"]["parameters"] != json.loads(first)["facts"]["parameters"]


def seen_feature_set(market: Market) -> str | None:
    return json.loads(market.path("summary").read_text())["seen"]["facts"]["feature_set_id"]


def test_the_feature_set_is_the_one_that_was_made_or_that_was_there(done: Market) -> None:
    assert seen_feature_set(done) == "window 3"
    done.path("report").unlink()
    assert done.resume() == ["write"]
    assert seen_feature_set(done) == "window 3"
    done.parameters["equity"]["features"]["window"] = 5
    done.resume()
    assert seen_feature_set(done) == "window 5"


def test_an_old_feature_set_is_not_passed_off_as_this_runs(done: Market) -> None:
    def fail(name: str) -> None:
        raise ValueError(name)

    done.recorder.before_save = fail
    with pytest.raises(ValueError, match=r"equity\.bars"):
        done.run()
    facts = manifest(done)["facts"]
    assert facts["feature_set_id"] is None
    assert facts["primary"] == {"head": "signal"}


def test_a_damaged_catalogue_that_no_node_reads_stops_nothing(done: Market) -> None:
    done.path("feature_catalogue").write_text("[")
    done.pipeline = done.pipeline.only_nodes_with_namespaces(["equity.reporting"])
    assert done.run() == ["write"]
    assert manifest(done)["facts"]["feature_set_id"] is None


def test_a_failed_run_says_why(market: Market) -> None:
    def fail(name: str) -> None:
        if name == "equity.best":
            raise ValueError("no trial ended")

    market.recorder.before_save = fail
    with pytest.raises(ValueError, match="no trial"):
        market.run()
    run = manifest(market)["run"]
    assert (run["status"], run["error"]) == ("failed", "no trial ended")
    assert len(run["nodes"]) == 3


def test_a_killed_run_still_says_running(market: Market) -> None:
    def kill(name: str) -> None:
        if name == "equity.best":
            raise KeyboardInterrupt

    market.recorder.before_save = kill
    with pytest.raises(KeyboardInterrupt):
        market.run()
    assert manifest(market)["run"]["status"] == "running"


def test_a_resumed_run_lists_what_it_reran_and_an_idle_one_writes_nothing(done: Market) -> None:
    done.resume()
    assert done.versions("manifest") == 1
    done.path("report").unlink()
    done.resume()
    assert list(manifest(done)["run"]["nodes"]) == ["equity.reporting.write"]
    assert list(manifest(done)["facts"]["inputs"]) == ["equity.raw"]


def test_a_stage_run_alone_has_a_manifest_too(done: Market) -> None:
    done.pipeline = done.pipeline.only_nodes_with_namespaces(["equity.reporting"])
    assert done.run() == ["write"]
    assert sorted(manifest(done)["facts"]["inputs"]) == ["equity.best", "equity.trials"]


def test_code_revision_knows_a_changed_source_from_a_changed_notebook(tmp_path: Path) -> None:
    assert code_revision(tmp_path / "nowhere") == {"revision": "unknown", "dirty": None}

    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        command = ["git", *identity, *arguments]
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout.strip()

    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.py").write_text("1")
    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "a")
    (tmp_path / "notes.ipynb").write_text("1")
    assert code_revision(tmp_path) == {"revision": git("rev-parse", "HEAD"), "dirty": False}
    (tmp_path / "src" / "a.py").write_text("2")
    assert code_revision(tmp_path)["dirty"] is True
