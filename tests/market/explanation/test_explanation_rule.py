"""What may be asked of an explanation."""

import pytest
from pydantic import ValidationError

from assay.market.explanation import ExplanationRule


def test_a_kind_of_model_that_is_not_there_is_named() -> None:
    with pytest.raises(ValidationError, match="there is no kind of model forest; there are: xgboost"):
        ExplanationRule(rows_by_kind={"forest": 5})


def test_rows_by_kind_come_before_rows() -> None:
    rule = ExplanationRule(rows=7, rows_by_kind={"ridge": 3})
    assert (rule.rows_of("ridge"), rule.rows_of("xgboost")) == (3, 7)


@pytest.mark.parametrize("field", ["rows", "features", "top"])
def test_counts_are_positive(field: str) -> None:
    with pytest.raises(ValidationError, match=field):
        ExplanationRule.model_validate({field: 0})
