"""What is declared before a run has to fit together: checked before the first node, not after the last fit."""

from collections.abc import Collection, Sequence

from assay.market.errors import ConfigurationError
from assay.market.evaluation import EvaluationRule
from assay.market.metrics import METRICS
from assay.market.verdict import DIRECTION_METRICS, Primary, VerdictRule
from assay.market.workload import Head


def check_claim(heads: Sequence[Head], primary: Primary) -> None:
    """The declared claim is about a head that exists, a model that every head has, and a measure of direction.

    Args:
        heads: Heads of the workload.
        primary: The claim.

    Raises:
        ConfigurationError: It is not; with the names that could be meant.
    """
    by_name = {head.name: head for head in heads}
    _require("primary.head", [primary.head], by_name)
    common = set.intersection(*(set(head.contenders) for head in heads))
    _require("primary.model", [primary.model], [name for name in heads[0].contenders if name in common])
    measured = METRICS[by_name[primary.head].kind]
    _require("primary.metric", [primary.metric], [name for name in DIRECTION_METRICS if name in measured])


def check_reporting(heads: Sequence[Head], evaluation: EvaluationRule, rule: VerdictRule, *, folds: int) -> None:
    """Baselines, metrics and folds that the report names exist.

    Args:
        heads: Heads of the workload.
        evaluation: How heads are evaluated.
        rule: Where the verdict draws its lines.
        folds: Number of test folds.

    Raises:
        ConfigurationError: One does not; with the names that could be meant.
    """
    for head in heads:
        if head.kind == "classification":
            _require("evaluation.prior", [evaluation.prior], head.baselines)
    for kind, wanted in rule.wanted.items():
        _require(f"verdict.wanted.{kind}", wanted, METRICS[kind])
    _require("evaluation.common_from_fold", [evaluation.common_from_fold], range(1, folds + 1))


def _require(parameter: str, named: Collection[object], there: Collection[object]) -> None:
    if unknown := [str(name) for name in named if name not in there]:
        raise ConfigurationError(
            f"parameter '{parameter}'",
            "names what is not there",
            expected=f"one of {', '.join(map(str, there))}",
            found=", ".join(unknown),
            do="name one of these",
        )
