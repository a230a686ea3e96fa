"""What all tests share: the project, opened once."""

import logging
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from textwrap import dedent

import pytest
from kedro.pipeline import Pipeline

ROOT = Path(__file__).parents[1]
PACKAGE = "stall"
LONGEST = ("test_whole_run.py", "test_null_check.py", "test_kills.py", "test_page.py")
SMALLEST = {
    "pyproject.toml": f"""
        [tool.kedro]
        package_name = "{PACKAGE}"
        project_name = "Stall"
        kedro_init_version = "1.7.0"
        """,
    f"src/{PACKAGE}/__init__.py": "",
    f"src/{PACKAGE}/settings.py": "from assay.settings import CONFIG_LOADER_ARGS, DISABLE_HOOKS_FOR_PLUGINS, HOOKS",
    f"src/{PACKAGE}/pipeline_registry.py": """
        from kedro.pipeline import Pipeline

        def register_pipelines():
            return {"__default__": Pipeline([])}
        """,
}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first: run side by side, none of them is left alone at the end."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


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


@pytest.fixture
def stand_in(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[Mapping[str, str]], Path]]:
    """Writes a project of these files and opens it like a user's; the process forgets it afterwards."""

    def write(files: Mapping[str, str]) -> Path:
        for name, text in {**SMALLEST, **files}.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(dedent(text))
        return tmp_path

    (tmp_path / "conf").mkdir()
    shutil.copy(root / "conf" / "logging.yml", tmp_path / "conf")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", "")
    monkeypatch.setenv("KEDRO_LOGGING_CONFIG", str(tmp_path / "conf" / "logging.yml"))
    monkeypatch.setattr(sys, "path", [*sys.path])
    handlers = logging.getLogger().handlers[:]
    yield write
    logging.getLogger().handlers[:] = handlers
    for module in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[module]
