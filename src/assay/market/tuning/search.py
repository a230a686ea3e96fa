"""A study while it is searched: what was tried, what is left, and why it ends."""

from typing import TYPE_CHECKING

from assay.market.errors import ConfigurationError
from assay.market.tuning.plan import Stopped, TuningPlan
from assay.market.tuning.space import distributions
from assay.market.tuning.stopping import Trials, stale, until_stale
from assay.market.tuning.trial import NUMBER, Work, is_recorded, record

if TYPE_CHECKING:
    from optuna.trial import Trial

SECONDS = "seconds"  # attribute of a stored study: the time that its runs took


class Search:
    """The study of a plan.

    Args:
        plan: What to tune.
        name: Name of the study; one of that name is continued, and trials it left running are marked failed.

    Attributes:
        study: Optuna's own.
        limit: Number of trials that there can be.
    """

    def __init__(self, plan: TuningPlan, name: str) -> None:
        import optuna

        from assay.market.tuning.samplers import Samplers

        _check_clock(plan)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._plan, self._work = plan, Work.of(plan, ())
        self._samplers = Samplers(plan)
        self.limit = self._samplers.limit
        self.study = optuna.create_study(
            study_name=name, storage=plan.storage, direction="maximize", load_if_exists=True
        )
        self._before = float(self.study.user_attrs.get(SECONDS, 0.0))
        self._start = plan.clock() if plan.clock else 0.0
        for trial in self.study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
            self.abandon(trial.number)

    def ask(self, number: int) -> "Trial":
        """Draw the parameters of trial ``number``."""
        self.study.sampler = self._samplers[number]
        trial = self.study.ask(distributions(self._plan.recipe.params))
        trial.set_user_attr(NUMBER, number)
        return trial

    def abandon(self, stored: int) -> None:
        """Mark a trial that nobody runs any more as failed, unless it was finished at the last moment.

        Args:
            stored: Number of the trial in the study, where attempts that failed have numbers too.
        """
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        try:
            self.study.tell(stored, state=TrialState.FAIL, skip_if_finished=True)
        except UpdateFinishedTrialError:
            return

    def trials(self) -> Trials:
        """Records of the trials within the limits, by number; one after another they end where patience ran out."""
        budget = self._plan.budget
        found = [record(trial, self._work) for trial in self.study.get_trials(deepcopy=False) if is_recorded(trial)]
        found = sorted((trial for trial in found if trial["number"] < self.limit), key=lambda trial: trial["number"])
        return until_stale(found, budget.patience) if budget.processes == 1 else found

    def left(self) -> list[int]:
        """Numbers of the trials that there are no records of."""
        found = {trial["number"] for trial in self.trials()}
        return [number for number in range(self.limit) if number not in found]

    def stopped(self) -> Stopped | None:
        """Why no further trial shall begin; None when one shall. The untuned one is always tried."""
        budget, found = self._plan.budget, self.trials()
        if len(found) >= self.limit:
            return "trials" if self.limit == budget.trials else "grid"
        if budget.patience is not None and stale(found) >= budget.patience:
            return "patience"
        if budget.seconds is not None and found and self._seconds() >= budget.seconds:
            return "seconds"
        return None

    def keep_time(self) -> None:
        """Store how long the search took so far, so that the next run of it goes on counting."""
        if self._plan.clock:
            self.study.set_user_attr(SECONDS, self._seconds())

    def _seconds(self) -> float:
        return self._before + (self._plan.clock() - self._start if self._plan.clock else 0.0)


def _check_clock(plan: TuningPlan) -> None:
    if plan.budget.seconds is not None and plan.clock is None:
        raise ConfigurationError(
            "tuning.seconds",
            "cannot be kept without a clock",
            expected="a clock in the plan of the search",
            found=None,
            do="give TuningPlan a clock, e.g. time.monotonic",
        )
