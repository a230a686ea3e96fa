"""What decides whether an old output may be used again: the code that made it, and the bytes it was made from."""

import hashlib
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PurePath
from typing import Any

from kedro.io import AbstractDataset, DataCatalog
from kedro.pipeline.node import Node
from pydantic_core import to_jsonable_python

from assay.datasets.files import AtomicFile, sha256_of

PACKAGES = (
    *("kedro", "pydantic", "numpy", "polars", "pandas", "pyarrow", "scipy", "arch", "exchange-calendars", "ta-lib"),
    *("numba", "scikit-learn", "xgboost", "lightgbm", "catboost", "torch", "shap", "optuna", "skops"),
)
SIDELINES = {"hooks", "commands", "cli.py", "console.py", "history.py", "lineage.py", "settings.py"}


def digest(content: object) -> str:
    """SHA-256 of any nested value, parameter models included, in hexadecimal; the order of keys does not matter."""
    return hashlib.sha256(json.dumps(plain(content), sort_keys=True).encode()).hexdigest()


def plain(content: object) -> Any:  # noqa: ANN401
    """Any nested value, parameter models included, as JSON can hold it."""
    return to_jsonable_python(content, fallback=str, inf_nan_mode="strings")


def place_of(node: Node) -> tuple[str, str]:
    """Workload and stage of a node: the first two parts of its namespace, empty where there are none."""
    workload, stage, *_ = [*(node.namespace or "").split("."), ""]
    return workload, stage


def is_parameter(name: str) -> bool:
    """Whether a dataset name stands for parameters."""
    return name == "parameters" or name.startswith("params:")


@cache
def packages() -> dict[str, str | None]:
    """Versions of Python and of the packages that can change a number; None for one that is not installed."""
    found: dict[str, str | None] = {"python": sys.version.split()[0]}
    for name in PACKAGES:
        found[name] = _version(name) or _version(f"{name}-cpu")
    return found


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


@dataclass(frozen=True)
class Work:
    """What a node's outputs are made of.

    Attributes:
        node: Name of the node.
        code: Hash of the source files that can change what it puts out.
        parameters: Hash of the parameters it is given.
        packages: Hash of the versions of the packages it may call.
        inputs: Fingerprint per input that is not volatile; None where nothing on disk can vouch for one.
    """

    node: str
    code: str
    parameters: str
    packages: str
    inputs: Mapping[str, str | None]

    def key(self) -> str:
        """One hash of it all."""
        return digest(asdict(self))

    def changes(self, receipt: Mapping[str, Any]) -> str:
        """What is not as it was for a receipt with another key: ``parameters, input equity.bars changed``."""
        parts = [part for part in ("code", "parameters", "packages") if receipt[part] != getattr(self, part)]
        old = receipt["inputs"]
        inputs = [name for name in sorted({*old, *self.inputs}) if old.get(name) != self.inputs.get(name)]
        changed = [*parts, *(f"input {name}" for name in inputs)]
        return f"{', '.join(changed)} changed" if changed else f"its output was made by {receipt['node']}"


class Code:
    """Hashes of a package's source files, those that can change what a stage of a workload puts out.

    ``pipelines/<stage>/`` counts for that stage, ``workloads/<workload>/`` for that workload, ``report/`` for
    reporting: import contracts keep them from each other. ``SIDELINES`` count for nothing: they start, show and record
    runs. The report prints the manifest that they write, but no figure is made from it. Everything else, ``market``
    above all, counts for all.

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
            if path.is_file() and path.suffix != ".md" and "__pycache__" not in path.parts
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
