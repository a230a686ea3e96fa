"""What is declared before a run has to fit together."""

import re
from typing import Any

import pytest

from assay.market.claim import check_claim, check_profile, check_reporting
from assay.market.errors import ConfigurationError
from assay.market.evaluation import EvaluationRule
from assay.market.plan import Learning, Profile
from assay.market.primary import Primary
from assay.market.verdict import VerdictRule
from assay.market.workload import Head

HEADS = (
    Head("signal", "classification", models=("forest",), baselines=("class_prior", "drift", "logistic")),
    Head("forward_return", "regression", models=("forest",), baselines=("zero", "drift")),
    Head("interest", "regression", models=("network",), baselines=("zero",), traded=False),
)
ENSEMBLES = {"signal": ["stacking"], "forward_return": ["mean"]}
CLAIM = {"head": "signal", "model": "forest", "metric": "direction_ic"}


@pytest.mark.parametrize(
    "claim",
    [
        CLAIM,
        CLAIM | {"model": "drift"},
        CLAIM | {"head": "forward_return", "metric": "rank_ic"},
        CLAIM | {"model": "logistic", "partner": "zero"},
        CLAIM | {"model": "stacking", "partner": "mean"},
    ],
)
def test_a_claim_that_fits_is_let_through(claim: dict[str, str]) -> None:
    check_claim(HEADS, Primary(**claim), ensembles=ENSEMBLES)


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"head": "signl"}, "signal, forward_return"),
        ({"head": "interest"}, "signal, forward_return"),
        ({"model": "forst"}, "forest, class_prior, drift, logistic, stacking"),
        ({"model": "logistic"}, "forest, zero, drift, mean"),
        ({"partner": "stacking"}, "forest, zero, drift, mean"),
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
        check_claim(HEADS, Primary(**CLAIM | wrong), ensembles=ENSEMBLES)


def test_a_claim_about_a_model_that_takes_no_part_is_refused() -> None:
    learning = Learning(profiles={"quick": Profile(leave_out=("network",))})
    check_profile(HEADS, Primary(**CLAIM), learning)
    for wrong in ({"model": "network"}, {"partner": "network"}):
        with pytest.raises(ConfigurationError, match=r"quick.leave_out[\s\S]*found: network"):
            check_profile(HEADS, Primary(**CLAIM | wrong), learning)


def test_a_profile_leaves_out_what_is_there() -> None:
    learning = Learning(profiles={"quick": Profile(), "full": Profile(leave_out=("network", "netwrk"))})
    message = r"full.leave_out': names what is not there\n  expected: one of forest, .*, network\n  found: netwrk\n"
    with pytest.raises(ConfigurationError, match=message):
        check_profile(HEADS, Primary(**CLAIM), learning)


def test_the_partner_decides_in_the_other_heads() -> None:
    assert [Primary(**CLAIM).decides(head) for head in ("signal", "forward_return")] == ["forest", "forest"]
    paired = Primary(**CLAIM, partner="drift")
    assert [paired.decides(head) for head in ("signal", "forward_return")] == ["forest", "drift"]


def test_a_report_that_fits_is_let_through() -> None:
    wanted = {"classification": {"accuracy": 0.55}, "regression": {"r2": 0.1}}
    check_reporting(HEADS, EvaluationRule(common_from_fold=3), VerdictRule(wanted=wanted), folds=3)


@pytest.mark.parametrize(
    ("evaluation", "rule", "message"),
    [
        ({"prior": "nobody"}, {}, "'evaluation.prior': names what is not there\n  expected: one of class_prior, drift"),
        ({"prior": "zero"}, {}, "'evaluation.prior'"),
        ({}, {"naive": ["zero", "nobody"]}, "'verdict.naive': .*\n  expected: .*zero.*\n  found: nobody\n"),
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
