"""What is declared before a run has to fit together: checked before the first node, not after the last fit."""

from collections.abc import Collection, Mapping, Sequence

from assay.market.errors import ConfigurationError
from assay.market.evaluation import EvaluationRule
from assay.market.metrics import METRICS
from assay.market.plan import Learning
from assay.market.primary import DIRECTION_METRICS, Primary
from assay.market.verdict import VerdictRule
from assay.market.workload import Head


def check_claim(heads: Sequence[Head], primary: Primary, *, ensembles: Mapping[str, Collection[str]]) -> None:
    """The declared claim is about a head that is traded, models that its heads have, and a measure of direction.

    Args:
        heads: Heads of the workload.
        primary: The claim.
        ensembles: By head the names of its ensembles.

    Raises:
        ConfigurationError: It is not; with the names that could be meant.
    """
    traded = {head.name: head for head in heads if head.traded}
    _require("primary.head", [primary.head], traded)
    for head in sorted(traded.values(), key=lambda head: head.name != primary.head):
        there = [*head.contenders, *ensembles.get(head.name, ())]
        asked = "model" if head.name == primary.head or primary.partner is None else "partner"
        _require(f"primary.{asked}", [primary.decides(head.name)], there)
    measured = METRICS[traded[primary.head].kind]
    _require("primary.metric", [primary.metric], [name for name in DIRECTION_METRICS if name in measured])


def check_profile(heads: Sequence[Head], primary: Primary, learning: Learning) -> None:
    """What profiles leave out is there, and the model that is judged takes part.

    Args:
        heads: Heads of the workload.
        primary: The claim.
        learning: The profiles, and the one that the run follows.

    Raises:
        ConfigurationError: A profile leaves out what no head has, or that of the run the model that is judged.
    """
    there = list(dict.fromkeys(model for head in heads for model in head.contenders))
    for profile, rule in learning.profiles.items():
        _require(f"learning.profiles.{profile}.leave_out", rule.leave_out, there)
    left_out = learning.profiles[learning.profile].leave_out
    for name in (primary.model, primary.partner):
        if name in left_out:
            raise ConfigurationError(
                f"parameter 'learning.profiles.{learning.profile}.leave_out'",
                "names a model that the declared primary needs",
                found=name,
                do="choose another profile with --params profile=full, or another primary",
            )


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
    baselines = dict.fromkeys(name for head in heads for name in head.baselines)
    _require("verdict.naive", rule.naive, baselines | dict.fromkeys(VerdictRule().naive))
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
