"""Volatility features against slow formulas, hand-made values and TA-Lib."""

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
import talib

from assay.market.features import engineer
from assay.market.features.feature import REGISTRY


def realised(n: int) -> Any:
    return lambda b: np.diff(np.log(b.close[-n - 1 :])).std(ddof=1)


def atr(b: Any, n: int = 14) -> Any:
    average = b.high[1] - b.low[1]
    for high, low, before in zip(b.high[2:], b.low[2:], b.close[1:-1], strict=True):
        average += (max(high, before) - min(low, before) - average) / n
    return average / b.close[-1]


def garman_klass(b: Any, n: int = 20) -> Any:
    spread, move = np.log(b.high / b.low)[-n:], np.log(b.close / b.open)[-n:]
    return math.sqrt(np.mean(0.5 * spread**2 - (2 * math.log(2) - 1) * move**2))


def bands(b: Any, n: int = 20) -> Any:
    middle, deviation = b.close[-n:].mean(), b.close[-n:].std()
    return middle - 2 * deviation, middle, middle + 2 * deviation


def place_in_bands(b: Any) -> Any:
    lower, _, upper = bands(b)
    return (b.close[-1] - lower) / (upper - lower)


def width_of_bands(b: Any) -> Any:
    lower, middle, upper = bands(b)
    return (upper - lower) / middle


ORACLES = {
    "atr_14": atr,
    "realised_volatility_10": realised(10),
    "realised_volatility_20": realised(20),
    "realised_volatility_60": realised(60),
    "parkinson_20": lambda b: math.sqrt(np.mean(np.log(b.high / b.low)[-20:] ** 2) / (4 * math.log(2))),
    "garman_klass_20": garman_klass,
    "volatility_ratio_10_60": lambda b: realised(10)(b) / realised(60)(b),
    "bollinger_position_20": place_in_bands,
    "bollinger_width_20": width_of_bands,
}


@pytest.mark.parametrize("name", ORACLES)
def test_agrees_with_the_slow_formula(helpers: SimpleNamespace, name: str) -> None:
    helpers.agrees(name, ORACLES[name])


def test_every_feature_has_an_oracle() -> None:
    assert set(ORACLES) == {f.name for f in REGISTRY.values() if f.family == "volatility"}


def test_bands_agree_with_talib(helpers: SimpleNamespace) -> None:
    panel = helpers.market_panel(3, entities=1, bars=200)
    features, _ = engineer(panel, helpers.rule("volatility"))
    close = panel["close"].to_numpy()
    upper, middle, lower = talib.BBANDS(close, 20, 2, 2)
    np.testing.assert_allclose(features["bollinger_width_20"].to_numpy(), (upper - lower) / middle, rtol=1e-5)
    np.testing.assert_allclose(
        features["bollinger_position_20"].to_numpy(), (close - lower) / (upper - lower), rtol=1e-5, atol=1e-6
    )


def test_ranges_made_by_hand(helpers: SimpleNamespace) -> None:
    """With high = e low and open = close every bar is 1 / (4 ln 2) and 1/2 in variance."""
    panel = helpers.market_panel(entities=1, bars=25).with_columns(open="close", high=pl.col("low") * math.e)
    features, _ = engineer(panel, helpers.rule("volatility", max_stale_open_share=1))
    assert features["parkinson_20"][-1] == pytest.approx(math.sqrt(1 / (4 * math.log(2))))
    assert features["garman_klass_20"][-1] == pytest.approx(math.sqrt(0.5))
