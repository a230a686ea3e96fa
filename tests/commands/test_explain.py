"""``assay explain``: whose answer is meant, what is told of it, and the picture."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import click
import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner, Result

from assay.commands.explain import _when, explain
from assay.datasets.files import Bundle, Frame, Json
from assay.market.left_out import bundle_of_none
from assay.market.models import ModelParams
from assay.market.plan import Learning, Plan, choose_features, make_plan
from assay.market.prepared import assemble
from assay.market.recipe import fit_recipe
from assay.market.selection import SelectionRule
from assay.market.splits import SplitRule
from assay.market.walk_forward import validate
from assay.market.workload import Head
from assay.workloads import WORKLOADS

# Kedro reads the fields of a parameter model from the instance.
pytestmark = pytest.mark.filterwarnings("ignore:Accessing the 'model_fields' attribute:DeprecationWarning")

FILES = {
    "conf/logging.yml": "version: 1",
    "conf/base/parameters.yml": "equity: {primary: {head: signal, model: xgboost}}",
    "conf/base/catalog.yml": """
        "{workload}.{head}.plan": {type: assay.datasets.files.Json, filepath: "data/{head}/plan.json"}
        "{workload}.{head}.left_out": {type: assay.datasets.files.Json, filepath: "data/{head}/left_out.json"}
        "{workload}.{head}.model_input": {type: assay.datasets.files.Frame, filepath: "data/{head}/input.parquet"}
        "{workload}.{head}.{model}.fold_models": {type: assay.datasets.files.Bundle, filepath: "data/{model}/folds.zip"}
        "{workload}.{head}.{model}.model": {type: assay.datasets.files.Bundle, filepath: "data/{model}/model.zip"}
        """,
}
START = datetime(2020, 1, 1, 21, tzinfo=UTC)
DAYS = 160
SMALL: dict[str, dict[str, Any]] = {
    "xgboost": {"kind": "xgboost", "n_estimators": 8, "max_depth": 2, "threads": 1},
    "class_prior": {"kind": "class_prior"},
}


def market() -> tuple[pl.DataFrame, pl.DataFrame]:
    """Two entities on whole days; ``signal`` helps, ``patchy`` is unknown on most rows."""
    rng = np.random.default_rng(0)
    rows = 2 * DAYS
    signal, noise = rng.standard_normal((2, rows))
    key = pl.DataFrame(
        {
            "entity": np.repeat(["NASDAQ", "SP500"], DAYS),
            "time": [START + timedelta(days=day) for day in range(DAYS)] * 2,
        },
        schema={"entity": pl.String, "time": pl.Datetime("us", "UTC")},
    )
    patchy = pl.Series(rng.standard_normal(rows)).set(pl.Series(np.arange(rows) % DAYS > DAYS - 20), None)
    features = key.with_columns(pl.Series("signal", signal).cast(pl.Float32), patchy.alias("patchy").cast(pl.Float32))
    outcome = signal + noise
    labels = key.select(
        *key.columns,
        (pl.col("time") + timedelta(days=1)).alias("start"),
        (pl.col("time") + timedelta(days=2)).alias("label_end"),
        pl.Series("forward_return", outcome * 0.01),
        pl.lit(0.01).alias("scale"),
        pl.Series("label", np.where(np.abs(outcome) > 0.6, np.sign(outcome), 0)).cast(pl.Int8),
    )
    return features, labels


@pytest.fixture(scope="module")
def fitted() -> dict[str, Any]:
    """The datasets of the head ``signal`` after a run, by noun."""
    features, labels = market()
    learning = Learning(splits=SplitRule(folds=2), selection=SelectionRule(methods=("univariate",), features=2))
    head = Head("signal", "classification", models=("xgboost",), baselines=("class_prior",))
    manifest = {"horizon": 1, "execution": {"price": "close", "delay": 1}, "absent": None}
    plan = choose_features(features, labels, make_plan(head, labels, manifest, "set-1", learning))
    recipes = {name: plan.recipe(ModelParams.model_validate(params), {}) for name, params in SMALL.items()}
    done = {name: validate(features, labels, plan.folds(), plan=recipe) for name, recipe in recipes.items()}
    final = {
        name: fit_recipe(features, labels, recipe, selection=plan.selection("all")) for name, recipe in recipes.items()
    }
    return {
        "plan": plan,
        "model_input": assemble(features, labels),
        "folds": {name: files for name, (_, files) in done.items()},
        "model": {name: recipe.dump() for name, recipe in final.items()},
        "predictions": done["xgboost"][0],
        "final": final["xgboost"].predict(features),
    }


@pytest.fixture
def project(stand_in: Callable[[Mapping[str, str]], Path], fitted: dict[str, Any]) -> Path:
    """A project with the outputs of a run."""
    folder = stand_in(FILES)
    fill(folder / "data", fitted)
    return folder


def fill(data: Path, fitted: dict[str, Any]) -> None:
    contenders = next(head for head in WORKLOADS[0].heads if head.name == "signal").contenders
    left_out = {name: "left out by the profile quick" for name in contenders if name not in SMALL}
    Json(filepath=str(data / "signal" / "left_out.json")).save(left_out)
    Json(filepath=str(data / "signal" / "plan.json")).save(fitted["plan"].model_dump(mode="json"))
    Frame(filepath=str(data / "signal" / "input.parquet")).save(fitted["model_input"])
    for name in SMALL:
        Bundle(filepath=str(data / name / "folds.zip")).save(fitted["folds"][name])
        Bundle(filepath=str(data / name / "model.zip")).save(fitted["model"][name])
    Bundle(filepath=str(data / "mlp" / "folds.zip")).save(bundle_of_none("left out"))


def asked(*words: str) -> Result:
    return CliRunner().invoke(explain, words)


def row_tested(fitted: dict[str, Any], place: int) -> dict[str, Any]:
    return dict(fitted["predictions"].filter(entity="SP500").row(place, named=True))


def log_odds(text: str) -> dict[str, float]:
    """The told numbers by label."""
    lines = [line.replace("\u2212", "-").split(maxsplit=1) for line in text.splitlines()]
    numbers = {}
    for line in lines:
        try:
            numbers[line[1].split(" ")[0]] = float(line[0])
        except (ValueError, IndexError):
            continue
    return numbers


@pytest.mark.usefixtures("project")
def test_a_row_of_a_test_fold_is_explained_by_the_model_of_that_fold(fitted: dict[str, Any]) -> None:
    row = row_tested(fitted, -3)
    done = asked("equity", "signal", "SP500", f"{row['time']:%Y-%m-%d}")
    assert done.exit_code == 0, done.output
    assert f"equity.signal, xgboost: SP500 at {row['time']:%Y-%m-%d} 21:00 UTC\n" in done.output
    assert f"out of sample: fold {row['fold']} tests this row, and its model had not seen it\n" in done.output
    told = log_odds(done.output)
    assert told["answer"] == pytest.approx(np.log(row["p_long"] / row["p_short"]), abs=1e-4)
    assert told["expected"] + told["signal"] + told["patchy"] == pytest.approx(told["answer"], abs=2e-4)
    assert f"LONG {100 * row['p_long']:.1f}\u202f%" in done.output
    assert "patchy = not known" in done.output


def test_the_picture_lands_in_the_current_folder(project: Path, fitted: dict[str, Any]) -> None:
    time = row_tested(fitted, 0)["time"]
    done = asked("equity", "signal", "SP500", f"{time:%Y-%m-%dT%H:%M}")
    name = f"equity.signal_xgboost_SP500_{time:%Y-%m-%d}T2100.svg"
    assert done.output.endswith(f"picture: {name}\n")
    assert (project / name).read_bytes().lstrip().startswith(b"<?xml")


def test_the_picture_is_of_the_kind_that_its_name_says(project: Path, fitted: dict[str, Any]) -> None:
    time = f"{row_tested(fitted, 0)['time']:%Y-%m-%d}"
    assert asked("equity", "signal", "SP500", time, "--out", "plots/why.png").exit_code == 0
    assert (project / "plots" / "why.png").read_bytes().startswith(b"\x89PNG")
    refused = asked("equity", "signal", "SP500", time, "--out", "why.pdf")
    assert refused.exit_code == 2
    assert "'why.pdf' must end with .svg or .png" in refused.output


def test_a_picture_that_cannot_be_written_is_named(project: Path, fitted: dict[str, Any]) -> None:
    time = row_tested(fitted, 0)["time"].isoformat()
    (project / "taken").write_text("a file")
    refused = asked("equity", "signal", "SP500", time, "--out", "taken/why.png")
    assert refused.exit_code == 1
    assert "taken/why.png: cannot be written (" in refused.output
    assert isinstance(refused.exception, SystemExit)


@pytest.mark.usefixtures("project")
def test_a_row_outside_the_test_folds_is_explained_by_the_final_model_and_says_so(fitted: dict[str, Any]) -> None:
    done = asked("equity", "signal", "NASDAQ", f"{START:%Y-%m-%d}")
    assert "NOT out of sample: no fold tests this row" in done.output
    short, _, long = fitted["final"][0]
    assert log_odds(done.output)["answer"] == pytest.approx(np.log(long / short), abs=1e-4)


@pytest.mark.usefixtures("project")
def test_the_other_features_are_told_together(fitted: dict[str, Any]) -> None:
    time = f"{row_tested(fitted, -3)['time']:%Y-%m-%d}"
    every, few = (log_odds(asked("equity", "signal", "SP500", time, "--top", top).output) for top in ("12", "1"))
    largest = max(("signal", "patchy"), key=lambda name: abs(every[name]))
    (other,) = {"signal", "patchy"} - {largest}
    assert few[largest] == every[largest]
    assert few["1"] == every[other]  # 1 other feature
    assert other not in few


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("equty signal SP500 2020-01-05", "no workload 'equty', did you mean 'equity'? there are: equity, crypto"),
        ("equity signals SP500 2020-01-05", "no head of equity 'signals', did you mean 'signal'? there are: signal"),
        ("equity signal SP50 2020-01-05", "did you mean SP500?"),
        ("equity signal SP500 2030-01-05", "nearest rows: 2020-06-06 21:00, 2020-06-07 21:00, 2020-06-08 21:00"),
        ("equity signal SP500 2020-01-05T07:00", "SP500 at 2020-01-05 07:00: is no row of the prepared dataset"),
        (
            "equity signal SP500 2020-01-05 --model mlp",
            "left out by the profile quick\n  there are: xgboost",
        ),
        ("equity signal SP500 2020-01-05 --model xgbost", "did you mean 'xgboost'?"),
        ("equity signal SP500 2020-01-05 --model class_prior", "class_prior reads no features"),
    ],
)
def test_what_is_not_there_is_answered_with_what_is(words: str, said: str) -> None:
    done = asked(*words.split())
    assert done.exit_code == 1
    assert said in done.output
    assert "Traceback" not in done.output


def test_before_any_run_the_missing_file_is_named(project: Path) -> None:
    (project / "data" / "signal" / "left_out.json").unlink()
    done = asked("equity", "signal", "SP500", "2020-01-05")
    assert done.exit_code == 1
    assert "left_out.json: does not exist" in done.output


def test_where_an_ensemble_decides_the_first_model_is_explained(project: Path, fitted: dict[str, Any]) -> None:
    (project / "conf" / "base" / "parameters.yml").write_text("equity: {primary: {head: signal, model: stacking}}")
    done = asked("equity", "signal", "SP500", f"{row_tested(fitted, 0)['time']:%Y-%m-%d}")
    assert "equity.signal, xgboost: SP500" in done.output


def test_the_model_of_the_declared_claim_is_explained_unless_another_is_named(project: Path) -> None:
    """The baseline, which cannot be explained, is asked because the claim names it."""
    words = ("equity", "signal", "SP500", "2020-01-05")
    (project / "conf" / "base" / "parameters.yml").write_text("equity: {primary: {head: signal, model: class_prior}}")
    assert "class_prior reads no features" in asked(*words).output
    assert "equity.signal, xgboost: SP500" in asked(*words, "--model", "xgboost").output


def test_a_plan_of_other_rows_is_refused(project: Path, fitted: dict[str, Any]) -> None:
    plan = fitted["plan"].model_dump(mode="json") | {"rows": "0" * 64}
    (project / "data" / "signal" / "plan.json").write_text(json.dumps(plan))
    done = asked("equity", "signal", "SP500", "2020-01-05")
    assert done.exit_code == 1
    assert "is not the one that its plan was made for" in done.output


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2014-03-05", date(2014, 3, 5)),
        ("2014-03-05T21:00", datetime(2014, 3, 5, 21, tzinfo=UTC)),
        ("2014-03-05 21:00", datetime(2014, 3, 5, 21, tzinfo=UTC)),
        ("2014-03-05T21:00+02:00", datetime(2014, 3, 5, 21, tzinfo=timezone(timedelta(hours=2))).astimezone(UTC)),
        ("2014-03-05T21:00Z", datetime(2014, 3, 5, 21, tzinfo=UTC)),
    ],
)
def test_a_time_without_a_zone_is_utc(text: str, meant: date) -> None:
    read = _when(click.Context(explain), click.Argument(["time"]), text)
    assert (type(read), read) == (type(meant), meant)


def test_what_is_no_time_is_refused() -> None:
    done = asked("equity", "signal", "SP500", "5.3.2014")
    assert done.exit_code == 2
    assert "'5.3.2014' is no time in ISO form, such as 2014-03-05 or 2014-03-05T21:00" in done.output


def test_the_plan_of_the_fixture_is_whole(fitted: dict[str, Any]) -> None:
    assert isinstance(fitted["plan"], Plan)
    assert fitted["predictions"]["fold"].unique().to_list() == [1, 2]
