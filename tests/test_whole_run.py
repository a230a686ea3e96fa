"""The whole project on ``conf/test``: run twice, looked at from outside."""

import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project

COPIED = ("conf", "pyproject.toml", ".telemetry")


def copy_project(root: Path, target: Path) -> Path:
    """The project without its data: settings and configuration copied, the package linked."""
    for name in COPIED:
        source = root / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, target / name)
    (target / "src").symlink_to(root / "src")
    return target


def run(project: Path, **what: Any) -> None:
    bootstrap_project(project)
    with KedroSession.create(project, env="test") as session:
        session.run(**what)


def newest(project: Path, pattern: str) -> Path:
    return max(project.glob(f"data/{pattern}"), key=lambda path: path.parent.name)


def outputs(project: Path) -> dict[str, bytes]:
    """Bytes of features, predictions and metrics: what a second run must repeat."""
    names = (
        "features.parquet",
        "predictions.parquet",
        "oos.parquet",
        "metrics.json",
        "backtest.json",
        "ledger.parquet",
    )
    files = [p for p in project.glob("data/*/equity/**/*") if p.is_file() and p.name in names]
    return {str(p.parent.parent): p.read_bytes() for p in sorted(files)}


@pytest.fixture(scope="module")
def project(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = copy_project(root, tmp_path_factory.mktemp("project"))
    run(folder)
    return folder


def test_the_report_is_there_and_says_what_it_is(project: Path) -> None:
    page = newest(project, "08_reporting/equity/report.html/*/report.html").read_text()
    summary = json.loads(newest(project, "08_reporting/equity/summary.json/*/summary.json").read_text())
    assert summary["verdict"]["headline"] in page
    assert "not tradable" in page


def test_no_skill_that_markets_do_not_give(project: Path) -> None:
    summary = json.loads(newest(project, "08_reporting/equity/summary.json/*/summary.json").read_text())
    assert summary["verdict"]["level"] != "implausible"


def test_serving_equals_the_batch(project: Path) -> None:
    replay = json.loads(newest(project, "07_model_output/equity/replay.json/*/replay.json").read_text())
    assert (replay["features_equal"], replay["predictions_equal"]) == (True, True)
    assert replay["timestamps"] == 3


def test_a_decision_for_every_entity(project: Path) -> None:
    decisions = pl.read_parquet(newest(project, "07_model_output/equity/decisions.parquet/*/decisions.parquet"))
    csv = pl.read_csv(newest(project, "07_model_output/equity/decisions.csv/*/decisions.csv"))
    assert decisions["entity"].to_list() == csv["entity"].to_list() == ["NASDAQ", "SP500"]


def test_every_output_has_a_receipt(project: Path) -> None:
    versioned = [p for p in project.glob("data/*/equity/**/*.*") if p.is_file() and "receipt" not in p.name]
    outputs = [
        p for p in versioned if p.name not in {"manifest.json", "study.log"} and not p.name.startswith(("head.", "."))
    ]
    assert len(outputs) > 50
    assert [p.name for p in outputs if not p.with_name(f"{p.name}.receipt.json").is_file()] == []


def test_every_fit_saw_only_the_past(project: Path) -> None:
    for plan in project.glob("data/05_model_input/equity/*/plan.json/*/plan.json"):
        receipts = json.loads(plan.read_text())["receipts"]
        assert len(receipts) == 4
        assert all(r["last_train_label_end"] < r["test_start"] for r in receipts)


def test_a_second_run_gives_the_same_bytes_and_no_new_trials(project: Path) -> None:
    first = outputs(project)
    ledgers = {p: p.read_bytes() for p in project.glob("data/*/equity/*/*_trials.jsonl")}
    for path in [p for p in project.glob("data/*/equity/**/*.parquet") if p.is_file()]:
        path.unlink()
    run(project)
    assert outputs(project) == first
    assert {p: p.read_bytes() for p in ledgers} == ledgers
    assert len(ledgers) == 4
