"""Parameters of ensembles: what can be written, and what is refused before anything is fitted."""

from typing import Any

import pytest
from pydantic import ValidationError

from assay.market.ensembles import EnsembleRules, Meta, SoftVoting, Stacking, check_names
from assay.market.errors import ConfigurationError

STACK = {"kind": "stacking", "members": ["a", "b"]}
META = {"kind": "meta", "base": "a", "model": {"kind": "logistic"}}


def rules(**given: Any) -> EnsembleRules:
    return EnsembleRules.model_validate(given)


def test_kind_says_which_rule_it_is_and_order_is_kept() -> None:
    read = rules(z=STACK, a={"kind": "soft_voting", "weights": {"a": 2, "b": 1.5}}, m=META)
    assert [type(rule) for rule in read.root.values()] == [Stacking, SoftVoting, Meta]
    assert list(read.root) == ["z", "a", "m"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (STACK | {"members": ["a"]}, "at least 2"),
        (STACK | {"members": ["a", "a"]}, "named twice"),
        (STACK | {"penalty": 0}, "greater than 0"),
        (STACK | {"base": "a"}, "Extra inputs"),
        ({"kind": "soft_voting", "weights": {"a": 1, "b": 0}}, "greater than 0"),
        ({"kind": "vote", "members": ["a", "b"]}, "does not match any of the expected tags"),
        (META | {"model": {"kind": "ridge"}}, "ridge cannot learn right or wrong"),
        (META | {"threshold": 0.2}, "greater than or equal to 0.33"),
    ],
)
def test_what_makes_no_sense_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        rules(e=given)


def test_a_name_is_a_folder_of_a_bundle() -> None:
    with pytest.raises(ValidationError, match="pattern"):
        rules(**{"../e": STACK})


def test_an_ensemble_may_be_a_member_of_a_later_one() -> None:
    check_names(
        rules(first=STACK, second={"kind": "mean", "members": ["first", "c"]}), ["a", "b", "c"], kind="regression"
    )


@pytest.mark.parametrize(
    ("given", "kind", "said"),
    [
        ({"a": STACK}, "regression", "'a': has the name of a model"),
        ({"e": STACK | {"members": ["a", "x"]}}, "regression", r"'e': names members .*\n.*a, b, c\n.*found: x"),
        ({"e": STACK | {"members": ["a", "f"]}, "f": STACK}, "regression", "'e': names members"),
        ({"e": META}, "regression", "'e': judges calls, and this head calls no class"),
    ],
)
def test_ensembles_are_made_of_what_there_is(given: dict[str, Any], kind: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        check_names(rules(**given), ["a", "b", "c"], kind=kind)
