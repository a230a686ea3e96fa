"""What `make clean` must never delete."""

import shutil
import subprocess
from pathlib import Path

import pytest

KEPT = (
    "data/01_raw/crypto/bars.csv",
    "data/01_raw/.gitkeep",
    "data/06_models/equity/signal/inner_trials.jsonl",
    "data/06_models/equity/signal/head.inner_trials.jsonl",
    "data/07_model_output/.gitkeep",
    "conf/base/catalog.yml",
)
DELETED = (
    "data/02_intermediate/equity/bars.parquet/v/bars.parquet",
    "data/08_reporting/equity/report.html/v/report.html",
    "data/06_models/equity/studies.log",
    ".venv/.core",
    "build/lineage/index.html",
    "src/assay/__pycache__/x.pyc",
)


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_clean_keeps_your_files_and_the_trial_ledgers(root: Path, tmp_path: Path) -> None:
    shutil.copy(root / "Makefile", tmp_path / "Makefile")
    for name in (*KEPT, *DELETED):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    subprocess.run(["make", "clean"], cwd=tmp_path, check=True, capture_output=True)
    assert [name for name in KEPT if not (tmp_path / name).exists()] == []
    assert [name for name in DELETED if (tmp_path / name).exists()] == []
