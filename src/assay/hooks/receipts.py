"""A receipt beside every output, and before a resumed run the list of outputs that may not be used again."""

import json
import logging
from pathlib import Path
from typing import Any

from kedro.framework.hooks import hook_impl
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from assay.datasets.files import REMAKE, AtomicFile, write_atomic
from assay.hooks.evidence import Code, Fingerprints, digest, is_parameter, place_of
from assay.market.errors import DataError

RECEIPT = {"sha256", "key", "node", "run"}

log = logging.getLogger(__name__)


def receipt_path(path: Path) -> Path:
    """Where the receipt of an output lies."""
    return path.with_name(f"{path.name}.receipt.json")


class Receipts:
    """Writes receipts, and marks what is stale so that ``only_missing_outputs`` makes it again.

    A receipt ``<file>.receipt.json`` holds ``sha256`` of the file, ``key`` of the node's work, ``node`` and ``run``.
    The key is a hash over node name, code, parameter values and the hash of every input that is not volatile. The
    receipt is written after the data: a kill between the two leaves an output without a receipt, which is made again.

    A node is stale if an input of it is, or if an output is missing, has no receipt, has other bytes than its receipt
    says, or was made with another key. Outputs that are no ``AtomicFile`` have no receipt and are never fresh.

    In every run, an input is compared with its receipt before it is opened: some damage still reads as a valid file.
    """

    def __init__(self, fingerprints: Fingerprints, code: Code) -> None:
        self._fingerprints, self._code = fingerprints, code
        self._keys: dict[str, str | None] = {}
        self._run = ""

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Forget the run before; in a resumed run, mark what is stale before Kedro asks what is missing."""
        self._run, self._catalog = run_params["run_id"], catalog
        self._fingerprints.forget()
        self._code.read()
        if run_params["only_missing_outputs"]:
            self._mark(pipeline, catalog)

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
        """Take the key while the inputs are what the node was given."""
        self._catalog = catalog
        self._keys[node.name] = self._key(node, catalog)

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, node: Node) -> None:
        """Write the receipt of an output that has just been written."""
        dataset, key = self._catalog.get(dataset_name), self._keys[node.name]
        self._fingerprints.forget(dataset_name)
        if not isinstance(dataset, AtomicFile) or key is None:
            return
        sha256 = self._fingerprints.of(dataset_name, self._catalog)
        receipt = {"sha256": sha256, "key": key, "node": node.name, "run": self._run}
        content = json.dumps(receipt, indent=1).encode()
        write_atomic(receipt_path(dataset.saved_path()), lambda file: file.write(content))

    def _mark(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        stale: set[str] = set()
        fresh = 0
        for node in pipeline.nodes:
            if stale.isdisjoint(node.inputs) and self._is_fresh(node, catalog):
                fresh += 1
            else:
                stale.update(node.outputs)
        for name in stale:
            if isinstance(dataset := catalog.get(name), AtomicFile):
                dataset.stale = True
        log.info("%d of %d nodes have fresh outputs and are left out", fresh, len(pipeline.nodes))

    def _is_fresh(self, node: Node, catalog: DataCatalog) -> bool:
        key = self._key(node, catalog)
        return key is not None and all(self._is_vouched_for(name, key, catalog) for name in node.outputs)

    def _is_vouched_for(self, name: str, key: str, catalog: DataCatalog) -> bool:
        dataset = catalog.get(name)
        if dataset is None or dataset._EPHEMERAL:
            return True  # nothing was kept, so nothing old can be used
        if not isinstance(dataset, AtomicFile):
            return False
        receipt = _read(dataset.located())
        if receipt.get("key") != key:
            return False
        return self._is_intact(name, dataset, receipt)

    def _is_intact(self, name: str, dataset: AtomicFile, receipt: dict[str, Any]) -> bool:
        return self._fingerprints.of(name, self._catalog) == receipt["sha256"] or dataset.holds(receipt["sha256"])

    def _key(self, node: Node, catalog: DataCatalog) -> str | None:
        """Key of a node's work, or None when nothing on disk can vouch for an input."""
        parameters, inputs = {}, {}
        for name in node.inputs:
            dataset = catalog.get(name)
            if is_parameter(name):
                parameters[name] = dataset.load() if dataset else None
            elif not getattr(dataset, "volatile", False):
                inputs[name] = self._fingerprints.of(name, catalog)
        if None in inputs.values():
            return None
        return digest([node.name, self._code.hash(*place_of(node)), parameters, inputs])


def _read(path: Path | None) -> dict[str, Any]:
    try:
        receipt = json.loads(receipt_path(path).read_bytes()) if path else {}
    except (OSError, ValueError):
        return {}
    return receipt if isinstance(receipt, dict) and receipt.keys() >= RECEIPT else {}
