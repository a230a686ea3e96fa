"""The plan of a head: everything that is fixed before the first model is fitted."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import polars as pl
from pydantic import Field, model_validator

from assay.market.errors import ConfigurationError, DataError
from assay.market.execution import Execution
from assay.market.models import ModelParams
from assay.market.parameters import Parameters
from assay.market.parts import Seen, check_same_rows
from assay.market.prepared import content_hash, split_input
from assay.market.progress import Track, silent
from assay.market.recipe import RecipePlan
from assay.market.selection import Selection, SelectionRule, Task, select
from assay.market.splits import Mask, Receipt, SplitRule, before_first_fold, plan_folds, split_rows
from assay.market.tuning import Budget, TuningPlan, inner_receipts
from assay.market.walk_forward import Fold
from assay.market.weights import WeightRule
from assay.market.workload import Head, Kind

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

Role = Literal["model", "baseline"]


class Profile(Parameters):
    """How much a run does.

    Attributes:
        leave_out: Names of models that take part in no fit.
        tuning: How much the search may do.
    """

    leave_out: tuple[str, ...] = ()
    tuning: Budget = Budget()


class Learning(Parameters):
    """How every model of a workload is fitted and tuned.

    Attributes:
        profile: Which of the ``profiles`` this run follows.
        profiles: How much a run does, by name.
        seed: Seed of every fit and of the search.
        seeds: How many seeds the declared primary is fitted with on every fold, this one included.
        splits: How the history is cut into training parts and test folds.
        tail: Share of the newest training timestamps that early stopping watches.
        selection: How features are chosen inside a training part, once for all models of a head.
        weights: How the rows of a training part are weighted.
        standardise: Whether features are brought to mean 0 and standard deviation 1; linear models need it.
    """

    profile: str = "quick"
    profiles: dict[str, Profile] = Field(default_factory=lambda: {"quick": Profile()})
    seed: int = Field(default=0, ge=0)
    seeds: int = Field(default=3, ge=1)
    splits: SplitRule = SplitRule()
    tail: float = Field(default=0.15, gt=0, lt=1)
    selection: SelectionRule = SelectionRule()
    weights: WeightRule = WeightRule(kind="uniqueness")
    standardise: bool = True

    @model_validator(mode="after")
    def _known_profile(self) -> Self:
        if self.profile not in self.profiles:
            raise ValueError(f"profile: {self.profile!r} is none of the profiles {sorted(self.profiles)}")
        return self

    @property
    def tuning(self) -> Budget:
        """How much the search of this run may do."""
        return self.profiles[self.profile].tuning

    def task(self, kind: Kind) -> Task:
        """What features of a head of ``kind`` are chosen for."""
        return Task(kind=kind, seed=self.seed, tail=self.tail, weights=self.weights)


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
        selections: Features chosen in each training part: ``all``, ``fold 1`` ..., and ``inner 1`` ... of the search;
            empty in a draft.
        rows: Hash of the features and labels that they were chosen on, which the leak audit had let through; empty in
            a draft.
        absent: Why the data cannot be labelled, so that no model takes part; None where they are.
    """

    head: str
    kind: Kind
    roles: dict[str, Role]
    horizon: int
    execution: Execution
    feature_set_id: str
    receipts: tuple[Receipt, ...]
    learning: Learning
    selections: dict[str, Selection] = Field(default_factory=dict)
    rows: str = ""
    absent: str | None = None

    def open(self, model_input: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Features and labels to fit on, if they are those that the plan was made for.

        Without this, a stage that is run by itself would fit an old plan to features that the audit never let through.

        Args:
            model_input: The prepared dataset.

        Raises:
            DataError: Its values are not those that the features were chosen on.
        """
        features, labels = split_input(model_input)
        if (found := content_hash(features, labels)) != self.rows:
            raise DataError(
                f"model_input of head {self.head}",
                "is not the one that its plan was made for",
                expected=f"content {self.rows[:16] or 'of a plan, not of a draft'}",
                found=f"content {found[:16]}",
                do="run the stages leak_audit and selection before this one, or `assay resume`",
            )
        return features, labels

    def recipe(self, model: ModelParams, tuned: Mapping[str, Any]) -> RecipePlan:
        """The recipe of one model of the head.

        Args:
            model: Parameters from configuration.
            tuned: What tuning found: its ``values`` replace those of ``model``, and what it has ``seen`` is one of the
                fits; empty for a model that is not tuned.
        """
        recipe = RecipePlan(
            params=model.root,
            kind=self.kind,
            feature_set_id=self.feature_set_id,
            seed=self.learning.seed,
            tail=self.learning.tail,
            weights=self.learning.weights,
            standardise=self.learning.standardise,
            tuned=Seen.from_dict(tuned["seen"]) if tuned.get("seen") else None,
        )
        return recipe.with_values(tuned.get("values", {}))

    def left_out(self, model: str, params: ModelParams) -> str | None:
        """Why a model takes part in no fit of this run; None when it does.

        Args:
            model: Its name.
            params: Its parameters from configuration.
        """
        if self.absent:
            return self.absent
        if model in self.learning.profiles[self.learning.profile].leave_out:
            return f"left out by the profile {self.learning.profile}"
        return params.root.missing()

    def present(self, predictions: pl.DataFrame) -> dict[str, Role]:
        """The contenders in a table of predictions with their roles; what is made of others' answers is a model."""
        names = predictions["model"].unique(maintain_order=True)
        return {name: self.roles.get(name, "model") for name in names}

    def search(
        self, model: ModelParams, storage: "BaseStorage", *, clock: Callable[[], float] | None = None
    ) -> TuningPlan:
        """What to tune of one model of the head.

        Args:
            model: Parameters from configuration, search ranges included.
            storage: Where the study is kept.
            clock: Seconds that only ever grow, for a limit of time.

        Raises:
            ConfigurationError: The plan is a draft.
        """
        return TuningPlan(
            recipe=self.recipe(model, {}),
            budget=self.learning.tuning,
            embargo=self.learning.splits.embargo,
            selections=tuple(self.selection(f"inner {n}") for n in range(1, self.learning.tuning.inner_folds + 1)),
            storage=storage,
            clock=clock,
        )

    def folds(self) -> tuple[Fold, ...]:
        """The test folds with the features chosen for each.

        Raises:
            ConfigurationError: The plan is a draft.
        """
        return tuple(Fold(receipt, self.selection(f"fold {receipt.fold}")) for receipt in self.receipts)

    def selection(self, part: str) -> Selection:
        """The features chosen in one training part.

        Raises:
            ConfigurationError: There is no such choice, e.g. because the plan is a draft.
        """
        if part not in self.selections:
            raise ConfigurationError(
                f"plan of head {self.head}",
                f"has no selection of features for '{part}'",
                expected="one for 'all', every fold and every inner fold",
                found=sorted(self.selections),
                do="run the stage selection with the present parameters",
            )
        return self.selections[part]


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
        receipts=() if manifest["absent"] else tuple(plan_folds(labels, learning.splits)),
        learning=learning,
        absent=manifest["absent"],
    )


def training_parts(labels: pl.DataFrame, plan: Plan) -> dict[str, Mask]:
    """The rows of every training part in which something is fitted.

    Args:
        labels: Labels table that was planned on.
        plan: Its plan.

    Returns:
        Masks of shape (rows,): ``all`` rows for the final models, ``fold 1`` ... of the walk-forward test, ``inner 1``
        ... of the search before the first test fold.

    Raises:
        SplitError: Too few rows before the first test fold.
    """
    learning, early = plan.learning, before_first_fold(labels, plan.receipts)
    parts = {"all": np.ones(labels.height, dtype=bool)}
    parts |= {f"fold {receipt.fold}": split_rows(labels, receipt)[0] for receipt in plan.receipts}
    before = labels.filter(early)
    for receipt in inner_receipts(before, learning.tuning, embargo=learning.splits.embargo):
        rows = np.zeros(labels.height, dtype=bool)
        rows[early] = split_rows(before, receipt)[0]
        parts[f"inner {receipt.fold}"] = rows
    return parts


def choose_features(features: pl.DataFrame, labels: pl.DataFrame, plan: Plan, *, track: Track = silent) -> Plan:
    """Choose features once in every training part, for all models of the head.

    Args:
        features: Features table, all rows.
        labels: Labels table of the same rows in the same order.
        plan: The draft.
        track: Shows the progress over the training parts.

    Returns:
        The plan with its ``selections``; each has seen no row outside its training part, nor its early-stopping tail.

    Raises:
        DataError: Features and labels are not the same rows, or no feature can be used in a training part.
        SplitError: A training part is too small.
    """
    check_same_rows(features, labels)
    rule, task = plan.learning.selection, plan.learning.task(plan.kind)
    parts = {} if plan.absent else training_parts(labels, plan)
    selections = {
        name: select(features.filter(parts[name]), labels.filter(parts[name]), rule, task=task)
        for name in track(list(parts), "training parts")
    }
    return plan.model_copy(update={"selections": selections, "rows": content_hash(features, labels)})
