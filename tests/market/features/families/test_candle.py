"""Candle features against slow formulas and hand-made bars."""

from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from assay.market.features import engineer
from assay.market.features.feature import REGISTRY


def last_range(b: Any) -> Any:
    return b.high[-1] - b.low[-1]


ORACLES = {
    "body": lambda b: (b.close[-1] - b.open[-1]) / last_range(b),
    "upper_wick": lambda b: (b.high[-1] - max(b.open[-1], b.close[-1])) / last_range(b),
    "lower_wick": lambda b: (min(b.open[-1], b.close[-1]) - b.low[-1]) / last_range(b),
    "close_location": lambda b: 2 * (b.close[-1] - b.low[-1]) / last_range(b) - 1,
    "gap": lambda b: b.open[-1] / b.close[-2] - 1,
    "relative_range_20": lambda b: last_range(b) / b.close[-1] / ((b.high - b.low) / b.close)[-20:].mean(),
}


@pytest.mark.parametrize("name", ORACLES)
def test_agrees_with_the_slow_formula(helpers: SimpleNamespace, name: str) -> None:
    helpers.agrees(name, ORACLES[name])


def test_every_feature_has_an_oracle() -> None:
    assert set(ORACLES) == {f.name for f in REGISTRY.values() if f.family == "candle"}


def test_bars_made_by_hand(helpers: SimpleNamespace) -> None:
    bars = {"open": [10.0, 12, 9, None], "high": [14.0, 12, 9, 9], "low": [10.0, 8, 9, 8], "close": [13.0, 9, 9, 8.5]}
    panel = helpers.market_panel(entities=1, bars=4).with_columns(**{k: pl.Series(v) for k, v in bars.items()})
    features, _ = engineer(panel, helpers.rule("candle", max_stale_open_share=1))
    assert features["body"].to_list() == pytest.approx([0.75, -0.75, None, None])
    assert features["upper_wick"].to_list() == pytest.approx([0.25, 0, None, None])
    assert features["lower_wick"].to_list() == pytest.approx([0, 0.25, None, None])
    assert features["close_location"].to_list() == pytest.approx([0.5, -0.5, None, 0])
    assert features["gap"].to_list() == pytest.approx([None, 12 / 13 - 1, 0, None])
