"""A small market with four stages, run by Kedro's own runner with the real hooks."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from kedro.framework.hooks import hook_impl
from kedro.framework.hooks.manager import _create_hook_manager, _register_hooks
from kedro.io import AbstractDataset, DataCatalog
from kedro.pipeline import Pipeline, node
from kedro.runner import SequentialRunner
from pydantic import BaseModel

from assay.datasets.files import Frame, Html, Json
from assay.datasets.ledger import TrialLedger
from assay.datasets.manifest import RunManifest
from assay.datasets.study import Study
from assay.hooks.display import Display
from assay.hooks.evidence import Code, Fingerprints
from assay.hooks.manifest import Manifests
from assay.hooks.receipts import Receipts

SOURCES = [
    "market/labels.py",
    "pipelines/__init__.py",
    "pipelines/tuning/nodes.py",
    "pipelines/tuning/README.md",
    "pipelines/reporting/nodes.py",
    "workloads/equity/feeds.py",
    "workloads/crypto/feeds.py",
    "report/page.html.j2",
    "hooks/display.py",
    "cli.py",
]


class Prices(AbstractDataset[pl.DataFrame, None]):
    """A user's file, read with a mapping of columns."""

    def __init__(self, *, filepath: str, columns: dict[str, str]) -> None:
        self._path, self._columns = Path(filepath), columns

    def load(self) -> pl.DataFrame:
        return pl.DataFrame(json.loads(self._path.read_text())).rename(self._columns)

    def save(self, data: None) -> None:
        raise NotImplementedError

    def fingerprint(self) -> str:
        return self._path.read_text()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._path)}


class TuningRule(BaseModel):
    depth: int
    trials: int = 2


def clean(raw: pl.DataFrame) -> pl.DataFrame:
    return raw.sort("time")


def engineer(bars: pl.DataFrame, rule: dict[str, int]) -> tuple[pl.DataFrame, dict[str, str]]:
    catalogue = {"feature_set_id": f"window {rule['window']}"}
    return bars.select("time", x=pl.col("close") * rule["window"]), catalogue


def search(features: pl.DataFrame, study: object, rule: TuningRule) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    assert study is not None
    total = features["x"].sum() * rule.depth
    records = [{"id": f"{total}-{n}", "scope": "inner"} for n in range(rule.trials)]
    return records, {"depth": rule.depth, "score": total}


def write(best: dict[str, Any], trials: list[dict[str, Any]], manifest: dict[str, Any]) -> tuple[dict[str, Any], str]:
    verdict = {"level": "no evidence", "headline": f"depth {best['depth']} of {len(trials)} trials"}
    return {"verdict": verdict, "seen": manifest}, f"<p>{verdict['headline']}</p>"


PIPELINE = Pipeline(
    [
        node(clean, "equity.raw", "equity.bars", name="clean", namespace="equity.ingestion"),
        node(
            engineer,
            ["equity.bars", "params:equity.features"],
            ["equity.features", "equity.feature_catalogue"],
            name="engineer",
            namespace="equity.feature_engineering",
        ),
        node(
            search,
            ["equity.features", "equity.study", "params:equity.tuning"],
            ["equity.trials", "equity.best"],
            name="search",
            namespace="equity.tuning",
        ),
        node(
            write,
            ["equity.best", "equity.trials", "equity.manifest"],
            ["equity.summary", "equity.report"],
            name="write",
            namespace="equity.reporting",
        ),
    ]
)
ALL = ["clean", "engineer", "search", "write"]


class Recorder:
    """Notes the nodes that ran, and can stop the run when a dataset is about to be saved."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.before_save: Any = str

    @hook_impl
    def before_dataset_saved(self, dataset_name: str) -> None:
        self.before_save(dataset_name)

    @hook_impl
    def after_node_run(self, node: Any) -> None:
        self.ran.append(node.name.rpartition(".")[2])


class Market:
    """The project: source files, parameters, data, and a way to run it like a session does."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.package, self.data = folder, folder / "src" / "package", folder / "data"
        self.parameters: dict[str, Any] = {
            "equity": {
                "features": {"window": 3},
                "tuning": {"depth": 2},
                "learning": {"seed": 7},
                "primary": {"head": "signal"},
            }
        }
        self.columns = {"t": "time"}
        self.runs = 0
        self.recorder = Recorder()
        self.pipeline = PIPELINE
        self.extra: dict[str, Any] = {}
        for source in SOURCES:
            self.write(self.package / source, f"# {source}")
        self.write(self.data / "prices.json", json.dumps({"t": [2, 1], "close": [3.5, 2.5]}))
        fingerprints = Fingerprints()
        self.hooks = (Display(), Manifests(fingerprints), Receipts(fingerprints, Code(self.package)))

    def write(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def path(self, name: str) -> Path:
        """Newest version of an output of the market."""
        return self.catalog("none")[f"equity.{name}"].located()

    def versions(self, name: str) -> int:
        return len(self.catalog("none")[f"equity.{name}"].list_versions())

    def catalog(self, run: str) -> DataCatalog:
        def versioned(kind: type, name: str) -> dict[str, Any]:
            return {"type": kind, "filepath": str(self.data / name), "versioned": True}

        config = {
            "equity.raw": {"type": Prices, "filepath": str(self.data / "prices.json"), "columns": self.columns},
            "equity.study": {"type": Study, "filepath": str(self.data / "study.log")},
            "equity.trials": {"type": TrialLedger, "filepath": str(self.data / "trials.jsonl")},
            "equity.bars": versioned(Frame, "bars.parquet"),
            "equity.features": versioned(Frame, "features.parquet"),
            "equity.feature_catalogue": versioned(Json, "feature_catalogue.json"),
            "equity.best": versioned(Json, "best.json"),
            "equity.manifest": versioned(RunManifest, "manifest.json"),
            "equity.summary": versioned(Json, "summary.json"),
            "equity.report": versioned(Html, "report.html"),
        }
        catalog = DataCatalog.from_config(config, save_version=run)
        block = self.parameters["equity"]
        catalog["params:equity.features"] = block["features"]
        catalog["params:equity.tuning"] = TuningRule(**block["tuning"])
        for name, dataset in self.extra.items():
            catalog[name] = dataset
        return catalog

    def run(self, *, resume: bool = False) -> list[str]:
        """Run like a session does; the names of the nodes that ran."""
        self.runs += 1
        run, self.recorder.ran = f"{self.runs:04}", []
        catalog, manager = self.catalog(run), _create_hook_manager()
        _register_hooks(manager, (self.recorder, *self.hooks))
        about = {"run_id": run, "project_path": str(self.folder), "env": "base", "only_missing_outputs": resume}
        given = {"run_params": about, "pipeline": self.pipeline, "catalog": catalog}
        manager.hook.after_context_created(context=SimpleNamespace(config_loader={"parameters": self.parameters}))
        manager.hook.before_pipeline_run(**given)
        try:
            runner = SequentialRunner()
            result = runner.run(self.pipeline, catalog, manager, run_id=run, only_missing_outputs=resume)
        except Exception as error:
            manager.hook.on_pipeline_error(error=error, **given)
            raise
        manager.hook.after_pipeline_run(run_result=result, **given)
        return self.recorder.ran

    def resume(self) -> list[str]:
        return self.run(resume=True)


@pytest.fixture
def market(tmp_path: Path) -> Market:
    return Market(tmp_path)


@pytest.fixture
def done(market: Market) -> Market:
    """The market after a whole run."""
    assert market.run() == ALL
    return market
