"""A small market to tune on, and the plans of searches on it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import polars as pl
import pytest
from optuna.storages import InMemoryStorage

from assay.market.models import ModelParams
from assay.market.recipe import RecipePlan
from assay.market.selection import Selection, SelectionRule, Task, select
from assay.market.splits import Receipt, SplitRule, before_first_fold, plan_folds, split_rows
from assay.market.tuning import Budget, TuningPlan, TuningResult, inner_receipts, tune
from assay.market.workload import Kind

Market = tuple[pl.DataFrame, pl.DataFrame, list[Receipt]]
ALPHA = {"alpha": {"low": 1, "high": 10_000, "log": True}}


def recipe(head: Kind = "regression", /, **params: Any) -> RecipePlan:
    """A recipe; without parameters a ridge regression whose penalty is searched."""
    fields = params or {"kind": "ridge", "search": ALPHA}
    return RecipePlan(params=ModelParams.model_validate(fields).root, kind=head, feature_set_id="set-1")


@dataclass(frozen=True)
class Lab:
    """A market and what is searched on it; ``market`` is features, labels and outer folds."""

    market: Market

    def planned(
        self, plan: RecipePlan | None = None, storage: Any = None, *, embargo: int = 0, clock: Any = None, **budget: Any
    ) -> TuningPlan:
        """A plan; ``rule`` in the budget is for the selection of features."""
        rule = {"methods": ("univariate",)} | budget.pop("rule", {})
        plan, budgeted = plan or recipe(), Budget.model_validate(budget)
        selections = self._selections(plan, budgeted, embargo, SelectionRule(**rule))
        return TuningPlan(plan, budgeted, embargo, selections, storage or InMemoryStorage(), clock)

    def run(self, *args: Any, **budget: Any) -> TuningResult:
        """What a search gives."""
        return tune(*self.market, plan=self.planned(*args, **budget))

    def _selections(self, plan: RecipePlan, budget: Budget, embargo: int, rule: SelectionRule) -> tuple[Selection, ...]:
        features, labels, receipts = self.market
        early = pl.Series(before_first_fold(labels, receipts))
        features, labels = features.filter(early), labels.filter(early)
        parts = [split_rows(labels, receipt)[0] for receipt in inner_receipts(labels, budget, embargo=embargo)]
        task = Task(plan.kind, tail=plan.tail)
        return tuple(select(features.filter(rows), labels.filter(rows), rule, task=task) for rows in parts)


@pytest.fixture(scope="session")
def make_recipe() -> Callable[..., RecipePlan]:
    """Maker of recipes."""
    return recipe


@pytest.fixture(scope="session")
def make_lab() -> Callable[[Market], Lab]:
    """Maker of labs on another market."""
    return Lab


@pytest.fixture(scope="session")
def lab(toy_market: Any) -> Lab:
    """A lab on a market of two entities and 240 bars."""
    features, labels = toy_market(bars=240)
    return Lab((features, labels, plan_folds(labels, SplitRule(folds=3))))
