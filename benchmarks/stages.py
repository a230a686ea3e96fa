"""Seconds per stage and peak memory of whole runs, from a fresh project folder, as a Markdown table.

    python benchmarks/stages.py                                        # equity, out of the box
    python benchmarks/stages.py crypto data_dir=DIR bars=FILE ...      # your own files, as `kedro run --params`

Times are one run on the machine at hand: compare the shares, and runs of one session, not numbers of two machines.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from assay.pipeline_registry import STAGES

ROOT = Path(__file__).parents[1]


def fresh_project(folder: Path) -> Path:
    """The project without any data; the package is the installed one."""
    shutil.copytree(ROOT / "conf", folder / "conf")
    for name in ("pyproject.toml", ".telemetry"):
        shutil.copy(ROOT / name, folder / name)
    (folder / "src").mkdir()
    return folder


def run(workload: str, params: list[str], project: Path) -> dict:
    """Run a workload and return the block `run` of its manifest."""
    command = [sys.executable, "-m", "kedro", "run", "--pipelines", workload]
    if params:
        command += ["--env", "files", "--params", ",".join(params)]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run(command, cwd=project, env=environment, check=True, stdout=subprocess.DEVNULL)
    (manifest,) = project.glob(f"data/08_reporting/{workload}/manifest.json/*/manifest.json")
    return json.loads(manifest.read_text())["run"]


def table(workload: str, found: dict) -> str:
    """Seconds per stage, their share, and the totals."""
    seconds = Counter()
    for node, took in found["nodes"].items():
        seconds[node.split(".")[1]] += took
    total = found["seconds"]
    rows = [f"| {stage} | {seconds[stage]:.1f} | {seconds[stage] / total:.0%} |" for stage in STAGES]
    rest = total - sum(seconds.values())
    rows += [f"| loading, checking, writing, receipts | {rest:.1f} | {rest / total:.0%} |"]
    rows += [f"| **whole run** | **{total:.1f}** | peak memory {found['peak_memory_mib']:,} MiB |"]
    return "\n".join([f"| {workload} | seconds | share |", "|---|---|---|", *rows])


if __name__ == "__main__":
    workload, *params = sys.argv[1:] or ["equity"]
    with tempfile.TemporaryDirectory() as folder:
        print(table(workload, run(workload, params, fresh_project(Path(folder)))))
