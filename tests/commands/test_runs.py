"""``assay runs`` and ``assay compare`` on a project of two runs."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from assay.commands.compare import compare
from assay.commands.runs import runs
from assay.history import write_index

pytestmark = pytest.mark.filterwarnings("ignore:One or more dataset names contain:UserWarning")

REGISTRY = """
from kedro.pipeline import Pipeline, node

def make():
    return 1, 2, 3, 4

NOUNS = ("signal.metrics", "signal.backtest", "summary", "report")

def register_pipelines():
    one = {w: Pipeline([node(make, None, [f"{w}.{n}" for n in NOUNS])]) for w in ("equity", "crypto")}
    return {"__default__": sum(one.values(), Pipeline([])), "null_check": Pipeline([])} | one
"""
CATALOG = """
"{workload}.manifest":
  {type: assay.datasets.manifest.RunManifest, filepath: "data/{workload}/manifest.json", versioned: true}
"{workload}.summary": {type: assay.datasets.files.Json, filepath: "data/{workload}/summary.json", versioned: true}
"{workload}.report": {type: assay.datasets.files.Html, filepath: "data/{workload}/report.html", versioned: true}
"{workload}.{head}.metrics":
  {type: assay.datasets.files.Json, filepath: "data/{workload}/{head}/metrics.json", versioned: true}
"{workload}.{head}.backtest":
  {type: assay.datasets.files.Json, filepath: "data/{workload}/{head}/backtest.json", versioned: true}
"""
RUNS = ("2026-01-01T00.00.00.000Z", "2026-01-02T00.00.00.000Z")


def estimate(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.04, "high": value + 0.04}


def outputs(run: str, ic: float) -> dict[str, Any]:
    code = {"revision": run, "dirty": False}
    facts = {"code": code, "parameters": run, "inputs": {"equity.bars_raw": "x"}}
    about = {"id": run, "status": "complete", "seconds": 65.0, "started": run, "finished": None, "error": None}
    model = {"role": "model", "metrics": {"direction_ic": estimate(ic)}}
    return {
        "manifest.json": {"facts": facts, "run": about},
        "summary.json": {
            "primary": {"head": "signal", "model": "lightgbm", "metric": "direction_ic"},
            "verdict": {"level": "weak", "headline": "A hint."},
        },
        "signal/metrics.json": {
            "kind": "classification",
            "rows": 100,
            "span": ["2020-01-01", "2021-01-01"],
            "metric_info": {"direction_ic": {"label": "Direction IC"}},
            "models": {"lightgbm": model, "twin": model | {"role": "volatility_only"}},
        },
        "signal/backtest.json": {"models": {"lightgbm": {"performance": {"sharpe": estimate(1.5)}}}},
        "report.html": "page",
    }


@pytest.fixture
def project(stand_in: Callable[[Mapping[str, str]], Path]) -> Path:
    folder = stand_in({"conf/base/catalog.yml": CATALOG, "src/stall/pipeline_registry.py": REGISTRY})
    for run, ic in zip(RUNS, (0.03, 0.05), strict=True):
        for name, content in outputs(run, ic).items():
            path = folder / "data" / "equity" / name / run / Path(name).name
            path.parent.mkdir(parents=True)
            path.write_text(json.dumps(content))
    return folder


def call(command: Any, *arguments: str) -> Result:
    return CliRunner().invoke(command, list(arguments))


@pytest.mark.usefixtures("project")
def test_the_list_says_what_every_run_found() -> None:
    shown = call(runs, "list")
    assert shown.exit_code == 0, shown.output
    lines = [line for line in shown.output.splitlines() if "2026-01-0" in line]
    assert [run in line for run, line in zip(reversed(RUNS), lines, strict=True)] == [True, True]
    assert [text in lines[0] for text in ("weak", "0.0500 [0.0100, 0.0900]", "1.50 [1.46, 1.54]")] == [True] * 3
    assert "crypto: no run yet" in shown.output


@pytest.mark.usefixtures("project")
def test_a_run_is_shown_with_what_it_wrote() -> None:
    shown = call(runs, "show", "2026-01-01")
    assert shown.exit_code == 0, shown.output
    assert f"run          {RUNS[0]}, complete" in shown.output
    assert "verdict      weak: A hint." in shown.output
    assert "in all 5 outputs" in shown.output
    [report] = [line.removeprefix("report").strip() for line in shown.output.splitlines() if line.startswith("report")]
    assert Path(report).is_file()


@pytest.mark.parametrize("damage", ["{", "[]", '{"run": 3}', '{"primary": {}, "verdict": "x"}'])
def test_a_run_with_a_damaged_summary_is_listed_without_its_verdict(
    project: Path, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []  # a project's own logging may keep records from other listeners
    monkeypatch.setattr("assay.history.log.warning", lambda text, *parts: told.append(text % parts))
    (project / "data" / "equity" / "summary.json" / RUNS[1] / "summary.json").write_text(damage)
    shown = call(runs, "list", "equity")
    assert shown.exit_code == 0, shown.output
    assert shown.output.count("weak") == 1
    assert [f"run {RUNS[1]} of equity" in text and "is damaged" in text for text in told] == [True]


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("show", "1999"), "run '1999' of "),
        (("show", "latest", "--workload", "fruit"), "there is no workload 'fruit'"),
        (("list", "fruit"), "there is no workload 'fruit'"),
        (("prune", "--keep", "0"), "0 is not in the range"),
        (("prune",), "Missing option '--keep'"),
        (("list", "--env", "nowhere"), "there is no environment 'nowhere'"),
    ],
)
def test_clear_errors(arguments: tuple[str, ...], said: str) -> None:
    shown = call(runs, *arguments)
    assert shown.exit_code != 0
    assert said in shown.output


def test_pruning_deletes_only_when_it_is_no_rehearsal(project: Path) -> None:
    rehearsed = call(runs, "prune", "--keep", "1", "--dry-run")
    assert "equity: 1 runs, 5 files" in rehearsed.output
    assert "would be deleted" in rehearsed.output
    assert sum(path.is_file() for path in project.glob("data/equity/**/*.json")) == 8
    done = call(runs, "prune", "equity", "--keep", "1")
    assert "deleted" in done.output
    assert "crypto" not in done.output
    left = {path.parent.name for path in project.glob("data/equity/**/*.*") if path.is_file()}
    assert left == {RUNS[1]}
    index = (project / "data" / "index.html").read_text()
    assert f"{RUNS[1]}/report.html" in index
    assert RUNS[0] not in index


def test_two_runs_are_compared_in_text_and_as_a_page(project: Path) -> None:
    shown = call(compare, "2026-01-01", "--html", "difference.html")
    assert shown.exit_code == 0, shown.output
    assert "signal: LightGBM" in shown.output
    assert "+0.0200" in shown.output
    assert "code.revision" in shown.output
    assert "twin" not in shown.output
    assert "Scores of every model" in (project / "difference.html").read_text()


def test_a_page_that_cannot_be_written_is_a_clear_error(project: Path) -> None:
    (project / "file").write_text("")
    shown = call(compare, "2026-01-01", "--html", "file/difference.html")
    assert shown.exit_code == 1
    assert "file/difference.html: the page cannot be written there" in shown.output


def test_the_index_lies_beside_the_reports(project: Path) -> None:
    from kedro.framework.session import KedroSession
    from kedro.framework.startup import bootstrap_project

    bootstrap_project(project)
    written = write_index(KedroSession.create(project).load_context().catalog)
    assert written == (project / "data" / "index.html")
    assert f'href="equity/report.html/{RUNS[1]}/report.html"' in written.read_text()
