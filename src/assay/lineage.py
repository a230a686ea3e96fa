"""The lineage as a static site that can be published: no absolute path of the machine that built it."""

import shutil
import subprocess
import sys
from pathlib import Path

from assay.market.errors import ConfigurationError


def build_lineage(project: Path, target: Path) -> int:
    """Build the Kedro-Viz site of a project.

    Args:
        project: Folder that holds ``pyproject.toml``.
        target: Folder the site is written to; what it held before is replaced.

    Returns:
        Number of files that named the project's folder and were rewritten to relative paths.

    Raises:
        ConfigurationError: ``kedro viz build`` failed; the message ends with its own words.
    """
    built = project / "build"
    _build(project)
    site = [path for path in built.iterdir() if path != target]
    target.mkdir(parents=True, exist_ok=True)
    for path in site:
        destination = target / path.name
        _remove(destination)
        path.rename(destination)
    return sum(_make_relative(path, project) for path in target.rglob("*") if path.is_file())


def _build(project: Path) -> None:
    """Quietly: Kedro-Viz warns of every dataset that has not been made yet."""
    command = [sys.executable, "-m", "kedro", "viz", "build", "--include-previews"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode or not (project / "build" / "index.html").is_file():
        raise ConfigurationError("lineage", "kedro viz build failed", found=(done.stdout + done.stderr)[-1500:])


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _make_relative(path: Path, project: Path) -> bool:
    content = path.read_bytes()
    relative = content.replace(f"{project}/".encode(), b"").replace(str(project).encode(), b".")
    path.write_bytes(relative)
    return relative != content
