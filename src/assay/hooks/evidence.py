"""What decides whether an old output may be used again: the code that made it, and the bytes it was made from."""

import hashlib
import json
from pathlib import Path, PurePath
from typing import Any

from kedro.io import AbstractDataset, DataCatalog
from kedro.pipeline.node import Node
from pydantic_core import to_jsonable_python

from assay.datasets.files import AtomicFile, sha256_of

SIDELINES = {"hooks", "cli.py", "console.py", "lineage.py", "settings.py"}


def digest(content: object) -> str:
    """SHA-256 of any nested value, parameter models included, in hexadecimal; the order of keys does not matter."""
    plain = to_jsonable_python(content, fallback=str)
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def place_of(node: Node) -> tuple[str, str]:
    """Workload and stage of a node: the first two parts of its namespace, empty where there are none."""
    workload, stage, *_ = [*(node.namespace or "").split("."), ""]
    return workload, stage


def is_parameter(name: str) -> bool:
    """Whether a dataset name stands for parameters."""
    return name == "parameters" or name.startswith("params:")


class Code:
    """Hashes of a package's source files, those that can change what a stage of a workload puts out.

    ``pipelines/<stage>/`` counts for that stage, ``workloads/<workload>/`` for that workload, ``report/`` for
    reporting: import contracts keep them from each other. ``SIDELINES`` count for nothing: they start, show and record
    runs, and no node takes a value from them. Everything else, ``market`` above all, counts for all.

    Args:
        package: Folder of the package.
    """

    def __init__(self, package: Path) -> None:
        self._package = package
        self._files: dict[PurePath, str] = {}

    def read(self) -> None:
        """Read the files as they are now."""
        self._files = {
            path.relative_to(self._package): sha256_of(path)
            for path in sorted(self._package.rglob("*"))
            if path.is_file() and path.suffix not in {".md", ".pyc"}
        }

    def hash(self, workload: str, stage: str) -> str:
        """One hash over all files that count for the nodes of this place."""
        return digest({str(path): sha for path, sha in self._files.items() if _counts(path, workload, stage)})


def _counts(path: PurePath, workload: str, stage: str) -> bool:
    match path.parts:
        case ("pipelines", owner, _, *_):
            return owner == stage
        case ("workloads", owner, _, *_):
            return owner == workload
        case ("report", *_):
            return stage == "reporting"
        case (first, *_):
            return first not in SIDELINES
    return True


class Fingerprints:
    """A hash of what each dataset holds, taken once per run and again when the dataset is saved."""

    def __init__(self) -> None:
        self._known: dict[str, str | None] = {}

    def forget(self, *names: str) -> None:
        """Take the hashes of these datasets anew, or of all when none is named."""
        for name in names or tuple(self._known):
            self._known.pop(name, None)

    def of(self, name: str, catalog: DataCatalog) -> str | None:
        """Hash of what ``load`` would return; None when nothing on disk can vouch for it."""
        if name not in self._known:
            self._known[name] = _fingerprint(catalog.get(name))
        return self._known[name]


def _fingerprint(dataset: AbstractDataset[Any, Any] | None) -> str | None:
    if dataset is None or dataset._EPHEMERAL:
        return None
    if isinstance(dataset, AtomicFile):
        return dataset.fingerprint() if dataset.located() else None
    if callable(content := getattr(dataset, "fingerprint", None)):
        return digest([content(), _settings(dataset)])
    return digest([type(dataset).__qualname__, dataset._describe() | {"version": None}])


def _settings(dataset: AbstractDataset[Any, Any]) -> dict[str, Any]:
    """How a source reads its files, e.g. a mapping of columns; where they lie does not matter."""
    return {key: value for key, value in dataset._init_config().items() if key != "filepath"}
