"""The plan of a head: everything that is fixed before the first model is fitted."""

from collections.abc import Mapping
from typing import Any, Literal

import polars as pl
from pydantic import Field

from assay.market.execution import Execution
from assay.market.models import ModelParams
from assay.market.parameters import Parameters
from assay.market.preprocess import PreprocessRule
from assay.market.recipe import RecipePlan
from assay.market.splits import Receipt, SplitRule, plan_folds
from assay.market.tuning import Budget
from assay.market.workload import Head, Kind

Role = Literal["model", "baseline"]


class Learning(Parameters):
    """How every model of a workload is fitted and tuned.

    Attributes:
        seed: Seed of every fit and of the search.
        splits: How the history is cut into training parts and test folds.
        tail: Share of the newest training timestamps that early stopping watches.
        preprocess: How features are chosen, imputed and scaled inside a training part.
        tuning: How much the search may do.
    """

    seed: int = Field(default=0, ge=0)
    splits: SplitRule = SplitRule()
    tail: float = Field(default=0.15, gt=0, lt=1)
    preprocess: PreprocessRule = PreprocessRule()
    tuning: Budget = Budget()


class Plan(Parameters):
    """What labels, tuning, walk-forward, ledger and evaluation of one head must agree on.

    Attributes:
        head: Name of the head.
        kind: Classification or regression.
        roles: Every contender and whether it is a model or a baseline.
        horizon: Bars from entry to exit of a label, and of a position.
        execution: Delay and price field that labels and ledger share.
        feature_set_id: The only feature set that models of this head may be fed with.
        receipts: The folds, earliest first.
        learning: How models are fitted and tuned.
    """

    head: str
    kind: Kind
    roles: dict[str, Role]
    horizon: int
    execution: Execution
    feature_set_id: str
    receipts: tuple[Receipt, ...]
    learning: Learning

    def recipe(self, model: ModelParams, tuned: Mapping[str, Any]) -> RecipePlan:
        """The recipe of one model of the head.

        Args:
            model: Parameters from configuration.
            tuned: What tuning found: its ``values`` replace those of ``model``; empty for a model that is not tuned.
        """
        recipe = RecipePlan(
            params=model.root,
            kind=self.kind,
            preprocess=self.learning.preprocess,
            feature_set_id=self.feature_set_id,
            seed=self.learning.seed,
            tail=self.learning.tail,
        )
        return recipe.with_values(tuned.get("values", {}))


def make_plan(
    head: Head, labels: pl.DataFrame, manifest: Mapping[str, Any], feature_set_id: str, learning: Learning
) -> Plan:
    """Fix everything that must be fixed before the first fit.

    Args:
        head: The head.
        labels: Its labels table.
        manifest: What ``make_labels`` said about it: horizon and execution.
        feature_set_id: Identity of the features the models will see.
        learning: How to split, fit and tune.

    Raises:
        SplitError: The labels cannot be split as asked.
    """
    models: dict[str, Role] = dict.fromkeys(head.models, "model")
    return Plan(
        head=head.name,
        kind=head.kind,
        roles=models | dict.fromkeys(head.baselines, "baseline"),
        horizon=manifest["horizon"],
        execution=Execution.model_validate(manifest["execution"]),
        feature_set_id=feature_set_id,
        receipts=tuple(plan_folds(labels, learning.splits)),
        learning=learning,
    )
