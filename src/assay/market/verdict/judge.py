"""From the documents of a run to what they amount to."""

from typing import Any

from assay.market.errors import ConfigurationError
from assay.market.primary import DIRECTION_METRICS, Primary
from assay.market.verdict.findings import Case, Facts, Findings
from assay.market.verdict.reasons import headline, reasons
from assay.market.verdict.rule import VerdictRule
from assay.market.verdict.rules import level, rulings
from assay.market.verdict.wanted import check_wanted, judge_wanted


def verdict(findings: Findings, *, primary: Primary, rule: VerdictRule) -> dict[str, Any]:
    """Judge the primary claim.

    Args:
        findings: What was found.
        primary: The declared claim.
        rule: Lines and wanted levels.

    Returns:
        ``level``, ``headline`` (one sentence), ``reasons`` (each ``about``, a word or two, and what is ``said``),
        ``rules`` (in their order ``name, said, holds``; ``holds`` is None where nothing is known) and ``wanted`` (one
        entry per wanted level: ``name, metric, unit, wanted, found, low, high, status, trivial, note``).

    Raises:
        ConfigurationError: The primary's model or metric is not in the evaluation, the metric is not direction, or a
            level is wanted of a metric that does not exist.
    """
    _check(findings.evaluation, primary)
    check_wanted(findings.evaluation, rule)
    case = Case(findings, primary, rule)
    found = rulings(case)
    reached = level(case, found)
    return {
        "level": reached,
        "headline": headline(case, reached, found),
        "reasons": reasons(case, reached),
        "rules": [ruling.to_dict() for ruling in found],
        "wanted": judge_wanted(case),
    }


def _check(evaluation: Facts, primary: Primary) -> None:
    models = [name for name, told in evaluation["models"].items() if told["role"] != "volatility_only"]
    if primary.model not in models:
        raise ConfigurationError(
            "primary.model",
            "was not evaluated",
            expected=f"one of {', '.join(models)}",
            found=primary.model,
            do="name a model of the primary's head",
        )
    allowed = [name for name in DIRECTION_METRICS if name in evaluation["metric_info"]]
    if primary.metric not in allowed:
        raise ConfigurationError(
            "primary.metric",
            f"does not measure direction on a {evaluation['kind']} head",
            expected=f"one of {', '.join(allowed)}",
            found=primary.metric,
            do="choose one of these; other metrics also reward knowing volatility",
        )
