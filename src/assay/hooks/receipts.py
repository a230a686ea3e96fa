"""A receipt beside every output, and before a resumed run the list of outputs that may not be used again."""

import json
import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kedro.framework.hooks import hook_impl
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from assay.datasets.files import REMAKE, AtomicFile, write_atomic
from assay.hooks.evidence import Code, Fingerprints, Work, digest, is_parameter, packages, place_of
from assay.market.errors import DataError

RECEIPT = {"sha256", "key", "run", *Work.__dataclass_fields__}

log = logging.getLogger(__name__)


def receipt_path(path: Path) -> Path:
    """Where the receipt of an output lies."""
    return path.with_name(f"{path.name}.receipt.json")


class Receipts:
    """Writes receipts, and marks what is stale so that ``only_missing_outputs`` makes it again.

    A receipt ``<file>.receipt.json`` holds ``sha256`` of the file, ``run``, and the node's work: its ``key`` and what
    the key is made of, ``node``, ``code``, ``parameters``, ``packages`` and every one of the ``inputs`` that is not
    volatile. It is written after the data: a kill between the two leaves an output without a receipt, which is made
    again.

    A node is stale if an input of it is, or if an output is missing, has no receipt, has other bytes than its receipt
    says, or was made with another key. Outputs that are no ``AtomicFile`` have no receipt and are never fresh. The log
    names the cause for each node that is stale by itself, and the number of those after it.

    In every run, an input is compared with its receipt before it is opened: some damage still reads as a valid file.
    """

    def __init__(self, fingerprints: Fingerprints, code: Code) -> None:
        self._fingerprints, self._code = fingerprints, code
        self._work: dict[str, Work] = {}
        self._run = ""

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Forget the run before; in a resumed run, mark what is stale before Kedro asks what is missing."""
        self._run, self._catalog = run_params["run_id"], catalog
        self._fingerprints.forget()
        self._code.read()
        if run_params["only_missing_outputs"]:
            self._mark(pipeline)

    @hook_impl
    def before_dataset_loaded(self, dataset_name: str) -> None:
        """Refuse a file that is not the one its receipt was written for.

        Raises:
            DataError: The file was damaged or edited.
        """
        dataset = self._catalog.get(dataset_name)
        if not isinstance(dataset, AtomicFile) or dataset.volatile:
            return
        path = dataset.located()
        receipt = _read(path)
        if path and receipt and not self._is_intact(dataset_name, dataset, receipt):
            found = self._fingerprints.of(dataset_name, self._catalog)
            do = f"{REMAKE}; to keep an edit of your own, delete {receipt_path(path).name}"
            raise DataError(str(path), "differs from its receipt", expected=receipt["sha256"], found=found, do=do)

    @hook_impl
    def before_node_run(self, node: Node, catalog: DataCatalog) -> None:
        """Note what goes in while the inputs are what the node was given."""
        self._catalog = catalog
        self._work[node.name] = self._work_of(node)

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, node: Node) -> None:
        """Write the receipt of an output that has just been written."""
        dataset, work = self._catalog.get(dataset_name), self._work[node.name]
        self._fingerprints.forget(dataset_name)
        if not isinstance(dataset, AtomicFile) or None in work.inputs.values():
            return
        sha256 = self._fingerprints.of(dataset_name, self._catalog)
        receipt = {"sha256": sha256, "key": work.key(), "run": self._run} | asdict(work)
        content = json.dumps(receipt, indent=1).encode()
        write_atomic(receipt_path(dataset.saved_path()), lambda file: file.write(content))

    def _mark(self, pipeline: Pipeline) -> None:
        stale: set[str] = set()
        fresh = after = 0
        for node in pipeline.nodes:
            if not stale.isdisjoint(node.inputs):
                after += 1
            elif cause := self._cause(node):
                log.info("%s is stale: %s", node.name, cause)
            else:
                fresh += 1
                continue
            stale.update(node.outputs)
        for name in stale:
            if isinstance(dataset := self._catalog.get(name), AtomicFile):
                dataset.stale = True
        log.info("%d of %d nodes are fresh and left out; %d follow a stale one", fresh, len(pipeline.nodes), after)

    def _cause(self, node: Node) -> str | None:
        """Why a node whose inputs are fresh must run again; None when it need not."""
        work = self._work_of(node)
        if unknown := [name for name, fingerprint in work.inputs.items() if fingerprint is None]:
            return f"no file vouches for input {', '.join(unknown)}"
        causes = (self._fault(name, work) for name in node.outputs)
        return next(filter(None, causes), None)

    def _fault(self, name: str, work: Work) -> str | None:
        """Why an output may not be used again."""
        dataset = self._catalog.get(name)
        if dataset is None or dataset._EPHEMERAL:
            return None  # nothing was kept, so nothing old can be used
        path = dataset.located() if isinstance(dataset, AtomicFile) else None
        if not isinstance(dataset, AtomicFile) or (path and not _read(path)):
            return f"output {name} has no receipt"
        if path is None:
            return f"output {name} is missing"
        receipt = _read(path)
        if receipt["key"] != work.key():
            return work.changes(receipt)
        return None if self._is_intact(name, dataset, receipt) else f"output {name} is damaged"

    def _is_intact(self, name: str, dataset: AtomicFile, receipt: dict[str, Any]) -> bool:
        return self._fingerprints.of(name, self._catalog) == receipt["sha256"] or dataset.holds(receipt["sha256"])

    def _work_of(self, node: Node) -> Work:
        parameters, inputs = {}, {}
        for name in node.inputs:
            dataset = self._catalog.get(name)
            if is_parameter(name):
                parameters[name] = dataset.load() if dataset else None
            elif not getattr(dataset, "volatile", False):
                inputs[name] = self._fingerprints.of(name, self._catalog)
        return Work(
            node=node.name,
            code=self._code.hash(*place_of(node)),
            parameters=digest(parameters),
            packages=digest(packages()),
            inputs=inputs,
        )


def _read(path: Path | None) -> dict[str, Any]:
    try:
        receipt = json.loads(receipt_path(path).read_bytes()) if path else {}
    except (OSError, ValueError):
        return {}
    return receipt if isinstance(receipt, dict) and receipt.keys() >= RECEIPT else {}
