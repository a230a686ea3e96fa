"""Nodes of the stage ``reporting``."""

from typing import Any

import polars as pl

from assay.market import evaluation
from assay.market.audit.after_fits import complete, temper
from assay.market.contest import contest
from assay.market.evaluation import EvaluationRule
from assay.market.null_check import rules_digest
from assay.market.plan import Plan
from assay.market.primary import Primary
from assay.market.trading import BacktestRule
from assay.market.verdict import Backtest, Findings, VerdictRule, verdict
from assay.report import build_plots, build_report, comparison_table
from assay.report.gather import head_findings, report_facts, taking_part

Document = dict[str, Any]


def evaluate(oos: pl.DataFrame, bars: pl.DataFrame, plan: Document, params: EvaluationRule) -> Document:
    """Every number about the predictions of one head."""
    fixed = Plan.model_validate(plan)
    if fixed.absent:
        return {"absent": fixed.absent}
    known, roles = evaluation.with_trend(oos, bars, params), fixed.present(oos)
    return evaluation.evaluate(known, kind=fixed.kind, roles=roles, horizon=fixed.horizon, rule=params)


def compare(oos: pl.DataFrame, plan: Document, params: EvaluationRule) -> Document:
    """Which models of one head can be told apart, counting how many there are."""
    fixed = Plan.model_validate(plan)
    if fixed.absent:
        return {"absent": fixed.absent}
    return contest(oos, roles=fixed.present(oos), horizon=fixed.horizon, rule=params)


def gather(primary: Primary, **parts: Any) -> Document:  # noqa: ANN401
    """Everything the page says about one head."""
    return head_findings(**parts, primary=primary)


def judge(
    primary: Primary, rule: VerdictRule, judged: EvaluationRule, traded: BacktestRule, **found: Document
) -> Document:
    """What the numbers amount to for the declared primary, before the leak audit has its say; and by which rules.

    ``found``: documents of every traded head, by ``<head>.<noun>``.
    """
    head = primary.head
    contests = {name.removesuffix(".contest"): told for name, told in found.items() if name.endswith(".contest")}
    told = Findings(
        evaluation=found[f"{head}.metrics"],
        backtest=Backtest.of(found[f"{head}.backtest"]["models"], primary.model),
        significance=found[f"{head}.significance"],
        seeds=found[f"{head}.seeds"],
        contests={name: contest for name, contest in contests.items() if "absent" not in contest},
    )
    return verdict(told, primary=primary, rule=rule) | {"judged_by": rules_digest(rule, judged, traded)}


def summarise(
    primary: Primary, judged: Document, *, audit: Document, replay: Document, **findings: Document
) -> Document:
    """The verdict as the leak audit leaves it, and the leak audit in whole."""
    whole = complete(audit, replay=replay, heads=taking_part(findings))
    tempered = temper(judged, whole, model=primary.model)
    return {"primary": primary.model_dump(mode="json"), "verdict": tempered, "audit": whole}


def write(
    summary: Document, *, workload: str, heads: tuple[str, ...], **known: Document
) -> tuple[str, str, pl.DataFrame]:
    """The page, its key plots by themselves, and its comparison of models as a table."""
    findings = {head: known.pop(head) for head in heads}
    facts = report_facts(workload, summary=summary, about=known, findings=findings)
    return build_report(facts), build_plots(facts), comparison_table(facts)
