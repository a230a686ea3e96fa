"""What an ensemble did in every fold, and what it would do next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from assay.market.ensembles.pools import Pool, fit_log_pool, fit_ridge, log_losses
from assay.market.ensembles.rules import Mean, SoftVoting, Stacking, equal_weights
from assay.market.ensembles.table import FoldRule, Table, seen
from assay.market.models.base import Floats
from assay.market.splits import Mask
from assay.market.workload import Kind


@dataclass(frozen=True)
class Step:
    """How one fold, or the time after the last one, is answered.

    Attributes:
        fold: Number of the fold; None after the last one.
        pool: What is applied; None for a second stage.
        fitted_on: Folds that something was learned from.
        rows: Rows that it was learned from.
        fallback: Why nothing learned is applied; None where it is, or where there is nothing to learn.
        accepted_on: Fold that decided whether what was learned is applied.
        gain: How much smaller the loss is there than with equal weights: log loss, or squared error in units of
            ``scale``.
    """

    fold: int | None
    pool: Pool | None
    fitted_on: tuple[int, ...] = ()
    rows: int = 0
    fallback: str | None = None
    accepted_on: int | None = None
    gain: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON; ``fold`` is left out after the last one."""
        pool = self.pool.to_dict() if self.pool else {"pool": None, "weights": None, "intercepts": None}
        return {
            **({"fold": self.fold} if self.fold else {}),
            "fitted_on": list(self.fitted_on),
            "rows": self.rows,
            **pool,
            "fallback": self.fallback,
            "accepted_on": self.accepted_on,
            "gain": self.gain,
        }


@dataclass(frozen=True)
class Contender:
    """An ensemble that was made.

    Attributes:
        kind: Kind of its rule.
        members: Whose answers it is made of.
        absent: Why others are not among them.
        answers: Its answers to all rows: probabilities, shape (rows, 3), or returns, shape (rows,).
        steps: One per fold, oldest first, and one for the time after the last fold.
        fits: What each fit has seen, as the check of the fit scope reads it.
        files: Fitted second stages: ``fold_<number>/<file>`` and ``final/<file>``.
        settings: Parameters of the rule that an answer needs.
    """

    kind: str
    members: tuple[str, ...]
    absent: Mapping[str, str]
    answers: Floats
    steps: Sequence[Step]
    fits: Sequence[dict[str, Any]] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    settings: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        told = [step.to_dict() for step in self.steps]
        return {
            "kind": self.kind,
            "members": list(self.members),
            "absent": dict(self.absent),
            "settings": dict(self.settings),
            "folds": told[:-1],
            "final": told[-1],
        }


@dataclass(frozen=True)
class Roll:
    """Members of an ensemble.

    Attributes:
        present: Those that answer.
        absent: Why the others do not.
    """

    present: tuple[str, ...]
    absent: Mapping[str, str]


def vote(table: Table, folds: Sequence[FoldRule], rule: Mean | SoftVoting, *, roll: Roll) -> Contender:
    """A pool whose weights were fixed beforehand: the same in every fold, with nothing to learn.

    Args:
        table: Answers of the members.
        folds: The folds, and the time after the last one.
        rule: Whose mean, and with which weights.
        roll: Who is there.
    """
    given = rule.weights if isinstance(rule, SoftVoting) else equal_weights(roll.present)
    total = sum(given[member] for member in roll.present)
    pool = Pool("linear", {member: given[member] / total for member in roll.present})
    steps = [Step(fold.fold, pool) for fold in folds]
    return Contender(rule.kind, roll.present, roll.absent, pool.apply(table.answers), steps)


def stack(table: Table, folds: Sequence[FoldRule], rule: Stacking, *, roll: Roll, name: str) -> Contender:
    """A pool whose weights each fold learns from the out-of-sample answers of older folds.

    For fold k weights are fitted on folds up to k-2, accepted on fold k-1 if their loss there is smaller than that of
    equal weights, and applied on fold k; equal weights where there are no such folds, too few rows, or no gain.

    Args:
        table: Answers of the members, and what came.
        folds: What each fold may learn from.
        rule: How weights are learned.
        roll: Who is there.
        name: Name of the ensemble.
    """
    steps = [_learn(table, fold, rule, roll.present) for fold in folds]
    answers = np.empty_like(table.answers[roll.present[0]])
    for fold, step in zip(folds, steps, strict=True):
        if step.pool:
            answers[fold.apply] = step.pool.apply(table.of(roll.present, fold.apply))
    judged = [fold for fold, step in zip(folds, steps, strict=True) if step.accepted_on and fold.fold]
    fits = [seen(table, fold, fold.fit | fold.accept, model=name, what="ensemble") for fold in judged]
    return Contender(rule.kind, roll.present, roll.absent, answers, steps, fits)


def _learn(table: Table, fold: FoldRule, rule: Stacking, members: tuple[str, ...]) -> Step:
    even, rows = Pool("linear", equal_weights(members)), int(fold.fit.sum())
    if fold.accepted_on is None:
        return Step(fold.fold, even, fallback="equal weights: no two older folds to fit and to accept others on")
    if rows < rule.min_rows or not fold.accept.any():
        counted = f"{rows} outcomes to fit on and {int(fold.accept.sum())} to accept on were known"
        return Step(fold.fold, even, fallback=f"equal weights: {counted}, {rule.min_rows} and 1 are needed")
    fitted = _fit(table, fold.fit, rule, members)
    gain = _loss(table, fold.accept, even) - _loss(table, fold.accept, fitted)
    judged: dict[str, Any] = {"fitted_on": fold.fitted_on, "rows": rows, "accepted_on": fold.accepted_on, "gain": gain}
    if gain > 0:
        return Step(fold.fold, fitted, **judged)
    return Step(
        fold.fold, even, fallback=f"equal weights: fitted ones gain nothing on fold {fold.accepted_on}", **judged
    )


def _fit(table: Table, mask: Mask, rule: Stacking, members: tuple[str, ...]) -> Pool:
    answers, y = table.of(members, mask), table.y[mask]
    if _kind(table, members) == "classification":
        return fit_log_pool(answers, y, penalty=rule.penalty)
    return fit_ridge(answers, y, scale=table.scale[mask], penalty=rule.penalty)


def _loss(table: Table, mask: Mask, pool: Pool) -> float:
    members = tuple(pool.weights)
    out = pool.apply(table.of(members, mask))
    if _kind(table, members) == "classification":
        return float(log_losses(out, table.y[mask]).mean())
    return float((((table.y[mask] - out) / table.scale[mask]) ** 2).mean())


def _kind(table: Table, members: tuple[str, ...]) -> Kind:
    return "classification" if table.answers[members[0]].ndim == 2 else "regression"
