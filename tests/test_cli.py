"""The command: what it passes on to Kedro, and how errors end."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from click.testing import CliRunner, Result
from kedro.framework.cli.project import project_group
from kedro.framework.startup import bootstrap_project

from assay.cli import _parse, cli, main

# Kedro reads the fields of a parameter model from the instance.
pytestmark = pytest.mark.filterwarnings("ignore:Accessing the 'model_fields' attribute:DeprecationWarning")

FILES = {
    "src/stall/pipeline_registry.py": """
        from kedro.pipeline import Pipeline, node
        from pydantic import BaseModel
        from assay.market.errors import SplitError

        class Rule(BaseModel):
            depth: int

        def take(fruit):
            return [fruit]

        def fit(fruit, rule: Rule):
            if rule.depth == 0:
                raise SplitError("fold 1", "has no rows", do="lower min_train")
            if rule.depth == 99:
                raise ZeroDivisionError("a bug")
            return [*fruit, rule.depth]

        def register_pipelines():
            nodes = [
                node(take, "equity.fruit_raw", "equity.fruit", name="take", namespace="equity.ingestion"),
                node(
                    fit,
                    ["equity.fruit", "params:equity.rule"],
                    "equity.model",
                    name="fit",
                    namespace="equity.tuning",
                ),
            ]
            whole = Pipeline(nodes)
            return {"__default__": whole, "equity": whole, "early": Pipeline(nodes[:1]), "late": Pipeline(nodes[1:])}
        """,
    "conf/base/parameters.yml": """
        equity:
          rule: {depth: 2}
        """,
    "conf/base/catalog.yml": """
        equity.fruit_raw: {type: json.JSONDataset, filepath: fruit.json}
        equity.fruit: {type: assay.datasets.files.Json, filepath: data/fruit.json, versioned: true}
        equity.model: {type: assay.datasets.files.Json, filepath: data/model.json, versioned: true}
        """,
    "conf/files/catalog.yml": """
        equity.fruit_raw:
          type: json.JSONDataset
          filepath: ${runtime_params:data_dir,DATA_DIR_NOT_GIVEN}/fruit.json
        """,
    "fruit.json": '"apple"',
}


@pytest.fixture
def project(stand_in: Callable[[Mapping[str, str]], Path]) -> Path:
    """A project of its own, opened like a user's."""
    return stand_in(FILES)


def assay(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def models(project: Path) -> list[str]:
    """Every version of the last output, oldest first."""
    return [path.read_text() for path in sorted(project.glob("data/model.json/*/model.json"))]


def test_run_then_resume_reruns_exactly_what_changed(project: Path) -> None:
    whole = assay("run", "equity")
    assert whole.exit_code == 0
    assert "Workflow tracking is disabled" not in whole.output
    assert models(project) == ['[\n "apple",\n 2\n]']
    idle = assay("resume")
    assert "nothing to do: every output is fresh" in idle.output
    assert len(models(project)) == 1
    changed = assay("resume", "equity", "--params", "equity.rule.depth=4")
    assert "1 node in" in changed.output
    assert models(project)[1:] == ['[\n "apple",\n 4\n]']


def test_data_means_the_files_environment_and_a_folder_seen_from_here(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = project / "desk" / "my data, 2020=new"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder.parent)
    (folder / "fruit.json").write_text('"pear"')
    result = assay("run", "equity", "--data", folder.name, "--params", "equity.rule.depth=3")
    assert result.exit_code == 0, result.output
    assert models(project) == ['[\n "pear",\n 3\n]']
    again = assay("run", "equity", "--env", "files")
    assert again.exit_code == 1
    assert "DATA_DIR_NOT_GIVEN" in str(again.exception)


def test_a_folder_that_a_workload_does_not_read_is_refused(project: Path) -> None:
    (project / "conf" / "files" / "catalog.yml").write_text("crypto.fruit_raw: {type: x}")
    result = assay("run", "equity", "--data", ".")
    assert result.exit_code == 1
    assert "'equity' does not read your folder; by conf/files these do: crypto" in result.output
    nameless = assay("resume", "--data", ".")
    assert nameless.exit_code == 1
    assert (
        "a run without the name of a workload does not read your folder; by conf/files these do: crypto"
        in nameless.output
    )
    assert models(project) == []


def test_an_error_on_purpose_ends_without_a_traceback(project: Path) -> None:
    result = assay("run", "equity", "--params", "equity.rule.depth=0")
    assert result.exit_code == 1
    assert "Error: fold 1: has no rows\n  what to do: lower min_train\n" in result.output
    assert "Traceback" not in result.output
    assert isinstance(result.exception, SystemExit)
    assert models(project) == []


def test_an_error_inside_a_dataset_error_is_shown_the_same_way(project: Path) -> None:
    missing = assay("run", "late")
    assert missing.exit_code == 1
    assert "data/fruit.json: does not exist\n" in missing.output
    assert "what to do: run `assay resume`" in missing.output
    assay("run", "equity")
    (made,) = project.glob("data/fruit.json/*/fruit.json")
    made.write_text("[")
    assert f"Error: {made}: differs from its receipt\n" in assay("run", "late").output
    made.with_name("fruit.json.receipt.json").unlink()
    assert f"Error: {made}: is damaged\n" in assay("run", "late").output


def test_a_bad_parameter_is_named_before_anything_runs(project: Path) -> None:
    result = assay("run", "equity", "--params", "equity.rule.depth=deep")
    assert result.exit_code == 1
    assert "Parameter 'equity.rule':\ndepth\n  Input should be a valid integer" in result.output
    assert result.output.endswith("\n  found: 'deep'\n")
    assert isinstance(result.exception, SystemExit)
    assert not (project / "data").exists()


@pytest.mark.usefixtures("project")
def test_a_bug_keeps_its_traceback() -> None:
    result = assay("run", "equity", "--params", "equity.rule.depth=99")
    assert isinstance(result.exception, ZeroDivisionError)


@pytest.mark.usefixtures("project")
def test_an_unknown_pipeline_is_answered_with_those_that_exist() -> None:
    result = assay("run", "equty")
    assert result.exit_code == 1
    assert "no pipeline 'equty'; there are: __default__, early, equity, late" in result.output


def test_an_unknown_environment_is_answered_with_those_that_exist(project: Path) -> None:
    result = assay("run", "equity", "--env", "fils")
    assert result.exit_code == 1
    assert f"no environment 'fils' in {project / 'conf'}; there are: base, files" in result.output


@pytest.mark.usefixtures("project")
def test_an_interrupted_run_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("kedro.framework.session.KedroSession.run", interrupt)
    result = assay("run", "equity")
    assert result.exit_code == 130
    assert "stopped; `assay resume` with the same options, or for a null check the same command" in result.output


def test_outside_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = assay("resume")
    assert result.exit_code == 1
    assert f"there is no Kedro project in {tmp_path} or above it" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--params", "depth"), "'depth' is not of the form name=value"),
        (("--params", "a=1,=2"), "'=2' is not of the form name=value"),
        (("--params", "a=[1,2],b"), "'b' is not of the form name=value"),
        (("--data", "nowhere"), "Directory 'nowhere' does not exist"),
    ],
)
def test_a_mistyped_option_is_refused(arguments: tuple[str, str], message: str) -> None:
    result = assay("run", "equity", *arguments)
    assert result.exit_code == 2
    assert message in result.output


@pytest.mark.parametrize("command", [("run", "equity"), ("resume", "equity"), ("run", "late")])
@pytest.mark.parametrize(
    ("params", "unknown", "close"),
    [("equity.rul.depth=3", "equity.rul", "equity.rule"), ("data_di=fruits", "data_di", "data_dir")],
)
def test_a_mistyped_parameter_stops_before_the_first_node(
    project: Path, command: tuple[str, ...], params: str, unknown: str, close: str
) -> None:
    result = assay(*command, "--params", params)
    assert result.exit_code == 1
    assert f"Error: parameter {unknown}: nothing reads a parameter of this name\n" in result.output
    assert f"  expected: a name such as {close}" in result.output
    assert not (project / "data").exists()


@pytest.mark.usefixtures("project")
def test_a_folder_of_data_needs_the_environment_that_reads_it() -> None:
    result = assay("run", "equity", "--params", "data_dir=fruits")
    assert "what to do: add --env files\n" in result.output


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", {}),
        ("a.b=[x, y],c=1,", {"a": {"b": ["x", "y"]}, "c": 1}),
        ("a=[[1,2],[3]],b={low: 1, high: [2,3]}", {"a": [[1, 2], [3]], "b": {"low": 1, "high": [2, 3]}}),
        ("a=x],b=null", {"a": "x]", "b": None}),
    ],
)
def test_lists_keep_their_commas(text: str, values: dict[str, Any]) -> None:
    assert _parse(click.Context(main), click.Option(["--params"]), text) == values


def kedro(*arguments: str) -> Result:
    bootstrap_project(Path.cwd())
    return CliRunner().invoke(cli, arguments, prog_name="kedro")


def test_kedro_run_ends_with_the_clear_error_alone(project: Path) -> None:
    refused = kedro("run", "--params", "equity.rule.depth=0")
    assert refused.exit_code == 1
    assert refused.output.endswith("\nError: fold 1: has no rows\n  what to do: lower min_train\n")
    assert refused.output.count("fold 1: has no rows") == 1
    assert "Traceback" not in refused.output
    assert isinstance(kedro("run", "--params", "equity.rule.depth=99").exception, ZeroDivisionError)
    assert kedro("run", "--pipelines", "equity", "--params", "equity.rule.depth=3").exit_code == 0
    assert models(project) == ['[\n "apple",\n 3\n]']
    unknown = kedro("run", "--params", "equity.rul.depth=3")
    assert unknown.output.startswith("Error: parameter equity.rul: nothing reads")


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("part", [("--namespaces", "equity.tunning"), ("--nodes", "tke"), ("--pipelines", "ealry")])
def test_a_part_that_is_not_there_ends_without_a_traceback(part: tuple[str, str]) -> None:
    result = kedro("run", *part)
    assert result.exit_code == 1
    assert part[1] in result.output
    assert "`kedro registry list` names all pipelines" in result.output


@pytest.mark.usefixtures("project")
def test_kedro_run_takes_lists() -> None:
    listed = kedro("run", "--params", "equity.rule.depth=[1,2]")
    assert "'equity.rule'" in listed.output
    assert "found: [1, 2]" in listed.output


@pytest.mark.parametrize("command", [kedro, assay])
def test_a_parameter_that_only_another_stage_reads_stops_the_run(project: Path, command: Any) -> None:
    part = ("run", "--pipelines", "early") if command is kedro else ("run", "early")
    result = command(*part, "--params", "equity.rule.depth=3")
    assert "parameter equity.rule: no node of this run reads it, so it would change nothing" in result.output
    assert "`assay resume <workload>` with it, which reruns all that it changes" in result.output
    assert not (project / "data").exists()


@pytest.mark.usefixtures("project")
def test_kedro_gains_resume_and_its_own_run_keeps_its_options() -> None:
    assert cli.list_commands(click.Context(cli)) == ["resume"]
    own = CliRunner().invoke(project_group, ["run", "--help"], prog_name="kedro")
    assert "--only-missing-outputs" in own.output
    assert kedro("run", "--help").output == own.output


def test_the_log_leaves_tracebacks_of_bugs_to_python(root: Path) -> None:
    config = yaml.safe_load((root / "conf" / "logging.yml").read_text())
    assert config["handlers"]["rich"]["rich_tracebacks"] is False


def test_help_waits_for_no_heavy_import() -> None:
    assert loaded_by("assay.cli", "kedro", "polars", "omegaconf", "pyarrow") == []


def test_the_settings_that_every_kedro_command_opens_wait_for_no_heavy_import() -> None:
    heavy = ("polars", "pyarrow", "pandas", "sklearn", "xgboost", "lightgbm", "optuna", "assay.hooks.receipts")
    assert loaded_by("assay.settings", *heavy) == ["assay.hooks.receipts"]


def loaded_by(module: str, *names: str) -> list[str]:
    code = f"import sys, {module}; print(*sorted({set(names)} & sys.modules.keys()))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    return found.stdout.split()


def test_options_are_shorthand_for_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr("assay.cli._run", lambda *_, params, **__: asked.append(params))
    options = ("--symbol", "BTCUSDT", "--symbol", "ETHUSDT", "--days", "60", "--features", "50", "--profile", "full")
    assert assay("run", "crypto", *options).exit_code == 0
    assert assay("resume", "crypto", "--days", "60", "--params", "crypto.ingestion.days=30,crypto.x=1").exit_code == 0
    assert assay("resume", "--profile", "full").exit_code == 0
    block = {"ingestion": {"symbols": ["BTCUSDT", "ETHUSDT"], "days": 60}, "learning": {"selection": {"features": 50}}}
    assert asked == [
        {"profile": "full", "crypto": block},
        {"crypto": {"ingestion": {"days": 30}, "x": 1}},
        {"profile": "full"},
    ]


def test_an_option_about_a_workload_needs_its_name() -> None:
    result = assay("resume", "--days", "60")
    assert result.exit_code == 2
    assert "--days: name the workload it is for" in result.output
