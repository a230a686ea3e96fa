"""``assay tuned apply``: the change that is shown is the one that is written, and it has just the intended effect."""

import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from assay.commands.tuned import applied, tuned
from assay.market.errors import ConfigurationError
from assay.market.models import ModelParams
from assay.market.models.base import Choice

# Kedro reads the fields of a parameter model from the instance.
pytestmark = pytest.mark.filterwarnings("ignore:Accessing the 'model_fields' attribute:DeprecationWarning")

PARAMETERS = """\
fruit:
  seed: 7  # lucky
  models:
    signal:
      lightgbm: &lightgbm
        kind: lightgbm
        num_leaves: 15  # few
        search:
          num_leaves: {low: 8, high: 64}
          learning_rate: {low: 0.01, high: 0.2, log: true}
      xgboost: &xgboost
        kind: xgboost
        search: {max_depth: {low: 3, high: 8}}
      class_prior: {kind: class_prior}
    ret:
      lightgbm: *lightgbm
      xgboost: *xgboost
"""
SIGNAL = {
    "lightgbm": {"values": {"num_leaves": 30, "learning_rate": 0.025}, "trials": ["a/0"], "seen": None},
    "xgboost": {"values": {"max_depth": 5}, "trials": ["b/0"], "seen": None},
    "class_prior": {"values": {}, "trials": [], "seen": None},
}
RET = {"lightgbm": {"values": {"num_leaves": 9, "learning_rate": 0.03}, "trials": ["c/0"], "seen": None}}
FILES = {
    "conf/base/fruit/parameters.yml": PARAMETERS,
    "conf/base/catalog.yml": """
"{workload}.{head}.best_params":
  type: assay.datasets.files.Json
  filepath: data/{workload}/{head}/best_params.json
  versioned: true
""",
    "conf/bare/catalog.yml": """
"{workload}.{head}.best_params":
  type: assay.datasets.files.Json
  filepath: data/elsewhere/{workload}/{head}/best_params.json
  versioned: true
""",
}


def keep(folder: Path, head: str, version: str, best: dict[str, Any]) -> None:
    path = folder / "data" / "fruit" / head / "best_params.json" / version / "best_params.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(best))


@pytest.fixture
def project(stand_in: Callable[[Mapping[str, str]], Path]) -> Path:
    """A project whose heads were tuned."""
    folder = stand_in(FILES)
    older = {"lightgbm": SIGNAL["lightgbm"] | {"values": {"num_leaves": 11}}}
    keep(folder, "signal", "2026-01-01T00.00.00.000Z", older)
    keep(folder, "signal", "2026-01-02T00.00.00.000Z", SIGNAL)
    keep(folder, "ret", "2026-01-02T00.00.00.000Z", RET)
    return folder


def apply(*arguments: str) -> Result:
    return CliRunner().invoke(tuned, ["apply", *arguments])


def written(project: Path) -> str:
    return (project / "conf/base/fruit/parameters.yml").read_text()


def values(text: str, head: str, model: str) -> Any:
    return ModelParams.model_validate(yaml.safe_load(text)["fruit"]["models"][head][model]).root


def test_the_change_is_shown_and_nothing_written(project: Path) -> None:
    shown = apply("fruit")
    assert shown.exit_code == 0, shown.output
    assert written(project) == PARAMETERS
    assert shown.stdout.splitlines()[:2] == [
        "--- a/conf/base/fruit/parameters.yml",
        "+++ b/conf/base/fruit/parameters.yml",
    ]
    for line in (
        "-        num_leaves: 15  # few",
        "+        num_leaves: 30  # few",
        "+        learning_rate: 0.025",
        "+      lightgbm: {<<: *lightgbm, learning_rate: 0.03, num_leaves: 9}",
    ):
        assert line in shown.stdout.splitlines()


def test_what_is_shown_is_a_patch_of_what_is_written(project: Path, tmp_path: Path) -> None:
    shown = apply("fruit").stdout
    result = apply("fruit", "--write")
    assert result.stdout == shown
    assert "`assay resume fruit`" in result.stderr
    after = written(project)
    (project / "conf/base/fruit/parameters.yml").write_text(PARAMETERS)
    subprocess.run(["patch", "-p1", "-s"], input=shown, text=True, check=True, cwd=tmp_path)
    assert written(project) == after
    assert sorted(path.name for path in (project / "conf/base/fruit").iterdir()) == ["parameters.yml"]


def test_the_written_parameters_are_the_best_ones(project: Path) -> None:
    assert apply("fruit", "--write").exit_code == 0
    text = written(project)
    assert (values(text, "signal", "lightgbm").num_leaves, values(text, "ret", "lightgbm").num_leaves) == (30, 9)
    assert values(text, "signal", "lightgbm").learning_rate == 0.025
    assert values(text, "signal", "xgboost").max_depth == 5
    assert values(text, "ret", "xgboost") == values(PARAMETERS, "ret", "xgboost")  # not tuned there: pinned
    assert "seed: 7  # lucky" in text
    again = apply("fruit", "--write")
    assert (again.exit_code, again.stdout) == (0, "")
    assert "holds the best values already" in again.stderr
    assert written(project) == text


def test_only_the_head_and_model_that_were_asked_for(project: Path) -> None:
    assert apply("fruit", "--head", "signal", "--model", "lightgbm", "--write").exit_code == 0
    text = written(project)
    assert values(text, "signal", "lightgbm").num_leaves == 30
    for head, model in (("signal", "xgboost"), ("ret", "lightgbm"), ("ret", "xgboost")):
        assert values(text, head, model) == values(PARAMETERS, head, model)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("pear",), r"conf/base/pear/parameters.yml: is not there"),
        (("fruit", "--head", "nose"), "head 'nose': is not there\n  expected: signal or ret"),
        (("fruit", "--model", "class_prior"), "tuned model 'class_prior': is not there"),
        (("fruit", "--env", "bare"), "fruit.signal.best_params: is not there yet"),
        (("fruit", "--env", "nowhere"), "there is no environment 'nowhere'"),
    ],
)
def test_what_is_not_there_is_a_clear_error(arguments: tuple[str, ...], message: str, project: Path) -> None:
    result = apply(*arguments, "--write")
    assert result.exit_code == 1
    assert message in result.stderr
    assert "Traceback" not in result.output
    assert written(project) == PARAMETERS


@pytest.mark.parametrize(
    ("best", "message"),
    [
        ({"num_leaves": 65}, r"fruit.models.signal.lightgbm.num_leaves: lies outside its own search range"),
        ({"max_bin": 63}, r"max_bin: lies outside(.|\n)*expected: a parameter that is searched"),
    ],
)
def test_a_value_outside_its_range_is_refused(best: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        applied(PARAMETERS, "fruit", {"signal": {"lightgbm": best}})


def test_choices_are_compared_in_whole() -> None:
    choice = PARAMETERS.replace("num_leaves: {low: 8, high: 64}", "num_leaves: {options: [15, 31]}")
    assert "num_leaves: 31  # few" in applied(choice, "fruit", {"signal": {"lightgbm": {"num_leaves": 31}}})
    with pytest.raises(ConfigurationError, match="outside its own search range"):
        applied(choice, "fruit", {"signal": {"lightgbm": {"num_leaves": 30}}})


def test_a_model_that_is_not_configured_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="model of head signal 'ridge': is not there"):
        applied(PARAMETERS, "fruit", {"signal": {"ridge": {"alpha": 1.0}}})


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("num_leaves: 15", "num_leaves: &few 15"),  # an anchor that something else reads would go
        ("    ret:\n", "    more: *lightgbm\n    ret:\n"),  # a head that is one model
        ("num_leaves: 15", "num_leaves: ${globals:leaves}"),  # a value that stands elsewhere
    ],
)
def test_a_layout_that_cannot_be_changed_safely_is_refused(old: str, new: str) -> None:
    text = PARAMETERS.replace(old, new) + ("  few: *few\n" if "&few" in new else "")
    with pytest.raises(ConfigurationError):
        applied(text, "fruit", {"signal": {"lightgbm": {"num_leaves": 30}}})


def test_a_change_that_would_reach_further_is_refused() -> None:
    """The whole block is read outside the models too."""
    text = PARAMETERS + "  copy: *lightgbm\n"
    with pytest.raises(ConfigurationError, match=r"cannot be changed to just the best values(.|\n)*by hand"):
        applied(text, "fruit", {"signal": {"lightgbm": {"num_leaves": 30}}})


def test_a_file_that_is_no_yaml_is_a_clear_error(project: Path) -> None:
    (project / "conf/base/fruit/parameters.yml").write_text("fruit: {models: [}")
    result = apply("fruit")
    assert result.exit_code == 1
    assert "conf/base/fruit/parameters.yml: is no YAML" in result.stderr


def test_an_unknown_workload_in_the_text_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="hold no models that can be read"):
        applied(PARAMETERS, "pear", {})


@pytest.mark.parametrize("workload", ["equity", "crypto"])
def test_every_searched_parameter_of_the_project_can_be_written(workload: str, root: Path) -> None:
    text = (root / "conf" / "base" / workload / "parameters.yml").read_text()
    heads = yaml.safe_load(text)[workload]["models"]
    best: dict[str, dict[str, Any]] = {}
    for head, models in heads.items():
        for model, block in models.items():
            params = ModelParams.model_validate(block).root
            best.setdefault(head, {})[model] = {
                name: json.loads(json.dumps(span.options[-1])) if isinstance(span, Choice) else span.high
                for name, span in params.search.items()
            }
    written_out = applied(text, workload, best)
    assert applied(written_out, workload, best) == written_out
    assert [line for line in text.splitlines() if "#" in line] == [
        line for line in written_out.splitlines() if "#" in line
    ]
