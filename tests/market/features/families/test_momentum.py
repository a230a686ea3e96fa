"""Momentum features against slow formulas, hand-made values and TA-Lib."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
import talib

from assay.market.features import engineer
from assay.market.features.feature import REGISTRY


def simple(n: int) -> Any:
    return lambda b: b.close[-1] / b.close[-1 - n] - 1


def per_risk(n: int) -> Any:
    def oracle(b: Any) -> Any:
        returns = np.diff(np.log(b.close[-n - 1 :]))
        return returns.sum() / (returns.std(ddof=1) * np.sqrt(n))

    return oracle


def rsi(b: Any, n: int = 14) -> Any:
    gain = loss = 0.0
    for step in np.diff(b.close):
        gain += (max(step, 0) - gain) / n
        loss += (max(-step, 0) - loss) / n
    return gain / (gain + loss)


def place(b: Any, n: int, back: int = 0) -> Any:
    end = len(b.close) - back
    low, high = b.low[end - n : end].min(), b.high[end - n : end].max()
    return (b.close[end - 1] - low) / (high - low)


def cci(b: Any, n: int = 20) -> Any:
    typical = ((b.high + b.low + b.close) / 3)[-n:]
    return (typical[-1] - typical.mean()) / (1.5 * np.abs(typical - typical.mean()).mean())


ORACLES = {
    "return_1": simple(1),
    "return_5": simple(5),
    "return_10": simple(10),
    "return_20": simple(20),
    "return_60": simple(60),
    "return_60_skip_5": lambda b: b.close[-6] / b.close[-61] - 1,
    "return_per_risk_20": per_risk(20),
    "return_per_risk_60": per_risk(60),
    "rsi_14": rsi,
    "stochastic_14": lambda b: np.mean([place(b, 14, back) for back in range(3)]),
    "williams_r_14": lambda b: place(b, 14) - 1,
    "cci_20": cci,
}


@pytest.mark.parametrize("name", ORACLES)
def test_agrees_with_the_slow_formula(helpers: SimpleNamespace, name: str) -> None:
    helpers.agrees(name, ORACLES[name])


def test_every_feature_has_an_oracle() -> None:
    assert set(ORACLES) == {f.name for f in REGISTRY.values() if f.family == "momentum"}


def test_expressions_agree_with_talib(helpers: SimpleNamespace) -> None:
    panel = helpers.market_panel(3, entities=1, bars=300)
    features, _ = engineer(panel, helpers.rule("momentum"))
    high, low, close = (panel[name].to_numpy() for name in ("high", "low", "close"))
    expected = {
        "return_10": talib.ROCP(close, 10),
        "williams_r_14": talib.WILLR(high, low, close, 14) / 100,
        "stochastic_14": talib.STOCH(high, low, close, 14, 3, 0, 3, 0)[0] / 100,
    }
    for name, values in expected.items():
        np.testing.assert_allclose(features[name].to_numpy()[20:], values[20:], rtol=1e-5, atol=1e-7, err_msg=name)


def test_returns_made_by_hand(helpers: SimpleNamespace) -> None:
    panel = helpers.market_panel(entities=1, bars=6).with_columns(close=pl.Series([100.0, 110, 99, 99, 198, 49.5]))
    features, _ = engineer(panel, helpers.rule("momentum"))
    assert features["return_1"].to_list() == pytest.approx([None, 0.1, -0.1, 0, 1, -0.75])
    assert features["return_5"].to_list() == pytest.approx([None] * 5 + [-0.505])
