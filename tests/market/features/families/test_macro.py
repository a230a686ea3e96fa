"""Macro features against slow formulas, and an oil price below zero."""

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from assay.market.features import engineer
from assay.market.features.feature import REGISTRY


def premium(b: Any, n: int = 20) -> Any:
    return math.log(b.vix_close[-1] / (100 * np.diff(np.log(b.close[-n - 1 :])).std(ddof=1) * math.sqrt(252)))


ORACLES = {
    "vix_distance_20": lambda b: b.vix_close[-1] / b.vix_close[-20:].mean() - 1,
    "vix_distance_60": lambda b: b.vix_close[-1] / b.vix_close[-60:].mean() - 1,
    "vix_change_1": lambda b: b.vix_close[-1] / b.vix_close[-2] - 1,
    "vix_change_5": lambda b: b.vix_close[-1] / b.vix_close[-6] - 1,
    "variance_premium_20": premium,
    "vix_age": lambda b: b.vix_age[-1],
    "wti_return_5": lambda b: b.wti_price[-1] / b.wti_price[-6] - 1,
    "wti_return_20": lambda b: b.wti_price[-1] / b.wti_price[-21] - 1,
    "wti_age": lambda b: b.wti_age[-1],
}


@pytest.mark.parametrize("name", ORACLES)
def test_agrees_with_the_slow_formula(helpers: SimpleNamespace, name: str) -> None:
    helpers.agrees(name, ORACLES[name])


def test_every_feature_has_an_oracle() -> None:
    assert set(ORACLES) == {f.name for f in REGISTRY.values() if f.family == "macro"}


def test_oil_below_zero_has_no_return(helpers: SimpleNamespace) -> None:
    """On 20 April 2020 WTI settled at -37 dollars."""
    panel = helpers.market_panel(entities=1, bars=10).with_columns(
        wti_price=pl.Series([20.0, 20, 20, 20, 20, 22, -37, 21, 20, 20])
    )
    features, _ = engineer(panel, helpers.rule("macro"))
    assert features["wti_return_5"].to_list() == pytest.approx([None] * 5 + [0.1, None, 0.05, 0, 0])


def test_a_feed_that_starts_late_is_null_until_its_window_is_full(helpers: SimpleNamespace) -> None:
    panel = helpers.market_panel(entities=1, bars=60).with_columns(
        vix_close=pl.when(pl.int_range(pl.len()) >= 30).then("vix_close")
    )
    features, _ = engineer(panel, helpers.rule("macro"))
    assert features["vix_distance_20"].is_null().to_list() == [True] * 49 + [False] * 11
