"""What all tests share: the project, opened once."""

import os
from pathlib import Path

import pytest
from kedro.pipeline import Pipeline

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's folder."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real market data that is not part of the project."""
    folder = Path(os.environ.get("ASSAY_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real market data are not here: {folder} (set ASSAY_SHARED_DATA to their folder)")
    return folder


@pytest.fixture(scope="session")
def pipelines() -> dict[str, Pipeline]:
    """All registered pipelines."""
    from assay.pipeline_registry import register_pipelines

    return register_pipelines()
