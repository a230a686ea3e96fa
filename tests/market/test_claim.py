"""What is declared before a run has to fit together."""

import re
from typing import Any

import pytest

from assay.market.claim import check_claim, check_reporting
from assay.market.errors import ConfigurationError
from assay.market.evaluation import EvaluationRule
from assay.market.verdict import Primary, VerdictRule
from assay.market.workload import Head

HEADS = (
    Head("signal", "classification", models=("forest",), baselines=("class_prior", "drift", "logistic")),
    Head("forward_return", "regression", models=("forest",), baselines=("zero", "drift")),
)
CLAIM = {"head": "signal", "model": "forest", "metric": "direction_ic"}


@pytest.mark.parametrize(
    "claim", [CLAIM, CLAIM | {"model": "drift"}, CLAIM | {"head": "forward_return", "metric": "rank_ic"}]
)
def test_a_claim_that_fits_is_let_through(claim: dict[str, str]) -> None:
    check_claim(HEADS, Primary(**claim))


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"head": "signl"}, "signal, forward_return"),
        ({"model": "forst"}, "forest, drift"),
        ({"model": "logistic"}, "forest, drift"),
        ({"metric": "sharpe"}, "direction_ic, direction_rank_ic"),
        ({"metric": "ic"}, "direction_ic, direction_rank_ic"),
    ],
)
def test_a_claim_that_cannot_be_judged_is_refused(wrong: dict[str, str], expected: str) -> None:
    ((field, value),) = wrong.items()
    message = (
        rf"parameter 'primary.{field}': names what is not there\n  expected: one of {expected}\n  found: {value}\n"
    )
    with pytest.raises(ConfigurationError, match=message):
        check_claim(HEADS, Primary(**CLAIM | wrong))


def test_a_report_that_fits_is_let_through() -> None:
    wanted = {"classification": {"accuracy": 0.55}, "regression": {"r2": 0.1}}
    check_reporting(HEADS, EvaluationRule(common_from_fold=3), VerdictRule(wanted=wanted), folds=3)


@pytest.mark.parametrize(
    ("evaluation", "rule", "message"),
    [
        ({"prior": "nobody"}, {}, "'evaluation.prior': names what is not there\n  expected: one of class_prior, drift"),
        ({"prior": "zero"}, {}, "'evaluation.prior'"),
        ({"common_from_fold": 4}, {}, "'evaluation.common_from_fold': .*\n  expected: one of 1, 2, 3\n  found: 4"),
        (
            {},
            {"wanted": {"regression": {"r3": 0.1}}},
            "'verdict.wanted.regression': .*\n  expected: .*r2.*\n  found: r3",
        ),
    ],
)
def test_a_report_that_cannot_be_made_is_refused(evaluation: Any, rule: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=re.compile(message)):
        check_reporting(HEADS, EvaluationRule(**{"common_from_fold": 1} | evaluation), VerdictRule(**rule), folds=3)
