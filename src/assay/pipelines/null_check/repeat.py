"""The runs of a workload in processes of their own; each is written down as soon as it is done."""

import logging
import os
import signal
import threading
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from functools import cache
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any

from pydantic import BaseModel

import assay
from assay.datasets.null_runs import Runs
from assay.hooks.evidence import Code, digest
from assay.market.errors import ConfigurationError
from assay.market.null_check import NullCheckRule, Task, plan_runs
from assay.market.prepared import content_hash
from assay.market.progress import Track, silent
from assay.market.tuning.crew import THREADS
from assay.market.workload import Workload
from assay.pipelines.null_check.machine import Record, Setup, run_once

log = logging.getLogger(__name__)


def setup_of(workload: Workload, *, rule: NullCheckRule, block: Mapping[str, Any], own: Mapping[str, Any]) -> Setup:
    """What every run of a workload is given.

    Args:
        workload: The workload.
        rule: The null check.
        block: All parameters of the workload, plain or as nodes get them.
        own: The workload's newest outputs by noun.

    Raises:
        ConfigurationError: The null check says nothing about this workload.
    """
    if workload.name not in rule.workloads:
        raise ConfigurationError(
            "null_check.workloads",
            f"says nothing about '{workload.name}'",
            expected="a block for each workload",
            found=sorted(rule.workloads),
            do="add one to parameters_null_check.yml",
        )
    return Setup(workload.name, rule, plain(block), own)


def plain(values: Any) -> Any:  # noqa: ANN401
    """Parameters as they were before they were typed, defaults filled in."""
    if isinstance(values, BaseModel):
        return values.model_dump()
    return {key: plain(value) for key, value in values.items()} if isinstance(values, Mapping) else values


def repeat(setup: Setup, journal: Runs, *, track: Track = silent) -> list[Record]:
    """Do the runs that the journal does not hold yet.

    Args:
        setup: What every run is given.
        journal: Where every run is written down that came to a verdict. It is told from others by everything that it
            depends on: parameters, code and the workload's own tables.
        track: Shows the progress over the runs.

    Returns:
        One record for every run that was asked for, failed ones with ``failed``, in their order.

    Raises:
        ConfigurationError: All runs failed, or a process died.
    """
    tasks, key = plan_runs(setup.rule, setup.check), key_of(setup)
    found = {(record["kind"], record["number"]): record for record in journal.of(key)}
    left = [task for task in tasks if _place(task) not in found]
    if len(left) < len(tasks):
        log.info("%d of %d runs were done before", len(tasks) - len(left), len(tasks))
    with closing(_results(setup, left)) as results:
        for _, record in zip(track(left, f"null check of {setup.workload}"), results, strict=False):
            found[record["kind"], record["number"]] = record
            if "failed" not in record:
                journal.add(key, record)
    records = [found[_place(task)] for task in tasks]
    _refuse_if_nothing_worked(records)
    return records


def key_of(setup: Setup) -> str:
    """Everything that a run depends on but its number: the same key means the same record."""
    planted = setup.rule.planted.model_dump(exclude={"runs", "ic"})
    tables = [setup.own[name] for name in ("panel", "features")]
    parts = (setup.workload, setup.rule.seed, planted, setup.check, setup.block, content_hash(*tables))
    return digest([*parts, _code(setup.workload)])


@cache
def _code(workload: str) -> str:
    """Hash of all code that a run of a workload goes through, as it was when this process began to repeat it."""
    from assay.pipeline_registry import ASIDE, STAGES

    code = Code(Path(assay.__file__).parent)
    code.read()
    return digest([code.hash(workload, stage) for stage in (*STAGES, *ASIDE)])


def _place(task: Task) -> tuple[str, int]:
    return task.name, task.number


def _results(setup: Setup, tasks: Sequence[Task]) -> Generator[Record]:
    """Records as they are finished."""
    if not tasks:
        return
    # A fork would copy locks of thread pools that are held, and hang in the first fit.
    context, size = get_context("spawn"), min(setup.rule.processes, len(tasks))
    pool = ProcessPoolExecutor(size, mp_context=context, initializer=_begin, initargs=(setup, size))
    try:
        for future in as_completed([pool.submit(_run, task) for task in tasks]):
            yield future.result()
    except BrokenProcessPool as error:
        raise ConfigurationError(
            "null_check.processes",
            "a process died in the middle of a run",
            expected="enough memory for all processes at once",
            found=f"{size} processes",
            do="lower null_check.processes; the runs that were done are kept",
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


_SETUPS: list[Setup] = []  # of this process


def _begin(setup: Setup, processes: int) -> None:
    """Make ready a process for runs: its share of the threads, nothing on the screen, no life of its own."""
    import rich

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent too
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    os.environ.update(dict.fromkeys(THREADS, str(max(1, (os.cpu_count() or 1) // processes))))
    rich.reconfigure(force_terminal=False)
    logging.disable(logging.CRITICAL)
    _SETUPS[:] = [setup]


def _leave_with_parent() -> None:
    if (parent := parent_process()) is not None:
        parent.join()
    os._exit(1)


def _run(task: Task) -> Record:
    """A record, also of a run that failed: one bad draw must not cost the others."""
    try:
        return run_once(_SETUPS[0], task)
    except Exception as error:
        return _failed(task, error)


def _failed(task: Task, error: Exception) -> Record:
    said = f"{type(error).__name__}: {error}"
    return {"kind": task.name, "number": task.number, "seed": task.seed, "failed": said}


def _refuse_if_nothing_worked(records: Sequence[Record]) -> None:
    failed = [record for record in records if "failed" in record]
    for record in failed:
        log.warning("run %(number)d of %(kind)s, seed %(seed)d, failed: %(failed)s", record)
    if len(failed) == len(records):
        raise ConfigurationError(
            "null check",
            f"all {len(records)} runs failed",
            expected="a verdict in each run",
            found=records[0]["failed"],
            do="correct what the first one says; null_check.workloads says how runs differ from the workload's own",
        )
