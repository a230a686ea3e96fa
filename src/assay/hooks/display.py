"""What a person sees of a run: a bar while it goes on, a line per node, and at the end the verdict."""

import logging
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from kedro.framework.hooks import hook_impl
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from rich.table import Table

from assay.console import BARS, console, duration
from assay.datasets.files import AtomicFile
from assay.hooks.evidence import is_parameter, place_of
from assay.hooks.measures import peak_memory, rows_of

SHOWN = 4

log = logging.getLogger(__name__)


class Display:
    """Shows progress over the nodes and, when they are done, each workload's verdict and where its report lies."""

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Open the bar over the nodes that will run."""
        self._catalog, self._clock = catalog, perf_counter()
        self._summaries: dict[str, Mapping[str, Any]] = {}
        self._node_started: dict[str, float] = {}
        self._at = "the run"
        nodes = pipeline.nodes
        self._workloads = sorted({place_of(node)[0] for node in nodes})
        if run_params["only_missing_outputs"]:
            nodes = [node for node in nodes if not all(map(catalog.exists, node.outputs))]
        self._bar = BARS.open("nodes", len(nodes))

    @hook_impl(tryfirst=True)  # receipts may refuse the dataset
    def before_dataset_loaded(self, node: Node) -> None:
        """Know where the run is, should it stop before the node itself starts."""
        self._at = node.name

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """Start the node's clock."""
        self._at = node.name
        self._node_started[node.name] = perf_counter()

    @hook_impl
    def after_node_run(self, node: Node, inputs: dict[str, Any], outputs: dict[str, Any]) -> None:
        """One line: node, time, rows in and out."""
        seconds = duration(perf_counter() - self._node_started[node.name])
        log.info("%s  %s  %s -> %s", node.name, seconds, _sizes(inputs), _sizes(outputs))
        BARS.advance(self._bar)

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, data: Any) -> None:  # noqa: ANN401
        """Keep the summaries for the end, and say at once what the leak audit found."""
        workload, _, noun = dataset_name.partition(".")
        if noun == "summary":
            self._summaries[workload] = data
        if noun == "audit":
            level = logging.INFO if data["verdict"] == "NONE FOUND" else logging.WARNING
            log.log(level, "leak audit of %s: %s", workload, _audited(data))

    @hook_impl
    def after_pipeline_run(self) -> None:
        """The verdicts, and what the run took."""
        BARS.close_all()
        if self._summaries:
            console().print(_verdicts(self._summaries))
            for workload in self._summaries:
                self._print(f"report: {self._report(workload)}")
        if not self._node_started:
            self._print("nothing to do: every output is fresh")
            for path in filter(None, map(self._newest_report, self._workloads)):
                self._print(f"report: {path.resolve()}")
            return
        spent, count = duration(perf_counter() - self._clock), len(self._node_started)
        self._print(f"{count} node{'s' if count > 1 else ''} in {spent}, peak memory {peak_memory():,.0f} MiB")

    @hook_impl
    def on_pipeline_error(self, run_params: dict[str, Any]) -> None:
        """Leave the terminal to the error, and say how to go on."""
        from assay.pipeline_registry import ASIDE

        BARS.close_all()
        again = f"`{resume_command(self._workloads, run_params)}` reruns only what is not fresh"
        if not set(ASIDE).isdisjoint(run_params.get("pipeline_names") or ()):
            again = "the same command goes on: what was done is kept"
        spent = duration(perf_counter() - self._clock)
        log.error("%s stopped after %s; once the cause is mended, %s", self._at, spent, again)

    def _report(self, workload: str) -> Path | str:
        report = self._catalog.get(f"{workload}.report")
        if isinstance(report, AtomicFile) and report.saved_path().is_file():
            return report.saved_path().resolve()
        return "none in this run"

    def _newest_report(self, workload: str) -> Path | None:
        report = self._catalog.get(f"{workload}.report")
        return report.located() if isinstance(report, AtomicFile) else None

    def _print(self, text: str) -> None:
        console().print(text, soft_wrap=True, markup=False, highlight=False)


def resume_command(workloads: Sequence[str], run_params: Mapping[str, Any]) -> str:
    """What to type to go on with a run: its workloads, data, environment and parameters."""
    given = dict(_flat(run_params.get("runtime_params") or {}))
    data, env = given.pop("data_dir", None), run_params.get("env")
    options = {
        "--data": data,
        "--env": None if env in (None, "base") or (data and env == "files") else env,
        "--params": ",".join(f"{name}={_as_typed(value)}" for name, value in given.items()),
    }
    words = [word for option, value in options.items() if value for word in (option, str(value))]
    return shlex.join(["assay", "resume", *workloads, *words])


def _as_typed(value: object) -> str:
    """A value as it is typed after ``--params``: ``[trend,momentum]``."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{','.join(map(_as_typed, value))}]"
    return "null" if value is None else str(value)


def _flat(block: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in block.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _audited(audit: Mapping[str, Any]) -> str:
    """The outcome of an audit in a line; how large a leak it would have seen is told in the report."""
    if audit["verdict"] == "NONE FOUND":
        passed = sum(test["outcome"] == "pass" for test in audit["tests"])
        return f"no leak found by {passed} test{'s' if passed > 1 else ''}"
    return f"{audit['verdict']}. {audit['said']}"


def _verdicts(summaries: Mapping[str, Mapping[str, Any]]) -> Table:
    table = Table("workload", "verdict", "headline")
    for workload, summary in summaries.items():
        verdict = summary["verdict"]
        table.add_row(workload, verdict["level"], verdict["headline"])
    return table


def _sizes(datasets: Mapping[str, Any]) -> str:
    """``features 10,062 rows + plan``: parameters are left out, and so are the names after the fourth."""
    sizes = rows_of(datasets)
    parts = [_size(name, sizes.get(name), data) for name, data in datasets.items() if not is_parameter(name)]
    more = [f"{len(parts) - SHOWN} more"] if len(parts) > SHOWN else []
    return " + ".join([*parts[:SHOWN], *more]) or "nothing"


def _size(name: str, size: int | None, data: object) -> str:
    noun = name.rpartition(".")[2]
    if size is None:
        return noun
    return f"{noun} {size:,}" if isinstance(data, Sequence) else f"{noun} {size:,} rows"
