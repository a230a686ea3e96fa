"""A claim that cannot be judged stops the run before its first node."""

from typing import Any

import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Pipeline, node

from assay.hooks.claims import Claims
from assay.market.ensembles import EnsembleRules
from assay.market.errors import ConfigurationError
from assay.market.evaluation import EvaluationRule
from assay.market.plan import Learning
from assay.market.primary import Primary
from assay.market.verdict import VerdictRule

FITS = {
    "primary": Primary(head="signal", model="lightgbm"),
    "evaluation": EvaluationRule(),
    "verdict": VerdictRule(),
    "learning": Learning(),
}


def report(*_: object) -> None:
    """Takes any parameters."""


def look(asked: list[str], **declared: Any) -> None:
    """Run the hook for a pipeline of equity that asks for these parameters."""
    catalog = DataCatalog({f"params:equity.{name}": MemoryDataset(value) for name, value in (FITS | declared).items()})
    asks = node(report, [f"params:equity.{name}" for name in asked], "equity.out", name="asks", namespace="equity")
    Claims().before_pipeline_run(pipeline=Pipeline([asks]), catalog=catalog)


def test_what_fits_is_let_through() -> None:
    look(list(FITS))


def test_a_claim_is_checked_where_it_is_judged() -> None:
    wrong = Primary(head="signal", model="nobody")
    with pytest.raises(ConfigurationError, match=r"primary.model.*\n.*xgboost"):
        look(["primary"], primary=wrong)
    look(["learning"], primary=wrong)


@pytest.mark.parametrize(
    ("head", "rule", "said"),
    [
        ("signal", {"xgboost": {"kind": "mean", "members": ["lightgbm", "catboost"]}}, "the name of a model"),
        ("signal", {"stacking": {"kind": "stacking", "members": ["xgboost", "nobody"]}}, "found: nobody"),
        ("forward_return", {"meta": {"kind": "meta", "base": "xgboost", "model": {"kind": "logistic"}}}, "no class"),
    ],
)
def test_ensembles_are_checked_where_they_are_made(head: str, rule: dict[str, Any], said: str) -> None:
    wrong = {f"ensembles.{head}": EnsembleRules.model_validate(rule)}
    with pytest.raises(ConfigurationError, match=said):
        look([f"ensembles.{head}"], **wrong)
    look(["learning"], **wrong)


def test_what_the_report_is_asked_for_is_checked_with_the_number_of_folds() -> None:
    with pytest.raises(ConfigurationError, match=r"evaluation.prior"):
        look(list(FITS), evaluation=EvaluationRule(prior="nobody"))
    with pytest.raises(ConfigurationError, match=r"common_from_fold.*\n  expected: one of 1, 2, 3, 4, 5\n"):
        look(list(FITS), evaluation=EvaluationRule(common_from_fold=6))
