"""Ensembles of a head, made of nothing but the out-of-sample answers of its models."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from assay.market.ensembles.contender import Contender, Roll, stack, vote
from assay.market.ensembles.meta import Sources, contend_meta
from assay.market.ensembles.rules import EnsembleRule, EnsembleRules, Meta, Stacking, check_names
from assay.market.ensembles.table import Table, fold_rules, read_table
from assay.market.plan import Plan

SILENT = "has no out-of-sample answers"


@dataclass(frozen=True)
class Combined:
    """The models of a head and what was made of them.

    Attributes:
        oos: Predictions of all models, then of all ensembles, one after the other.
        document: ``contenders``: by ensemble ``kind, members, absent`` (reasons), ``folds`` and ``final``, see `Step`;
            ``left_out``: why others were not made; ``fits``: what each fit has seen.
        files: Fitted second stages: ``<ensemble>/fold_<number>/<file>`` and ``<ensemble>/final/<file>``.
    """

    oos: pl.DataFrame
    document: dict[str, Any]
    files: dict[str, bytes]


def second_stages(document: Mapping[str, Any]) -> list[str]:
    """Names of the contenders that decide whether a call of another is acted on.

    Args:
        document: What `combine` gave.
    """
    return [name for name, made in document["contenders"].items() if made["kind"] == "meta"]


def combine(
    raw_oos: pl.DataFrame, model_input: pl.DataFrame, *, plan: Plan, rules: EnsembleRules, left_out: Mapping[str, str]
) -> Combined:
    """Make the ensembles of a head.

    Nothing here learns from anything but out-of-sample answers of earlier folds whose outcomes were known, embargo
    included, before the fold that is answered; see `stack` and `contend_meta`. An ensemble may be a member of a later
    one. A member that did not take part in the run is left out and named; an ensemble of fewer than two, or whose
    base is not there, is not made.

    Args:
        raw_oos: Predictions of all models of the head, one after the other.
        model_input: The prepared dataset, for second stages.
        plan: Plan of the head.
        rules: The ensembles, in order.
        left_out: Why models took no part in the run.

    Raises:
        ConfigurationError: An ensemble has the name of a model, or names what the head does not have.
        DataError: The models do not answer the same rows, or the prepared dataset is not that of the plan.
    """
    check_names(rules, plan.roles, kind=plan.kind)
    table = read_table(raw_oos, plan.kind)
    sources = Sources(*plan.open(model_input), fold_rules(table.rows, plan.receipts), plan)
    reasons, made = dict(left_out), dict[str, Contender]()
    for name, rule in rules.root.items():
        roll = _roll(rule, table, reasons)
        if reason := _missing(rule, roll):
            reasons[name] = reason
            continue
        made[name] = _make(name, rule, table, sources=sources, roll=roll)
        table = replace(table, answers={**table.answers, name: made[name].answers})
    document = {
        "contenders": {name: contender.to_dict() for name, contender in made.items()},
        "left_out": {name: reasons[name] for name in rules.root if name in reasons},
        "fits": [fit for contender in made.values() for fit in contender.fits],
    }
    files = {f"{name}/{file}": content for name, made_of in made.items() for file, content in made_of.files.items()}
    return Combined(table.stacked(plan.kind) if made else raw_oos, document, files)


def _make(name: str, rule: EnsembleRule, table: Table, *, sources: Sources, roll: Roll) -> Contender:
    if isinstance(rule, Meta):
        return contend_meta(table, rule, sources, name=name)
    if isinstance(rule, Stacking):
        return stack(table, sources.folds, rule, roll=roll, name=name)
    return vote(table, sources.folds, rule, roll=roll)


def _roll(rule: EnsembleRule, table: Table, reasons: Mapping[str, str]) -> Roll:
    present = tuple(member for member in rule.reads if member in table.answers)
    return Roll(present, {member: reasons.get(member, SILENT) for member in rule.reads if member not in present})


def _missing(rule: EnsembleRule, roll: Roll) -> str | None:
    """Why an ensemble cannot be made."""
    needed = 1 if isinstance(rule, Meta) else 2
    if len(roll.present) < needed:
        absent = "; ".join(f"{member} ({reason})" for member, reason in roll.absent.items())
        return f"{len(roll.present)} of {len(rule.reads)} members there, {needed} needed; without {absent}"
    return rule.model.root.missing() if isinstance(rule, Meta) else None
