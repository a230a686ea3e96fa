"""Processes that run trials of one study, and outlive neither their parent nor their use."""

import os
import signal
import threading
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any

from assay.market.models.base import ModelRule
from assay.market.tuning.trial import Work, run_trial

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.trial import Trial

# What the libraries under NumPy, polars and the models ask for the number of threads when they are loaded.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS")
# An error as it goes through a pipe: unpickling one would call its class with its text alone, which ours do not take.
Sent = tuple[type[Exception], tuple[Any, ...], dict[str, Any]]


@dataclass(frozen=True)
class Job:
    """What a worker needs; it is pickled, and the storage opened anew.

    Attributes:
        work: The inner folds and what is fitted, with the worker's share of the threads.
        name: Name of the study.
        storage: Where the study is kept.
        threads: The worker's share of the threads.
    """

    work: Work
    name: str
    storage: "BaseStorage"
    threads: int

    @classmethod
    def share(cls, work: Work, name: str, storage: "BaseStorage", *, processes: int) -> "Job":
        """The job of each of several processes, which together use the threads that one would have used."""
        params = work.recipe.params
        threads = max(1, _threads(params) // processes)
        if "threads" in type(params).model_fields:
            params = params.with_values({"threads": threads})
        return cls(replace(work, recipe=replace(work.recipe, params=params)), name, storage, threads)


class Worker:
    """A process that runs one trial at a time.

    Args:
        job: What it needs.

    Attributes:
        trial: The trial it runs; None while it waits.
    """

    def __init__(self, job: Job) -> None:
        # A fork would copy locks of thread pools that are held, and hang in the first fit.
        context = get_context("spawn")
        self.trial: Trial | None = None
        self.channel, far_end = context.Pipe()
        self._process = context.Process(target=_serve, args=(far_end, job), daemon=True)
        with _environment(dict.fromkeys(THREADS, str(job.threads))):
            self._process.start()
        far_end.close()  # so that the channel ends when the worker does

    def begin(self, trial: "Trial") -> None:
        """Run a trial that was drawn."""
        self.trial = trial
        try:
            self.channel.send(trial._trial_id)
        except OSError:  # it died while it waited: whoever waits for its answer will notice
            return

    def has_finished(self) -> bool:
        """Take the answer for the trial that was begun.

        Returns:
            Whether the trial was run to its end; False when the process died.

        Raises:
            Exception: What the trial raised.
        """
        try:
            error: Sent | None = self.channel.recv()
        except (EOFError, OSError):
            return False
        if error is not None:
            raise _received(error)
        self.trial = None
        return True

    def end(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        self._process.join()
        self.channel.close()


@contextmanager
def crew(job: Job, size: int) -> Iterator[list[Worker]]:
    """Workers for as long as the block lasts; the block may put others in their place."""
    workers = [Worker(job) for _ in range(size)]
    try:
        yield workers
    finally:
        for worker in workers:
            worker.end()


def answering(workers: list[Worker]) -> "list[tuple[Worker, Trial]]":
    """Wait until some of the workers that run a trial have answered or died; give those and their trials.

    Returns:
        Empty when no worker runs a trial.
    """
    busy = [(worker, worker.trial) for worker in workers if worker.trial is not None]
    ready = wait([worker.channel for worker, _ in busy]) if busy else []
    return [(worker, trial) for worker, trial in busy if worker.channel in ready]


def _threads(params: ModelRule) -> int:
    """Threads of a model; a family without such a parameter takes all cores, as one does that says 0."""
    return getattr(params, "threads", 0) or os.cpu_count() or 1


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Environment for the processes that are started inside the block."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _serve(channel: Connection, job: Job) -> None:
    """Run the trials whose ids come through the channel; answer each with None, or with the error it raised."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent too, which ends its workers
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.load_study(study_name=job.name, storage=job.storage)
    while True:
        trial = optuna.Trial(study, channel.recv())
        try:
            run_trial(study, trial, job.work)
            channel.send(None)
        except Exception as error:
            error.add_note(f"In a process of the search:\n{traceback.format_exc()}")
            channel.send((type(error), error.args, error.__dict__))


def _leave_with_parent() -> None:
    """Nobody waits for what an orphan finds, and a resumed search would compete with it for the cores."""
    if (parent := parent_process()) is not None:
        parent.join()
    os._exit(1)


def _received(sent: Sent) -> Exception:
    kind, args, state = sent
    error: Exception = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error
