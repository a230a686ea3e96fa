"""Writes what a run is made of into ``<workload>.manifest``, from the first node to the last."""

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import DataCatalog, DatasetError
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from assay.datasets.runs import this_process
from assay.hooks.evidence import Fingerprints, digest, is_parameter, packages, place_of, plain
from assay.hooks.measures import peak_memory, rows_of

CATALOGUE = "feature_catalogue"
ASKED = ("pipeline_names", "namespaces", "tags", "node_names", "only_missing_outputs", "runtime_params")


class Manifests:
    """One manifest per workload: ``facts`` that a replay must repeat, and ``run`` with everything that has a clock.

    ``facts``: workload, code, parameters (hash), configured (the parameters as they were written), primary (as
    declared), seeds, inputs (hash per source), packages, feature_set_id (None until the features are made), rows (per
    node).
    ``run``: id, status (running, complete, failed), started, finished, seconds, peak_memory_mib, process (host and
    pid), nodes (seconds per node), env, asked, error. The file is written when the workload's first node starts, when
    the reporting node loads it, and at the end; a status that still says running while the process is gone tells of a
    kill. A resumed run lists only what it reran.
    """

    def __init__(self, fingerprints: Fingerprints) -> None:
        self._fingerprints = fingerprints
        self._parameters: dict[str, Any] = {}

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Keep the parameters as they are in YAML, before defaults of the code are filled in."""
        self._parameters = context.config_loader["parameters"]

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Open the books."""
        self._run_params, self._pipeline, self._catalog = run_params, pipeline, catalog
        self._started, self._clock = datetime.now(UTC), perf_counter()
        self._books: dict[str, dict[str, Any]] = {}
        self._node_started: dict[str, float] = {}

    @hook_impl
    def before_dataset_loaded(self, dataset_name: str, node: Node) -> None:
        """Bring the manifest up to date for the node that reports it."""
        workload, _ = place_of(node)
        if dataset_name == f"{workload}.manifest":
            self._write(workload, "running")

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """Open the workload's book with its first node, and start the node's clock."""
        workload, _ = place_of(node)
        if workload not in self._books:
            self._write(workload, "running")
        self._node_started[node.name] = perf_counter()

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, data: Any) -> None:  # noqa: ANN401
        """Note which feature set was made."""
        workload, _, noun = dataset_name.partition(".")
        if noun == CATALOGUE:
            self._book(workload)["facts"]["feature_set_id"] = data.get("feature_set_id")

    @hook_impl
    def after_node_run(self, node: Node, inputs: dict[str, Any], outputs: dict[str, Any]) -> None:
        """Note how long the node took and the rows on both sides."""
        book = self._book(place_of(node)[0])
        book["run"]["nodes"][node.name] = round(perf_counter() - self._node_started[node.name], 3)
        book["facts"]["rows"][node.name] = {"in": rows_of(inputs), "out": rows_of(outputs)}

    @hook_impl
    def after_pipeline_run(self) -> None:
        """Close the books."""
        for workload in self._books:
            self._write(workload, "complete")

    @hook_impl
    def on_pipeline_error(self, error: Exception) -> None:
        """Close the books with the reason why the run stopped."""
        for workload, book in self._books.items():
            book["run"]["error"] = str(error)
            self._write(workload, "failed")

    def _sources(self, workload: str) -> Iterator[str]:
        """Inputs of the workload that no node of this run makes, without those that change by themselves."""
        needed = {name for node in self._pipeline.nodes if place_of(node)[0] == workload for name in node.inputs}
        for name in needed & self._pipeline.inputs():
            if not is_parameter(name) and not getattr(self._catalog.get(name), "volatile", False):
                yield name

    def _book(self, workload: str) -> dict[str, Any]:
        if workload not in self._books:
            self._books[workload] = {"facts": self._facts(workload), "run": self._about_run()}
        return self._books[workload]

    def _facts(self, workload: str) -> dict[str, Any]:
        block = self._parameters.get(workload, {})
        return {
            "workload": workload,
            "code": code_revision(Path(self._run_params["project_path"])),
            "parameters": digest(block),
            "configured": plain(block),
            "primary": block.get("primary"),
            "seeds": dict(_seeds(block, workload)),
            "inputs": {name: self._fingerprints.of(name, self._catalog) for name in self._sources(workload)},
            "packages": packages(),
            "feature_set_id": self._feature_set(workload),
            "rows": {},
        }

    def _feature_set(self, workload: str) -> str | None:
        """Feature set that this run was given; None where it makes it, or where there is none."""
        name = f"{workload}.{CATALOGUE}"
        remade = name in self._pipeline.all_outputs() and not self._run_params["only_missing_outputs"]
        if remade or not self._catalog.exists(name):
            return None
        try:
            identity: str | None = self._catalog.load(name).get("feature_set_id")
        except DatasetError:  # a damaged file is the matter of the nodes that read it
            return None
        return identity

    def _about_run(self) -> dict[str, Any]:
        given = self._run_params
        asked = {key: given[key] for key in ASKED if given.get(key)}
        about = {"id": given["run_id"], "env": given["env"], "asked": asked, "process": this_process()}
        return about | {"nodes": {}, "error": None}

    def _write(self, workload: str, status: str) -> None:
        book, now = self._book(workload), datetime.now(UTC)
        book["run"] |= {
            "status": status,
            "started": self._started.isoformat(timespec="seconds"),
            "finished": None if status == "running" else now.isoformat(timespec="seconds"),
            "seconds": round(perf_counter() - self._clock, 1),
            "peak_memory_mib": round(peak_memory()),
        }
        if dataset := self._catalog.get(f"{workload}.manifest"):
            dataset.save(book)


def code_revision(project: Path) -> dict[str, Any]:
    """Git revision of the project and whether code or configuration differ from it; ``unknown`` without git."""
    try:
        revision = _git(project, "rev-parse", "HEAD")
        return {"revision": revision, "dirty": bool(_git(project, "status", "--porcelain", "--", "src", "conf"))}
    except (OSError, subprocess.CalledProcessError):
        return {"revision": "unknown", "dirty": None}


def _git(project: Path, *arguments: str) -> str:
    command = ["git", "-C", str(project), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603


def _seeds(block: object, where: str) -> Iterator[tuple[str, object]]:
    """Every parameter called ``seed``, by its path."""
    if not isinstance(block, dict):
        return
    for key, value in block.items():
        if key == "seed":
            yield f"{where}.{key}", value
        yield from _seeds(value, f"{where}.{key}")
