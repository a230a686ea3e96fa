"""Momentum features against slow formulas, hand-made values and TA-Lib."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
import talib

from assay.market.features import engineer
from assay.market.features.feature import REGISTRY


def move(b: Any, n: int, back: int = 0) -> Any:
    return b.close[-1 - back] / b.close[-1 - back - n] - 1


def true_ranges(b: Any) -> Any:
    return np.maximum(b.high[1:], b.close[:-1]) - np.minimum(b.low[1:], b.close[:-1])


def per_risk(n: int) -> Any:
    def oracle(b: Any) -> Any:
        returns = np.diff(np.log(b.close[-n - 1 :]))
        return returns.sum() / (returns.std(ddof=1) * np.sqrt(n))

    return oracle


def strengths(b: Any, n: int) -> Any:
    """Relative strength index at every bar but the first."""
    gain = loss = 0.0
    found = []
    for step in np.diff(b.close):
        gain += (max(step, 0) - gain) / n
        loss += (max(-step, 0) - loss) / n
        found.append(gain / (gain + loss) if gain + loss else 0.5)
    return np.array(found)


def stochastic_rsi(b: Any, n: int = 14) -> Any:
    last = strengths(b, n)[-n:]
    return (last[-1] - last.min()) / (last.max() - last.min())


def place(b: Any, n: int, back: int = 0) -> Any:
    end = len(b.close) - back
    low, high = b.low[end - n : end].min(), b.high[end - n : end].max()
    return (b.close[end - 1] - low) / (high - low)


def slow(b: Any, n: int, back: int = 0) -> Any:
    return np.mean([place(b, n, back + more) for more in range(3)])


def cci(n: int) -> Any:
    def oracle(b: Any) -> Any:
        typical = ((b.high + b.low + b.close) / 3)[-n:]
        return (typical[-1] - typical.mean()) / (1.5 * np.abs(typical - typical.mean()).mean())

    return oracle


def ultimate(b: Any) -> Any:
    pressure = b.close[1:] - np.minimum(b.low[1:], b.close[:-1])
    shares = [pressure[-n:].sum() / true_ranges(b)[-n:].sum() for n in (7, 14, 28)]
    return np.average(shares, weights=(4, 2, 1))


def ema(values: Any, span: int) -> Any:
    found = [values[0]]
    for value in values[1:]:
        found.append(found[-1] + 2 / (span + 1) * (value - found[-1]))
    return np.array(found)


def true_strength(b: Any) -> Any:
    steps = np.diff(b.close)
    return ema(ema(steps, 25), 13)[-1] / ema(ema(np.abs(steps), 25), 13)[-1]


def efficiency(n: int) -> Any:
    return lambda b: (b.close[-1] - b.close[-1 - n]) / np.abs(np.diff(b.close[-n - 1 :])).sum()


def awesome(b: Any) -> Any:
    middle = (b.high + b.low) / 2
    return (middle[-5:].mean() - middle[-34:].mean()) / b.close[-1]


def know_sure_thing(b: Any) -> Any:
    parts = [(10, 10), (15, 10), (20, 10), (30, 15)]
    return np.average([np.mean([move(b, n, back) for back in range(s)]) for n, s in parts], weights=(1, 2, 3, 4))


ORACLES = {
    **{f"return_{n}": lambda b, n=n: move(b, n) for n in (1, 2, 3, 5, 10, 20, 40, 60, 120)},
    "return_60_skip_5": lambda b: b.close[-6] / b.close[-61] - 1,
    "return_120_skip_20": lambda b: b.close[-21] / b.close[-121] - 1,
    **{f"acceleration_{n}": lambda b, n=n: move(b, n) - move(b, n, n) for n in (5, 20)},
    **{f"return_per_risk_{n}": per_risk(n) for n in (20, 60, 120)},
    "move_in_ranges_10": lambda b: (b.close[-1] - b.close[-11]) / true_ranges(b)[-10:].mean(),
    **{f"rsi_{n}": lambda b, n=n: strengths(b, n)[-1] for n in (7, 14, 21)},
    "stochastic_rsi_14": stochastic_rsi,
    **{f"stochastic_{n}": lambda b, n=n: slow(b, n) for n in (14, 40)},
    "stochastic_signal_14": lambda b: np.mean([slow(b, 14, back) for back in range(3)]),
    "williams_r_14": lambda b: place(b, 14) - 1,
    **{f"cci_{n}": cci(n) for n in (20, 40)},
    "ultimate_oscillator": ultimate,
    "true_strength": true_strength,
    **{f"efficiency_{n}": efficiency(n) for n in (10, 20, 60)},
    "awesome_oscillator": awesome,
    "know_sure_thing": know_sure_thing,
    "bull_power_13": lambda b: (b.high[-1] - ema(b.close, 13)[-1]) / b.close[-1],
    "bear_power_13": lambda b: (b.low[-1] - ema(b.close, 13)[-1]) / b.close[-1],
}


@pytest.mark.parametrize("name", ORACLES)
def test_agrees_with_the_slow_formula(agrees: Callable[..., None], name: str) -> None:
    agrees(name, ORACLES[name])


def test_every_feature_has_an_oracle() -> None:
    assert set(ORACLES) == {f.name for f in REGISTRY.values() if f.family == "momentum"}


def test_expressions_agree_with_talib(helpers: SimpleNamespace) -> None:
    panel = helpers.market_panel(3, entities=1, bars=300)
    features, _ = engineer(panel, helpers.rule("momentum"))
    high, low, close = (panel[name].to_numpy() for name in ("high", "low", "close"))
    slow_k, slow_d = talib.STOCH(high, low, close, 14, 3, 0, 3, 0)
    expected = {
        "return_10": talib.ROCP(close, 10),
        "williams_r_14": talib.WILLR(high, low, close, 14) / 100,
        "stochastic_14": slow_k / 100,
        "stochastic_signal_14": slow_d / 100,
        "cci_20": talib.CCI(high, low, close, 20) / 100,
        "ultimate_oscillator": talib.ULTOSC(high, low, close) / 100,
        "stochastic_rsi_14": talib.STOCHRSI(close, 14, 14, 1)[0] / 100,
    }
    for name, values in expected.items():
        first = REGISTRY[name].warm_up + 2  # TA-Lib begins %K only with %D
        found = features[name].to_numpy()[first:]
        np.testing.assert_allclose(found, values[first:], rtol=1e-5, atol=1e-6, err_msg=name)


def test_returns_made_by_hand(helpers: SimpleNamespace) -> None:
    panel = helpers.market_panel(entities=1, bars=6).with_columns(close=pl.Series([100.0, 110, 99, 99, 198, 49.5]))
    features, _ = engineer(panel, helpers.rule("momentum"))
    assert features["return_1"].to_list() == pytest.approx([None, 0.1, -0.1, 0, 1, -0.75])
    assert features["return_5"].to_list() == pytest.approx([None] * 5 + [-0.505])


def test_a_straight_way_is_efficient(helpers: SimpleNamespace) -> None:
    panel = helpers.market_panel(entities=1, bars=30).with_columns(close=100.0 - pl.int_range(pl.len()))
    features, _ = engineer(panel, helpers.rule("momentum"))
    assert features["efficiency_10"][10:].to_list() == [-1.0] * 20
