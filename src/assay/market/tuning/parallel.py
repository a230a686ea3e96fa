"""A search in several processes: the parent draws trials and hands them out, workers run them on the shared study."""

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from assay.market.errors import ConfigurationError
from assay.market.progress import Track
from assay.market.tuning.crew import Job, Worker, answering, crew
from assay.market.tuning.plan import TuningPlan
from assay.market.tuning.search import Search
from assay.market.tuning.trial import NUMBER, Work

if TYPE_CHECKING:
    from optuna.trial import Trial

ATTEMPTS = 3  # deaths in the same trial that are no bad luck any more


def run_side_by_side(search: Search, work: Work, plan: TuningPlan, track: Track) -> None:
    """Run the trials that are left, several at a time.

    A number is handed out again only when its process died before the study was told a result: the trial is then
    marked failed, and a new process takes the number. So no number is lost and none is recorded twice.

    Args:
        search: The study.
        work: What a trial needs.
        plan: What to tune.
        track: Shows the progress over the trials that are left.

    Raises:
        ConfigurationError: The storage cannot be shared, or processes die again and again in the same trial.
    """
    _check_storage(plan)
    left = search.left()
    size = min(plan.budget.processes, len(left))
    job = Job.share(work, search.study.study_name, plan.storage, processes=size)
    with crew(job, size) as workers:
        shift = _Shift(search, job, workers, left)
        for _ in zip(track(left, "trials"), shift.finished(), strict=False):
            search.keep_time()


class _Shift:
    """Hands numbers of trials to workers until a limit is reached and all have answered."""

    def __init__(self, search: Search, job: Job, workers: list[Worker], numbers: Sequence[int]) -> None:
        self._search, self._job, self._workers = search, job, workers
        self._numbers, self._deaths = deque(numbers), Counter[int]()

    def finished(self) -> Iterator[None]:
        """Yield whenever a trial is finished."""
        self._hand_out()
        while answered := answering(self._workers):
            for worker, trial in answered:
                finished = worker.has_finished() or self._replace(worker, trial)
                self._hand_out()
                if finished:
                    yield

    def _hand_out(self) -> None:
        for worker in self._workers:
            if worker.trial is None and self._numbers and self._search.stopped() is None:
                worker.begin(self._search.ask(self._numbers.popleft()))

    def _replace(self, dead: Worker, trial: "Trial") -> bool:
        """Put a new worker in the place of a dead one; whether its trial was finished all the same."""
        self._search.abandon(trial.number)
        dead.end()
        self._workers[self._workers.index(dead)] = Worker(self._job)
        number = int(trial.user_attrs[NUMBER])
        if number not in self._search.left():
            return True
        self._deaths[number] += 1
        if self._deaths[number] == ATTEMPTS:
            raise _too_many_deaths(number)
        self._numbers.appendleft(number)
        return False


def _too_many_deaths(number: int) -> ConfigurationError:
    return ConfigurationError(
        "tuning.processes",
        f"trial {number} ended its process {ATTEMPTS} times",
        expected="a process that lives until its trial is scored",
        found="most likely too little memory for all processes at once",
        do="lower tuning.processes, or tune on fewer rows or smaller models",
    )


def _check_storage(plan: TuningPlan) -> None:
    from optuna.storages import InMemoryStorage

    if isinstance(plan.storage, InMemoryStorage):
        raise ConfigurationError(
            "tuning.processes",
            "needs a storage that processes can share",
            expected="a journal file, or a database",
            found="a storage in memory",
            do="set processes to 1, or keep studies in a file",
        )
