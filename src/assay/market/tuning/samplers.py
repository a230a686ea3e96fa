"""Which parameters a trial tries: decided by the seed of the study and the number of the trial, never by a past run.

This module imports Optuna: import it where it is used.
"""

from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from assay.market.models.base import ModelRule
from assay.market.tuning.plan import TuningPlan
from assay.market.tuning.space import Values, distributions, grid, untuned

STARTUP_TRIALS = 5  # trials drawn at random before TPE has enough to go by


class Given(BaseSampler):
    """Gives values that are decided already.

    Args:
        params: Parameters with their ranges and choices.
        values: One value for each searched parameter, as a study stores it.
    """

    def __init__(self, params: ModelRule, values: Values) -> None:
        self._params, self._values = params, values

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:  # noqa: ARG002
        """All searched parameters."""
        return distributions(self._params)

    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: object) -> Values:  # noqa: ARG002
        """The values."""
        return self._values

    def sample_independent(self, study: object, trial: object, param_name: str, param_distribution: object) -> Any:  # noqa: ANN401
        """Never asked: every value was given."""
        raise NotImplementedError(param_name)


class Samplers:
    """A sampler for every trial of a study.

    Attributes:
        limit: Number of trials that there can be.
    """

    def __init__(self, plan: TuningPlan) -> None:
        self._params, self._seed, self._budget = plan.recipe.params, plan.recipe.seed, plan.budget
        self._given = [untuned(self._params)]
        if self._budget.sampler == "grid":
            self._given += grid(self._params, self._budget.grid_points, seed=self._seed)
        self.limit = (
            min(self._budget.trials, len(self._given)) if self._budget.sampler == "grid" else plan.budget.trials
        )

    def __getitem__(self, number: int) -> BaseSampler:
        """The sampler of trial ``number``; the first trial is the untuned configuration."""
        if number < len(self._given):
            return Given(self._params, self._given[number])
        seed = int(np.random.SeedSequence([self._seed, number]).generate_state(1)[0])
        if self._budget.sampler == "random":
            return RandomSampler(seed)
        # Trials that run meanwhile count as bad ones, so that processes do not all try the same.
        return TPESampler(seed=seed, n_startup_trials=STARTUP_TRIALS, constant_liar=self._budget.processes > 1)
