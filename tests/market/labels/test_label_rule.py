"""The parameters of labels: null takes away what a base configuration says."""

from typing import Any

import pytest
from pydantic import ValidationError

from assay.market.labels import LabelRule

BASE: dict[str, Any] = {"kind": "fixed_horizon", "horizon": 5, "threshold": 0.5, "max_gap": "P1D"}


def test_null_makes_room_for_another_kind() -> None:
    rule = LabelRule.model_validate(BASE | {"kind": "triple_barrier", "threshold": None}).root
    assert rule.model_dump()["stop_loss"] == 1.0
    with pytest.raises(ValidationError, match="threshold"):
        LabelRule.model_validate(BASE | {"kind": "triple_barrier"})


def test_null_threshold_leaves_it_to_the_share() -> None:
    assert (
        LabelRule.model_validate(BASE | {"threshold": None, "neutral_share": 0.3}).root.model_dump()["neutral_share"]
        == 0.3
    )


def test_null_stays_where_it_means_something() -> None:
    given = {"kind": "triple_barrier", "horizon": 5, "max_gap": "P1D", "stop_loss": None}
    assert LabelRule.model_validate(given).root.model_dump()["stop_loss"] is None
