"""Volume features against slow formulas and TA-Lib."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
import talib

from assay.market.features import engineer
from assay.market.features.feature import REGISTRY


def illiquidity(b: Any) -> Any:
    impact = np.abs(np.diff(np.log(b.close))) / (b.close * b.volume)[1:]
    return np.log(impact[-20:].mean() / impact[-60:].mean())


def accumulation(b: Any, n: int = 20) -> Any:
    place = ((b.close - b.low) - (b.high - b.close)) / (b.high - b.low)
    return (place * b.volume)[-n:].sum() / b.volume[-n:].sum()


def obv_change(b: Any, n: int = 20) -> Any:
    balance = np.cumsum(np.sign(np.diff(b.close)) * b.volume[1:])
    before = balance[-1 - n] if len(balance) > n else 0.0
    return (balance[-1] - before) / b.volume[-n:].sum()


def money_flow(b: Any, n: int = 14) -> Any:
    typical = (b.high + b.low + b.close) / 3
    flow = (typical * b.volume)[1:]
    step = np.diff(typical)
    up, down = flow[-n:][step[-n:] > 0].sum(), flow[-n:][step[-n:] < 0].sum()
    return up / (up + down)


def imbalance(n: int) -> Any:
    def oracle(b: Any) -> Any:
        bought = b.taker_buy_volume[-n:].sum()
        sold = b.volume[-n:].sum() - bought
        return (bought - sold) / (bought + sold)

    return oracle


ORACLES = {
    "relative_volume_20": lambda b: b.volume[-1] / b.volume[-20:].mean(),
    "volume_zscore_60": lambda b: (b.volume[-1] - b.volume[-60:].mean()) / b.volume[-60:].std(ddof=1),
    "illiquidity_20_60": illiquidity,
    "money_flow_14": money_flow,
    "accumulation_20": accumulation,
    "obv_change_20": obv_change,
    "vwap_distance_20": lambda b: b.close[-1] / (b.quote_volume[-20:].sum() / b.volume[-20:].sum()) - 1,
    "bar_vwap_distance": lambda b: b.close[-1] / b.vwap[-1] - 1,
    "taker_imbalance_1": imbalance(1),
    "taker_imbalance_20": imbalance(20),
}


@pytest.mark.parametrize("name", ORACLES)
def test_agrees_with_the_slow_formula(helpers: SimpleNamespace, name: str) -> None:
    helpers.agrees(name, ORACLES[name])


def test_every_feature_has_an_oracle() -> None:
    assert set(ORACLES) == {f.name for f in REGISTRY.values() if f.family == "volume"}


def test_flows_agree_with_talib(helpers: SimpleNamespace) -> None:
    panel = helpers.market_panel(3, entities=1, bars=200)
    features, _ = engineer(panel, helpers.rule("volume"))
    high, low, close, volume = (panel[name].to_numpy() for name in ("high", "low", "close", "volume"))
    balance = talib.OBV(close, volume)
    change = (balance[20:] - balance[:-20]) / np.convolve(volume, np.ones(20), "valid")[1:]
    np.testing.assert_allclose(features["obv_change_20"].to_numpy()[20:], change, rtol=1e-5, atol=1e-6)
    money_flow = talib.MFI(high, low, close, volume, 14) / 100
    np.testing.assert_allclose(features["money_flow_14"].to_numpy(), money_flow, rtol=1e-5, atol=1e-6)


def test_a_bar_without_range_takes_no_side(helpers: SimpleNamespace) -> None:
    panel = helpers.market_panel(3, entities=1, bars=20).with_columns(
        high=pl.when(pl.int_range(pl.len()) == 7).then("close").otherwise("high"),
        low=pl.when(pl.int_range(pl.len()) == 7).then("close").otherwise("low"),
    )
    features, _ = engineer(panel, helpers.rule("volume"))
    place = (2 * panel["close"] - panel["high"] - panel["low"]) / (panel["high"] - panel["low"])
    expected = (place.fill_nan(0) * panel["volume"]).sum() / panel["volume"].sum()
    assert features["accumulation_20"][-1] == pytest.approx(expected, rel=1e-5)


def test_bars_without_trades_leave_nothing_infinite(helpers: SimpleNamespace) -> None:
    panel = helpers.market_panel(3, entities=1, bars=120).with_columns(
        pl.when(pl.int_range(pl.len()).is_between(70, 100)).then(0.0).otherwise(pl.col(name)).alias(name)
        for name in ("volume", "quote_volume", "taker_buy_volume")
    )
    features, _ = engineer(panel, helpers.rule("volume"))
    assert features["taker_imbalance_1"][70:101].null_count() == 31
    assert features["illiquidity_20_60"][70:].null_count() == 50
    assert features["relative_volume_20"][70:89].to_list() == [0.0] * 19
    assert features["relative_volume_20"][89:101].null_count() == 12
