"""Volume features against slow formulas and TA-Lib."""

from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
import talib

from assay.market.features import engineer
from assay.market.features.feature import REGISTRY


def zscore(values: Any) -> Any:
    return (values[-1] - values.mean()) / values.std(ddof=1)


def accumulation(b: Any, n: int) -> Any:
    place = ((b.close - b.low) - (b.high - b.close)) / (b.high - b.low)
    return (place * b.volume)[-n:].sum() / b.volume[-n:].sum()


def obv_change(b: Any, n: int) -> Any:
    balance = np.cumsum(np.sign(np.diff(b.close)) * b.volume[1:])
    before = balance[-1 - n] if len(balance) > n else 0.0
    return (balance[-1] - before) / b.volume[-n:].sum()


def money_flow(b: Any, n: int) -> Any:
    typical = (b.high + b.low + b.close) / 3
    flow = (typical * b.volume)[1:]
    step = np.diff(typical)
    up, down = flow[-n:][step[-n:] > 0].sum(), flow[-n:][step[-n:] < 0].sum()
    return up / (up + down)


def force(b: Any, n: int = 13) -> Any:
    steps = (np.diff(b.close) * b.volume[1:])[-n:]
    return steps.sum() / np.abs(steps).sum()


def ease(b: Any, n: int = 14) -> Any:
    found = []
    for bar in range(len(b.close) - n, len(b.close)):
        step = (b.high[bar] + b.low[bar] - b.high[bar - 1] - b.low[bar - 1]) / 2
        usual = b.volume[bar - n + 1 : bar + 1].mean()
        found.append(step * (b.high[bar] - b.low[bar]) / b.close[bar] ** 2 * usual / b.volume[bar])
    return np.mean(found)


def typical_vwap(b: Any, n: int) -> Any:
    typical = (b.high + b.low + b.close) / 3
    return b.close[-1] / np.average(typical[-n:], weights=b.volume[-n:]) - 1


def imbalance(b: Any, n: int) -> Any:
    bought = b.taker_buy_volume[-n:].sum()
    sold = b.volume[-n:].sum() - bought
    return (bought - sold) / (bought + sold)


def relative(values: Any, n: int) -> Any:
    return values[-1] / values[-n:].mean()


def each(name: str, oracle: Any, *windows: int) -> Any:
    return {f"{name}_{n}": partial(oracle, n=n) for n in windows}


ORACLES = {
    **each("relative_volume", lambda b, n: relative(b.volume, n), 20, 60),
    **each("volume_zscore", lambda b, n: zscore(b.volume[-n:]), 20, 60),
    **each("volume_change", lambda b, n: np.log(b.volume[-1]) - np.log(b.volume[-1 - n]), 1, 5),
    "volume_cross_5_60": lambda b: b.volume[-5:].mean() / b.volume[-60:].mean() - 1,
    "volume_peak_share_20": lambda b: max(b.volume[-20:]) / sum(b.volume[-20:]),
    **each("money_flow", money_flow, 14, 40),
    **each("accumulation", accumulation, 20, 60),
    **each("obv_change", obv_change, 20, 60),
    "volume_weighted_return_20": lambda b: np.average(b.close[-20:] / b.close[-21:-1] - 1, weights=b.volume[-20:]),
    "force_index_13": force,
    "ease_of_movement_14": ease,
    **each("price_volume_correlation", lambda b, n: np.corrcoef(b.close[-n:], b.volume[-n:])[0, 1], 20, 60),
    "volatility_volume_correlation_60": lambda b: np.corrcoef(np.abs(np.diff(np.log(b.close[-61:]))), b.volume[-60:])[
        0, 1
    ],
    **each("typical_vwap_distance", typical_vwap, 20, 60),
    **each("vwap_distance", lambda b, n: b.close[-1] / (b.quote_volume[-n:].sum() / b.volume[-n:].sum()) - 1, 20, 60),
    "bar_vwap_distance": lambda b: b.close[-1] / b.vwap[-1] - 1,
    **each("taker_imbalance", imbalance, 1, 5, 20, 60),
    "taker_share_zscore_60": lambda b: zscore((b.taker_buy_volume / b.volume)[-60:]),
    **each("relative_trades", lambda b, n: relative(b.trades, n), 20, 60),
    **each("relative_trade_size", lambda b, n: relative(b.volume / b.trades, n), 20, 60),
}


@pytest.mark.parametrize("name", ORACLES)
def test_agrees_with_the_slow_formula(agrees: Callable[..., None], name: str) -> None:
    agrees(name, ORACLES[name])


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
    assert features["volume_change_1"][70:102].null_count() == 32
    assert features["relative_volume_20"][70:89].to_list() == [0.0] * 19
    assert features["relative_volume_20"][89:101].null_count() == 12
