"""What the tests of all workloads share: their own configuration, and a run of their ingestion in memory."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from kedro.config import OmegaConfigLoader
from kedro.framework.hooks.manager import _NullPluginManager
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner

from assay.market.workload import Workload

Document = dict[str, Any]
Ingest = Callable[..., DataCatalog]


class Kept(MemoryDataset):
    """Stays in memory when a runner has no further use for it."""

    def _release(self) -> None:
        pass


@pytest.fixture(scope="session")
def configured(root: Path) -> Callable[[str], Document]:
    """Parameters of a workload, as they are shipped."""
    return lambda name: yaml.safe_load((root / "conf" / "base" / name / "parameters.yml").read_text())[name]


@pytest.fixture(scope="session")
def sources(root: Path) -> Callable[..., DataCatalog]:
    """The catalog of an environment."""

    def build(env: str, **params: str) -> DataCatalog:
        loader = OmegaConfigLoader(
            str(root / "conf"), base_env="base", default_run_env="base", env=env, runtime_params=params
        )
        return DataCatalog.from_config({n: e for n, e in loader["catalog"].items() if n.endswith("_raw")})

    return build


@pytest.fixture(scope="session")
def ingest() -> Ingest:
    """Runs a workload's ingestion; the catalog that comes back holds every table."""

    def run(workload: Workload, raw: Document, params: Document) -> DataCatalog:
        pipeline: Any = workload.ingestion()
        given = raw | {f"params:{name}": value for name, value in params.items()}
        everything = {name: Kept(copy_mode="assign") for name in pipeline.datasets()}
        catalog = DataCatalog(everything)
        for name, value in given.items():
            catalog.save(name, value)
        SequentialRunner().run(pipeline, catalog, hook_manager=_NullPluginManager())
        return catalog

    return run
