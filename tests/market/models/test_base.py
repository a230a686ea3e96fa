"""Parameters, search ranges and the decision rule."""

import numpy as np
import pytest
from pydantic import ValidationError

from assay.market.errors import ConfigurationError
from assay.market.models import ModelParams, ModelRule, build, called
from assay.market.models.base import spread

RANGE = {"low": 0.01, "high": 0.2, "log": True}


def params(**fields: object) -> ModelRule:
    return ModelParams.model_validate(fields).root


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "xgbost"}, "xgbost.*does not match any of the expected tags"),
        ({"kind": "xgboost", "dept": 3}, "Extra inputs are not permitted"),
        ({"kind": "xgboost", "subsample": 1.5}, "less than or equal to 1"),
        ({"kind": "xgboost", "search": {"dept": RANGE}}, "'dept' is no numeric parameter of xgboost.*max_depth"),
        ({"kind": "xgboost", "search": {"kind": RANGE}}, "'kind' is no numeric parameter"),
        ({"kind": "xgboost", "search": {"threads": {"low": 0, "high": 2}}}, "'threads' is no numeric parameter"),
        ({"kind": "zero", "search": {"alpha": RANGE}}, "'alpha' is no numeric parameter of zero"),
        ({"kind": "ridge", "search": {"alpha": {"low": 5, "high": 5}}}, "low must be smaller than high.*low=5"),
        ({"kind": "ridge", "search": {"alpha": {"low": 0, "high": 5, "log": True}}}, "needs low > 0, found low=0"),
        ({"kind": "ridge", "search": {"alpha": {"low": -1, "high": 900}}}, "alpha=-1.0 is not allowed.*greater than"),
        (
            {"kind": "xgboost", "search": {"max_depth": {"low": 2.5, "high": 6}}},
            "max_depth=2.5 is not allowed.*integer",
        ),
        (
            {"kind": "ridge", "alpha": 9, "search": {"alpha": {"low": 10, "high": 20}}},
            r"alpha=9.0 lies outside.*\[10.0, 20",
        ),
        (
            {
                "kind": "xgboost",
                "early_stopping_rounds": None,
                "search": {"early_stopping_rounds": {"low": 5, "high": 9}},
            },
            "early_stopping_rounds=None lies outside",
        ),
    ],
)
def test_wrong_parameters_are_named(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        params(**fields)


@pytest.mark.parametrize(
    ("span", "place"),
    [
        ({"low": 5, "high": 3}, ("range",)),
        ({"low": 5}, ("range", "high")),
        ({"options": []}, ("choice", "options")),
        (7, ("range",)),
    ],
)
def test_a_wrong_search_is_one_error_in_plain_words(span: object, place: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError) as refused:
        params(kind="ridge", search={"alpha": span})
    assert [error["loc"] for error in refused.value.errors()] == [("ridge", "search", "alpha", *place)]


def test_tuned_values_are_validated_and_whole_numbers_stay_whole() -> None:
    base = params(kind="xgboost", search={"max_depth": {"low": 2, "high": 8}, "learning_rate": RANGE})
    tuned = base.with_values({"max_depth": 6.0, "learning_rate": 0.1})
    assert tuned == params(kind="xgboost", max_depth=6, learning_rate=0.1, search=base.model_dump()["search"])
    assert type(tuned.model_dump()["max_depth"]) is int
    assert base.is_integer("max_depth")
    assert base.is_integer("early_stopping_rounds")
    assert not base.is_integer("learning_rate")
    with pytest.raises(ValidationError, match="integer"):
        base.with_values({"max_depth": 6.5})
    with pytest.raises(ValidationError, match="Extra inputs"):
        base.with_values({"depth": 6})


@pytest.mark.parametrize(
    ("probabilities", "decision"),
    [
        ([0.5, 0.3, 0.2], -1),
        ([0.2, 0.5, 0.3], 0),
        ([0.2, 0.3, 0.5], 1),
        ([1 / 3, 1 / 3, 1 / 3], 0),
        ([0.4, 0.2, 0.4], 0),
        ([0.4, 0.4, 0.2], 0),
        ([0.2, 0.4, 0.4], 0),
    ],
)
def test_only_the_single_most_probable_side_is_taken(probabilities: list[float], decision: int) -> None:
    assert called(np.array([probabilities])).tolist() == [decision]
    assert called(np.array([probabilities])).dtype == np.int8


def test_probabilities_go_to_their_own_columns() -> None:
    assert spread(np.array([[0.3, 0.7]]), np.array([-1, 1])).tolist() == [[0.3, 0.0, 0.7]]
    assert spread(np.array([[1.0]]), np.array([0])).tolist() == [[0.0, 1.0, 0.0]]


@pytest.mark.parametrize("kind", ["ridge", "zero"])
def test_a_model_of_values_cannot_classify(kind: str) -> None:
    with pytest.raises(ConfigurationError, match=f"model {kind}: cannot predict a classification head"):
        build(params(kind=kind), "classification", seed=0)


@pytest.mark.parametrize("kind", ["logistic", "class_prior"])
def test_a_classifier_cannot_give_values(kind: str) -> None:
    with pytest.raises(ConfigurationError, match=f"model {kind}: cannot predict a regression head"):
        build(params(kind=kind), "regression", seed=0)
