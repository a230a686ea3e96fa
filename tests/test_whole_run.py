"""The whole project on ``conf/test``: run twice, looked at from outside."""

import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import polars as pl
import pytest
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project

COPIED = ("conf", "pyproject.toml", ".telemetry")


def copy_project(root: Path, target: Path) -> Path:
    """The project without its data; the package is the installed one."""
    for name in COPIED:
        source = root / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, target / name)
    (target / "src").mkdir()
    return target


def run(project: Path, params: dict[str, Any] | None = None, *, workload: str = "equity", **what: Any) -> None:
    bootstrap_project(project)
    with KedroSession.create(project, env="test", runtime_params=params) as session:
        session.run(pipeline_names=[workload], **what)


def versions(project: Path) -> set[str]:
    """Every output ever written: what has no new version was not made again."""
    written = (path.relative_to(project / "data") for path in project.glob("data/*/equity/**/*.receipt.json"))
    return {str(path).removesuffix(".receipt.json") for path in written}


def made_again(project: Path, **what: Any) -> set[str]:
    """Nouns that a resumed run writes."""
    before = versions(project)
    run(project, only_missing_outputs=True, **what)
    return {path.split("/")[-3] for path in versions(project) - before}


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
    assert summary["verdict"]["headline"].casefold() in page.casefold()
    assert "not tradable" in page
    plots = newest(project, "08_reporting/equity/plots.html/*/plots.html").read_text()
    assert summary["verdict"]["level"] in plots
    assert plots.count("<figure") >= 2


def test_the_index_of_all_runs_leads_to_the_report(project: Path) -> None:
    folder = project / "data" / "08_reporting"
    first = min(folder.glob("equity/report.html/*/report.html")).relative_to(folder)
    assert f'href="{first.as_posix()}"' in (folder / "index.html").read_text()


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
    versioned = [
        p
        for p in project.glob("data/*/equity/**/*.*")
        if p.is_file()
        and "receipt" not in p.name
        and "partitions" not in p.parts  # the store's manifest vouches for them
    ]
    outputs = [
        p for p in versioned if p.name not in {"manifest.json", "studies.log"} and not p.name.startswith(("head.", "."))
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
    assert len(first) > 20
    assert outputs(project) == first
    assert len(ledgers) == 8  # inner and outer trials of two heads, and the head of each chain
    assert {p: p.read_bytes() for p in ledgers} == ledgers


def test_resuming_a_finished_run_redoes_nothing(project: Path) -> None:
    run(project, only_missing_outputs=True)
    assert made_again(project) == set()


def test_resuming_with_another_primary_redoes_what_reads_it(project: Path) -> None:
    again = made_again(project, params={"equity": {"primary": {"model": "xgboost"}}})
    assert {"champion.zip", "summary.json", "report.html", "decisions.parquet"} <= again
    assert not again & {"features.parquet", "predictions.parquet", "fold_models.zip", "metrics.json", "model.zip"}
    assert "xgboost" in newest(project, "08_reporting/equity/summary.json/*/summary.json").read_text()


def test_resuming_after_a_file_was_cut_short_redoes_it_and_its_children(project: Path) -> None:
    run(project, only_missing_outputs=True)
    ledger = newest(project, "07_model_output/equity/signal/ledger.parquet/*/ledger.parquet")
    ledger.write_bytes(ledger.read_bytes()[:1000])
    again = made_again(project)
    assert {"ledger.parquet", "backtest.json", "report.html"} <= again
    assert not again & {"features.parquet", "predictions.parquet", "metrics.json", "model.zip", "champion.zip"}


class TestKilled:
    """In a class, and so beside the others where tests run side by side."""

    def test_a_killed_run_goes_on_where_it_was(self, root: Path, tmp_path: Path) -> None:
        project = copy_project(root, tmp_path)
        command = [sys.executable, "-m", "kedro", "run", "--env", "test", "--pipelines", "equity"]
        with subprocess.Popen(command, cwd=project, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            deadline = monotonic() + 120
            while not (done := versions(project)) or not any("predictions" in path for path in done):
                assert process.poll() is None
                assert monotonic() < deadline
                sleep(0.05)
            process.kill()
        before = versions(project)
        again = made_again(project)
        assert not again & {"features.parquet", "panel.parquet", "labels.parquet", "trials.json", "best_params.json"}
        assert before <= versions(project)
        assert newest(project, "08_reporting/equity/report.html/*/report.html").is_file()


NETWORKS = {"signal": {"mlp"}, "forward_return": {"mlp", "lstm"}, "open_interest": {"lstm"}}


def models_of(project: Path, head: str) -> set[str]:
    oos = pl.read_parquet(newest(project, f"07_model_output/crypto/{head}/oos.parquet/*/oos.parquet"))
    return set(oos["model"].unique())


@pytest.fixture(scope="module")
def full(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The mock market with every model."""
    folder = copy_project(root, tmp_path_factory.mktemp("full"))
    run(folder, {"profile": "full"}, workload="crypto")
    return folder


class TestFullProfile:
    """In a class, and so beside the others where tests run side by side."""

    @pytest.mark.parametrize("head", NETWORKS)
    def test_the_full_profile_leaves_out_nothing_but_what_is_not_installed(self, full: Path, head: str) -> None:
        said = json.loads(newest(full, f"07_model_output/crypto/{head}/left_out.json/*/left_out.json").read_text())
        missing = {name for name in ("torch", "catboost") if find_spec(name) is None}
        assert all("is not installed" in reason for reason in said.values())
        expected = (NETWORKS[head] if "torch" in missing else set()) | ({"catboost"} & missing & {*said})
        assert set(said) == expected
        assert models_of(full, head) & NETWORKS[head] == NETWORKS[head] - set(said)

    def test_ensembles_stand_beside_models_and_returns_have_intervals(self, full: Path) -> None:
        assert {"stacking", "soft_voting", "mean", "meta"} <= models_of(full, "signal")
        oos = pl.read_parquet(newest(full, "07_model_output/crypto/forward_return/oos.parquet/*/oos.parquet"))
        late = oos.filter(pl.col("fold") >= 3)
        assert late.select((pl.col("lower") < pl.col("upper")).mean()).item() > 0.9

    def test_open_interest_is_forecast_and_not_traded(self, full: Path) -> None:
        page = newest(full, "08_reporting/crypto/report.html/*/report.html").read_text()
        assert "Open interest" in page
        assert list(full.glob("data/07_model_output/crypto/open_interest/ledger.parquet")) == []
        replay = json.loads(newest(full, "07_model_output/crypto/replay.json/*/replay.json").read_text())
        assert (replay["features_equal"], replay["predictions_equal"]) == (True, True)
