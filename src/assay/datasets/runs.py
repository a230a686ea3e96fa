"""What earlier runs of a workload left: which runs there were, what they found, and what of it may be deleted.

Every version of an output is called after the run that wrote it. A resumed run writes only what was not fresh and goes
on with older versions of the rest, so what a run *sees* of an output is its newest version that is not younger than the
run.
"""

import os
import platform
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from kedro.io import DataCatalog

from assay.datasets.files import AtomicFile
from assay.market.errors import ConfigurationError

Status = Literal["running", "complete", "failed", "killed"]
PREFIX = 4  # fewest characters of a run's id that may stand for it


def this_process() -> dict[str, Any]:
    """Where this process runs, so that another can ask whether it still does: ``host`` and ``pid``."""
    return {"host": platform.node(), "pid": os.getpid()}


@dataclass(frozen=True)
class Run:
    """One run of a workload.

    Attributes:
        workload: Its name.
        manifest: What the run wrote about itself: ``facts`` and ``run``.
    """

    workload: str
    manifest: Mapping[str, Any]

    @property
    def id(self) -> str:
        """When it was started, in UTC: the name of every version it wrote."""
        return str(self.manifest["run"]["id"])

    @property
    def part(self) -> str:
        """What of the project it was asked to run: names of pipelines or namespaces; empty for the whole."""
        asked = self.manifest["run"].get("asked") or {}
        return ", ".join((asked.get("pipeline_names") or []) + (asked.get("namespaces") or []))

    @property
    def status(self) -> Status:
        """How it ended; ``killed`` if it says that it runs and its process is gone."""
        said: Status = self.manifest["run"]["status"]
        return said if said != "running" or _alive(self.manifest["run"].get("process")) else "killed"


def _is_manifest(found: object) -> bool:
    """Whether a file is a manifest as runs write it; another has been damaged."""
    about = found.get("run") if isinstance(found, Mapping) else None
    if not isinstance(found, Mapping) or not isinstance(about, Mapping) or not isinstance(found.get("facts"), Mapping):
        return False
    process = about.get("process")
    whole = process is None or (isinstance(process, Mapping) and {"host", "pid"} <= process.keys())
    return whole and {"id", "status", "seconds"} <= about.keys()


def _alive(process: Mapping[str, Any] | None) -> bool:
    """Whether a process is there; one on another machine is taken to be."""
    if process is None:
        return False
    if process["host"] != platform.node():
        return True
    try:
        os.kill(process["pid"], 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True


@dataclass(frozen=True)
class Pruning:
    """What may be deleted.

    Attributes:
        runs: Runs that are forgotten, oldest first.
        files: Their files that no kept run sees, the manifests last: a pruning that was stopped is simply done again.
        size: Bytes of these files.
    """

    runs: tuple[Run, ...]
    files: tuple[Path, ...]
    size: int

    def delete(self) -> None:
        """Delete the files, each before its receipt, and the folders that are then empty.

        A version whose file is gone is not there for anybody, so a kill at any moment leaves no half outputs.
        """
        for file in self.files:
            file.unlink(missing_ok=True)
            if file.parent.is_dir() and not any(file.parent.iterdir()):
                file.parent.rmdir()


class Archive:
    """The versioned outputs of one workload.

    Args:
        workload: Its name.
        catalog: The catalog of the project.
        names: Names of the workload's datasets.
    """

    def __init__(self, workload: str, catalog: DataCatalog, names: Iterable[str]) -> None:
        self.workload = workload
        found = {name: catalog.get(name) for name in sorted({*names, f"{workload}.manifest"})}
        self._files = {name: dataset for name, dataset in found.items() if isinstance(dataset, AtomicFile)}

    def runs(self) -> list[Run]:
        """Every run that left a manifest, oldest first; one that cannot be read is left out."""
        manifests = self._files[f"{self.workload}.manifest"]
        found = map(manifests.read_version, manifests.versions())
        return [Run(self.workload, manifest) for manifest in found if _is_manifest(manifest)]

    def find(self, name: str) -> Run:
        """The run of that name: its id, the beginning of it if only one begins so, or ``latest``.

        Raises:
            ConfigurationError: There is no such run, or there are several.
        """
        runs = self.runs()
        named = runs[-1:] if name == "latest" else [run for run in runs if run.id == name]
        begun = [run for run in runs if run.id.startswith(name)] if len(name) >= PREFIX else []
        found = named or begun
        if len(found) != 1:
            newest = ", ".join(run.id for run in runs[-5:][::-1])
            raise ConfigurationError(
                f"run {name!r} of {self.workload}",
                "is not there" if not found else f"could be each of {len(found)} runs",
                expected=f"one of {newest}" if newest else "a run; there is none yet",
                do="name a run as `assay runs list` does, or say latest",
            )
        return found[0]

    def read(self, noun: str, run: Run) -> Any:  # noqa: ANN401
        """What a run saw of an output.

        Args:
            noun: The output without the name of the workload, e.g. ``signal.metrics``.
            run: The run.

        Returns:
            Its content; None where there was none, or where it cannot be read any more.
        """
        dataset = self._files.get(f"{self.workload}.{noun}")
        version = _seen(dataset.versions(), run.id) if dataset else None
        return dataset.read_version(version) if dataset and version else None

    def path(self, noun: str, run: Run) -> Path | None:
        """Where a run itself wrote an output; None if it did not."""
        dataset = self._files.get(f"{self.workload}.{noun}")
        files = dataset.version_files(run.id) if dataset else []
        return files[0] if files else None

    def heads(self) -> list[str]:
        """Names of the heads, in alphabetical order."""
        nouns = (name.split(".") for name in self._files)
        return [parts[1] for parts in nouns if len(parts) == 3 and parts[2] == "metrics"]

    def written(self, run: Run) -> dict[str, int]:
        """Bytes of every output that a run wrote itself, by name."""
        files = ((name, dataset.version_files(run.id)) for name, dataset in self._files.items())
        return {name: sum(map(_size, found)) for name, found in files if found}

    def prunable(self, *, keep: int) -> Pruning:
        """What may be deleted so that the newest runs with a verdict are as they were.

        Kept are the newest ``keep`` runs that are complete and wrote a verdict (a stage run by itself wrote none), all
        that are newer than the oldest of them, damaged ones included, runs that still run, and whatever any of these
        sees; of every output also its newest version, which the next run may go on with. Parts of the feature store
        that are no longer named go too, unless a run goes on. Files without versions (ledgers of trials, searches) are
        never touched.

        Args:
            keep: How many runs with a verdict to keep, at least 1.

        Raises:
            ConfigurationError: Fewer than 1.
        """
        if keep < 1:
            raise ConfigurationError(
                "runs to keep", "too few", expected="at least 1", found=keep, do="keep one or more"
            )
        runs = self.runs()
        judged = [run.id for run in runs if run.status == "complete" and self.path("summary", run)][-keep:]
        oldest = min(judged, default="")
        versions = self._files[f"{self.workload}.manifest"].versions()  # also those of damaged manifests
        kept = {run.id for run in runs if run.status == "running"} | {name for name in versions if name >= oldest}
        files = [file for dataset in self._sorted() for file in _unseen(dataset, kept)]
        forgotten = tuple(run for run in runs if run.id not in kept)
        files = [*self._parts(files), *files] if not any(run.status == "running" for run in runs) else files
        return Pruning(forgotten, tuple(files), sum(map(_size, files)))

    def _parts(self, files: list[Path]) -> Iterator[Path]:
        """What no version needs once these files are gone; a run that goes on could be about to."""
        for dataset in self._files.values():
            yield from dataset.leftovers(without=files)

    def _sorted(self) -> Iterator[AtomicFile]:
        manifest = f"{self.workload}.manifest"
        yield from (dataset for name, dataset in self._files.items() if name != manifest)
        yield self._files[manifest]


def _seen(versions: Iterable[str], run: str) -> str | None:
    """The version that a run saw: its own, or the newest that is older."""
    return max((version for version in versions if version <= run), default=None)


def _unseen(dataset: AtomicFile, kept: Iterable[str]) -> Iterator[Path]:
    """Files of the versions that none of the runs sees and that are not the newest."""
    versions = dataset.versions()
    needed = {_seen(versions, run) for run in kept} | {max(versions, default=None)}
    for version in versions:
        if version not in needed:
            yield from dataset.version_files(version)


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:  # deleted meanwhile
        return 0
