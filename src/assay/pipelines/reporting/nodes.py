"""Nodes of the stage ``reporting``."""

from typing import Any

import polars as pl

from assay.market import evaluation
from assay.market.audit.after_fits import complete, temper
from assay.market.evaluation import EvaluationRule
from assay.market.plan import Plan
from assay.market.primary import Primary
from assay.market.trading import BUY_AND_HOLD
from assay.market.verdict import Backtest, VerdictRule, verdict
from assay.report import build_report, comparison_table
from assay.report.gather import head_findings, report_facts, taking_part

Document = dict[str, Any]


def evaluate(oos: pl.DataFrame, plan: Document, params: EvaluationRule) -> Document:
    """Every number about the predictions of one head."""
    fixed = Plan.model_validate(plan)
    if fixed.absent:
        return {"absent": fixed.absent}
    return evaluation.evaluate(oos, kind=fixed.kind, roles=fixed.present(oos), horizon=fixed.horizon, rule=params)


def gather(primary: Primary, **parts: Any) -> Document:  # noqa: ANN401
    """Everything the page says about one head."""
    return head_findings(**parts, primary=primary)


def judge(primary: Primary, rule: VerdictRule, **findings: Document) -> Document:
    """What the numbers amount to for the declared primary, before the leak audit has its say."""
    found = findings[primary.head]
    judged, held = (found["backtest"][name]["performance"] for name in (primary.model, BUY_AND_HOLD))
    return verdict(found["evaluation"], Backtest(judged, held), primary=primary, rule=rule)


def summarise(
    primary: Primary, judged: Document, *, audit: Document, replay: Document, **findings: Document
) -> Document:
    """The verdict as the leak audit leaves it, and the leak audit in whole."""
    whole = complete(audit, replay=replay, heads=taking_part(findings))
    tempered = temper(judged, whole, model=primary.model)
    return {"primary": primary.model_dump(mode="json"), "verdict": tempered, "audit": whole}


def write(summary: Document, *, workload: str, heads: tuple[str, ...], **known: Document) -> tuple[str, pl.DataFrame]:
    """The page, and its comparison of models as a table."""
    findings = {head: known.pop(head) for head in heads}
    facts = report_facts(workload, summary=summary, about=known, findings=findings)
    return build_report(facts), comparison_table(facts)
