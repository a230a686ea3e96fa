"""Trend features against slow formulas, hand-made values and TA-Lib."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import talib

from assay.market.features.feature import REGISTRY
from assay.market.features.windows import line_fit


def averaged(values: Any, decay: float) -> Any:
    """Exponential average seeded with the first value."""
    average = values[0]
    for value in values[1:]:
        average = decay * average + (1 - decay) * value
    return average


def ema(values: Any, span: int) -> Any:
    return averaged(values, 1 - 2 / (span + 1))


def line(values: Any) -> Any:
    """Slope and R squared by numpy's polynomial fit."""
    x = np.arange(len(values))
    slope, intercept = np.polyfit(x, values, 1)
    return slope, 1 - np.var(values - slope * x - intercept) / np.var(values)


def directional(b: Any, n: int, *, until: int = 0) -> Any:
    """Wilder's plus and minus directional indicators ``until`` bars ago."""
    end = len(b.close) - until
    up, down = np.diff(b.high[:end]), -np.diff(b.low[:end])
    plus, minus = np.where((up > down) & (up > 0), up, 0), np.where((down > up) & (down > 0), down, 0)
    high, low, before = b.high[1:end], b.low[1:end], b.close[: end - 1]
    true_range = np.maximum(high, before) - np.minimum(low, before)
    return tuple(averaged(move, 1 - 1 / n) / averaged(true_range, 1 - 1 / n) for move in (plus, minus))


def adx(b: Any, n: int = 14) -> Any:
    strength = []
    for until in range(len(b.close) - 2, -1, -1):
        plus, minus = directional(b, n, until=until)
        strength.append(abs(plus - minus) / (plus + minus) if plus + minus else 0.0)
    return averaged(strength, 1 - 1 / n)


def macd_histogram(b: Any) -> Any:
    macd = [ema(b.close[: i + 1], 12) - ema(b.close[: i + 1], 26) for i in range(len(b.close))]
    return (macd[-1] - ema(macd, 9)) / b.close[-1]


ORACLES = {
    "sma_distance_10": lambda b: b.close[-1] / b.close[-10:].mean() - 1,
    "sma_distance_20": lambda b: b.close[-1] / b.close[-20:].mean() - 1,
    "sma_distance_60": lambda b: b.close[-1] / b.close[-60:].mean() - 1,
    "ema_distance_20": lambda b: b.close[-1] / ema(b.close, 20) - 1,
    "macd_histogram": macd_histogram,
    "adx_14": adx,
    "directional_movement_14": lambda b: np.subtract(*directional(b, 14)),
    "aroon_25": lambda b: (np.argmax(b.low[-26:][::-1] == b.low[-26:].min()) - np.argmax(b.high[-26:][::-1])) / 25,
    "trend_slope_20": lambda b: line(np.log(b.close[-20:]))[0],
    "trend_slope_60": lambda b: line(np.log(b.close[-60:]))[0],
    "trend_r2_20": lambda b: line(np.log(b.close[-20:]))[1],
    "trend_r2_60": lambda b: line(np.log(b.close[-60:]))[1],
    "drawdown_60": lambda b: b.close[-1] / b.high[-60:].max() - 1,
    "run_up_60": lambda b: b.close[-1] / b.low[-60:].min() - 1,
}


@pytest.mark.parametrize("name", ORACLES)
def test_agrees_with_the_slow_formula(helpers: SimpleNamespace, name: str) -> None:
    helpers.agrees(name, ORACLES[name], rows=5)


def test_every_feature_has_an_oracle() -> None:
    assert set(ORACLES) == {f.name for f in REGISTRY.values() if f.family == "trend"}


def test_lines_agree_with_talib() -> None:
    values = np.log(np.random.default_rng(1).uniform(90, 110, 300))
    assert line_fit(values, 20)[0][19:] == pytest.approx(talib.LINEARREG_SLOPE(values, 20)[19:], rel=1e-9)


def test_a_straight_line_is_explained_wholly_and_a_flat_one_not_at_all() -> None:
    slope, explained = line_fit(1e6 + 3.0 * np.arange(12), 5)
    assert slope[4:] == pytest.approx(3, rel=1e-12)
    assert explained[4:] == pytest.approx(1, rel=1e-12)
    slope, explained = line_fit(np.full(12, 0.1), 5)
    assert (slope[4:] == 0).all()
    assert np.isnan(explained).all()
