"""The stage ``null_check``: what it calibrates is what runs; runs that are done are kept, failed ones are told."""

import json
import shutil
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Pipeline, node
from kedro.runner import SequentialRunner
from kedro.validation.exceptions import ParameterValidationError

from assay.datasets.null_runs import Runs
from assay.market.errors import ConfigurationError
from assay.market.evaluation import EvaluationRule
from assay.market.null_check import NullCheckRule, Task, WorkloadCheck, rules_digest
from assay.market.simulator import MarketRule
from assay.market.splits import SplitRule
from assay.market.trading import BacktestRule
from assay.market.verdict import VerdictRule
from assay.pipeline_registry import ASIDE, STAGES
from assay.pipelines.null_check import nodes, repeat
from assay.pipelines.null_check.machine import Record, Setup, between, judged, run_once, typed
from assay.workloads import WORKLOADS
from assay.workloads.crypto.workload import CRYPTO

Document = dict[str, Any]

SIZE = {"symbols": 3, "bars": 500, "seed": 5, "ic": 0.0}
SMALL: Document = {
    "features": {"families": ["trend", "momentum", "derivatives"]},
    "leak_audit": {
        **{"cuts": 1, "perturbations": 1, "event_cuts": 1, "random_cuts": 0, "passes": 1, "shifts": 100},
        "allow_leaks": True,  # so small an audit misses its canaries
    },
    "learning": {
        "profile": "check",
        "profiles": {
            "check": {
                "leave_out": ["xgboost", "catboost", "hist_gradient_boosting", "random_forest", "mlp", "lstm"],
                "tuning": {"trials": 1, "inner_folds": 1},
            }
        },
        "splits": {"folds": 3},
        "selection": {"methods": ["univariate"], "features": 8},
    },
    "models": {"signal": {"lightgbm": {"n_estimators": 10}}, "forward_return": {"lightgbm": {"n_estimators": 10}}},
    "evaluation": {"replications": 100},
    "verdict": {"universe": "fixed"},
}
RULE = NullCheckRule(
    runs=1,
    workloads={
        "crypto": WorkloadCheck(tables="perpetuals", market=MarketRule(symbols=3, bars=500), newest=400),
        "equity": WorkloadCheck(tables="indices"),
    },
)


@pytest.fixture(scope="module")
def ordinary(root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Document, Setup]:
    """What a run of Kedro from files to files says of a market, and what it leaves for the null check."""
    project = tmp_path_factory.mktemp("project")
    for name in ("conf", "pyproject.toml", ".telemetry"):
        (shutil.copytree if (root / name).is_dir() else shutil.copy)(root / name, project / name)
    (project / "src").mkdir()
    bootstrap_project(project)
    given = {f"mock_{name}": value for name, value in SIZE.items()} | {"crypto": SMALL}
    with KedroSession.create(project, env="base", runtime_params=given) as session:
        session.run(pipeline_names=["crypto"], to_outputs=["crypto.verdict"])
        context = session.load_context()
        own = ("bars", "panel", "features", "feature_catalogue", "audit", *CRYPTO.feeds)
        tables = {name: context.catalog.load(f"crypto.{name}") for name in own}
        setup = repeat.setup_of(CRYPTO, rule=RULE, block=context.params["crypto"], own=tables)
    newest = max(project.glob("data/08_reporting/crypto/verdict.json/*/verdict.json"))
    return json.loads(newest.read_text()), setup


def test_a_run_in_memory_says_what_the_ordinary_pipeline_says(ordinary: tuple[Document, Setup]) -> None:
    verdict, setup = ordinary
    task = Task(0, "together", SIZE["seed"])
    found, metrics, primary = judged(setup, setup.tables(task), setup.settings(task))
    assert json.loads(json.dumps(found)) == verdict
    assert (primary.model, metrics["kind"]) == ("lightgbm", "classification")


def test_a_run_in_another_process_is_the_same_and_is_kept(ordinary: tuple[Document, Setup], tmp_path: Path) -> None:
    setup, runs = ordinary[1], Runs(tmp_path / "runs.jsonl")
    (record,) = repeat.repeat(setup, runs)
    here = run_once(setup, Task(record["number"], "shift", record["seed"]))
    assert record | {"seconds": 0} == here | {"seconds": 0}
    assert record["kind"] == "shift"
    assert 0 < record["rows"] < 3 * 200
    assert {"Direction"} <= record["rules"].keys()
    assert runs.of(repeat.key_of(setup)) == [record]


def test_a_shifted_run_starts_from_the_newest_of_its_own_tables(ordinary: tuple[Document, Setup]) -> None:
    setup = ordinary[1]
    tables, other = (setup.tables(Task(0, "shift", seed)) for seed in (1, 2))
    assert tables["bars"]["time"].n_unique() == 400
    assert tables["bars"].equals(other["bars"])
    assert not tables["features"].equals(other["features"])
    assert set(tables) == {"bars", "panel", "features", "feature_catalogue", "audit", "funding", "open_interest"}


@pytest.fixture
def setup() -> Setup:
    """A setup whose runs are not run."""
    times = pl.DataFrame({"entity": ["A"], "time": [0]}).with_columns(pl.col("time").cast(pl.Datetime("us", "UTC")))
    costs = {"costs": {"fee_bp": 1.0, "half_spread_bp": 1.0}}
    block = {"verdict": {}, "evaluation": {}, "backtest": costs, "learning": {"splits": SplitRule(folds=4)}}
    own = {"panel": times, "features": times}
    return repeat.setup_of(CRYPTO, rule=RULE.model_copy(update={"runs": 4}), block=block, own=own)


class Results:
    """Stands in for the processes: every run says "weak", those of some kinds fail."""

    def __init__(self, *failing: str) -> None:
        self.failing, self.ran = failing, list[Task]()

    def __call__(self, _setup: Setup, tasks: Sequence[Task]) -> Generator[Record]:
        for task in tasks:
            self.ran.append(task)
            record = {"kind": task.name, "number": task.number, "seed": task.seed}
            failed = {"failed": "DataError: no"} if task.kind in self.failing else {"level": "weak"}
            yield record | {"rules": {}, "ic": {"value": 0.1}, "rows": 9, "seconds": 1.0} | failed


def test_runs_that_were_done_are_not_done_again(setup: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs, results = Runs(tmp_path / "runs.jsonl"), Results("season")
    monkeypatch.setattr(repeat, "_results", results)
    first = repeat.repeat(setup, runs)
    assert [record["kind"] for record in first] == ["shift", "clustering", "season", "correlation"]
    results.failing, results.ran = (), []
    more = replace(setup, rule=setup.rule.model_copy(update={"runs": 6, "processes": 2}))
    again = repeat.repeat(more, runs)
    assert [task.kind for task in results.ran] == ["season", "overlap", "together"]  # a failed run is tried again
    assert [record["level"] for record in again] == ["weak"] * 6


def test_runs_before_a_kill_are_kept(setup: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(_setup: Setup, tasks: Sequence[Task]) -> Generator[Record]:
        yield from Results()(_setup, tasks[:2])
        raise KeyboardInterrupt

    runs = Runs(tmp_path / "runs.jsonl")
    monkeypatch.setattr(repeat, "_results", dies)
    with pytest.raises(KeyboardInterrupt):
        repeat.repeat(setup, runs)
    assert [record["kind"] for record in runs.of(repeat.key_of(setup))] == ["shift", "clustering"]


def test_a_failed_run_is_told_and_does_not_stop_the_others(
    setup: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(repeat, "_results", Results("season"))
    found = nodes.check(setup.rule, dict(setup.block), Runs(tmp_path / "r"), workload=CRYPTO, **setup.own)
    assert (found["runs"], found["kinds"].keys()) == (3, {"shift", "clustering", "correlation"})
    (failed,) = found["failed"]
    assert (failed["kind"], failed["failed"]) == ("season", "DataError: no")
    assert f"seed {failed['seed']}, failed: DataError: no" in caplog.text


def test_all_runs_failing_is_an_error(setup: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeat, "_results", Results("shift", "clustering", "season", "correlation"))
    with pytest.raises(ConfigurationError, match=r"all 4 runs failed(.|\n)*DataError: no"):
        repeat.repeat(setup, Runs(tmp_path / "runs.jsonl"))


def test_the_document_names_the_rules_and_how_the_runs_differ(
    setup: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repeat, "_results", Results())
    found = nodes.check(setup.rule, dict(setup.block), Runs(tmp_path / "r"), workload=CRYPTO, **setup.own)
    backtest = BacktestRule.model_validate(setup.block["backtest"])
    assert found["rules"] == rules_digest(VerdictRule(), EvaluationRule(), backtest)
    profile = found["profile"]
    assert (profile["universe"], profile["seed"], profile["planted"]) == ("fixed", 7, None)
    assert profile["market"]["bars"] == 500
    json.dumps(found, allow_nan=False)


def keys(setup: Setup) -> Iterator[str]:
    """Keys of setups that are not the same."""
    rule, check = setup.rule, setup.check
    yield repeat.key_of(setup)
    yield repeat.key_of(replace(setup, rule=rule.model_copy(update={"seed": 8})))
    yield repeat.key_of(replace(setup, block={**setup.block, "verdict": {"max_plausible_ic": 0.2}}))
    yield repeat.key_of(replace(setup, own={**setup.own, "features": setup.own["features"].head(0)}))
    other = {"crypto": check.model_copy(update={"newest": 200})}
    yield repeat.key_of(replace(setup, rule=rule.model_copy(update={"workloads": other})))
    planted = rule.planted.model_copy(update={"bars": 100})
    yield repeat.key_of(replace(setup, rule=rule.model_copy(update={"planted": planted})))


def test_a_run_of_other_making_is_never_taken_for_one_that_was_done(setup: Setup) -> None:
    assert len({*keys(setup)}) == len([*keys(setup)]) == 6
    more = setup.rule.planted.model_copy(update={"runs": 9, "ic": (0.3,)})
    same = setup.rule.model_copy(update={"runs": 99, "processes": 2, "level": 0.1, "planted": more})
    assert repeat.key_of(replace(setup, rule=same)) == repeat.key_of(setup)


def test_a_workload_that_is_not_named_is_refused() -> None:
    rule = RULE.model_copy(update={"workloads": {"equity": RULE.workloads["equity"]}})
    with pytest.raises(ConfigurationError, match="says nothing about 'crypto'"):
        repeat.setup_of(CRYPTO, rule=rule, block={}, own={})


def test_parameters_are_plain_again_with_their_defaults(setup: Setup) -> None:
    assert setup.block["learning"]["splits"] == SplitRule(folds=4).model_dump()


def rename(table: int) -> int:
    return table + 1


def score(table: int, params: SplitRule) -> int:
    return table * params.folds


STEPS = Pipeline(
    [
        node(rename, "raw", "a", name="first"),
        node(rename, "a", "b", name="second"),
        node(score, ["b", "params:toy.splits"], "c", name="third"),
        node(rename, "b", "aside", name="aside"),
    ]
)


def test_only_the_way_from_what_is_given_to_what_is_wanted_is_run() -> None:
    def names(*given: str) -> set[str]:
        return {each.name for each in between(STEPS, given, "c").nodes}

    assert names("raw") == {"first", "second", "third"}
    assert names("a") == {"second", "third"}
    assert names("b", "raw") == {"third"}
    assert between(STEPS, ["a"], "c").inputs() == {"a", "params:toy.splits"}


def test_parameters_come_as_the_nodes_ask_for_them() -> None:
    path = between(STEPS, ["a"], "c")
    known = typed(path, {"toy": {"splits": {"folds": 3}}})
    assert known == {"params:toy.splits": SplitRule(folds=3)}
    catalog = DataCatalog({name: MemoryDataset(value) for name, value in {**known, "a": 4}.items()})
    assert SequentialRunner().run(path, catalog)["c"].load() == 15
    with pytest.raises(ParameterValidationError, match=r"toy\.splits(.|\n)*fold"):
        typed(path, {"toy": {"splits": {"fold": 3}}})


def test_the_stage_is_called_by_name_and_is_no_part_of_a_run(pipelines: dict[str, Pipeline]) -> None:
    assert ASIDE == ("null_check",)
    found = pipelines["null_check"]
    assert {each.name for each in found.nodes} == {f"{w.name}.null_check.check" for w in WORKLOADS if w.out_of_the_box}
    assert found.all_outputs() == {f"{w.name}.null_calibration" for w in WORKLOADS if w.out_of_the_box}
    assert {"params:null_check", "params:crypto", "crypto.null_runs", "crypto.funding"} <= found.inputs()
    for name in ("__default__", *STAGES, *(w.name for w in WORKLOADS)):
        assert not found.all_outputs() & pipelines[name].all_outputs()
