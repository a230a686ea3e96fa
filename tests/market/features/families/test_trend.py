"""Trend features against slow formulas, hand-made values and TA-Lib."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
import talib

from assay.market.features import engineer
from assay.market.features.feature import REGISTRY


def averages(values: Any, decay: float) -> Any:
    """Exponential averages seeded with the first value."""
    found = [values[0]]
    for value in values[1:]:
        found.append(decay * found[-1] + (1 - decay) * value)
    return np.array(found)


def emas(values: Any, span: int) -> Any:
    return averages(values, 1 - 2 / (span + 1))


def ema(values: Any, span: int) -> Any:
    return emas(values, span)[-1]


def trix(b: Any, n: int = 15) -> Any:
    smooth = emas(emas(emas(b.close, n), n), n)
    return smooth[-1] / smooth[-2] - 1


def line(values: Any) -> Any:
    """Slope, R squared and last residual by numpy's polynomial fit."""
    x = np.arange(len(values))
    slope, intercept = np.polyfit(x, values, 1)
    residuals = values - slope * x - intercept
    return slope, 1 - np.var(residuals) / np.var(values), residuals[-1]


def of_line(part: int, n: int) -> Any:
    return lambda b: line(np.log(b.close[-n:]))[part]


def true_ranges(b: Any) -> Any:
    return np.maximum(b.high[1:], b.close[:-1]) - np.minimum(b.low[1:], b.close[:-1])


def directional(b: Any, n: int = 14) -> Any:
    """Wilder's plus and minus directional indicators at every bar but the first."""
    up, down = np.diff(b.high), -np.diff(b.low)
    moves = np.where((up > down) & (up > 0), up, 0), np.where((down > up) & (down > 0), down, 0)
    reach = averages(true_ranges(b), 1 - 1 / n)
    return [averages(move, 1 - 1 / n) / reach for move in moves]


def adx(b: Any, n: int = 14) -> Any:
    plus, minus = directional(b, n)
    return averages(np.abs(plus - minus) / (plus + minus), 1 - 1 / n)[-1]


def macd_histogram(b: Any) -> Any:
    macd = emas(b.close, 12) - emas(b.close, 26)
    return (macd[-1] - ema(macd, 9)) / b.close[-1]


def vortex(b: Any, n: int = 14) -> Any:
    up, down = np.abs(b.high[1:] - b.low[:-1]), np.abs(b.low[1:] - b.high[:-1])
    return (up[-n:].sum() - down[-n:].sum()) / true_ranges(b)[-n:].sum()


def aroon(n: int) -> Any:
    def oracle(b: Any) -> Any:
        low, high = b.low[-n - 1 :][::-1], b.high[-n - 1 :][::-1]
        return (np.argmin(low) - np.argmax(high)) / n

    return oracle


def sar(b: Any) -> Any:
    """Wilder's stop and reverse, begun as a long position; where it began is forgotten after some turns."""
    side, stop, extreme, speed = 1, b.low[0], b.high[0], 0.02
    for bar in range(1, len(b.close)):
        high, low = b.high[bar], b.low[bar]
        if (low <= stop) if side > 0 else (high >= stop):
            limits = (high, b.high[bar - 1], extreme) if side > 0 else (low, b.low[bar - 1], extreme)
            reached = max(limits) if side > 0 else min(limits)
            shown, side, extreme, speed = reached, -side, (low if side > 0 else high), 0.02
        else:
            shown = stop
            ahead = high > extreme if side > 0 else low < extreme
            if ahead:
                extreme, speed = (high if side > 0 else low), min(speed + 0.02, 0.2)
            reached = stop
        stop = reached + speed * (extreme - reached)
        stop = min(stop, low, b.low[bar - 1]) if side > 0 else max(stop, high, b.high[bar - 1])
    return b.close[-1] / shown - 1


def kama(b: Any, n: int = 10) -> Any:
    average = b.close[n - 1]
    for bar in range(n, len(b.close)):
        way = np.abs(np.diff(b.close[bar - n : bar + 1])).sum()
        efficiency = abs(b.close[bar] - b.close[bar - n]) / way
        average += (efficiency * (2 / 3 - 2 / 31) + 2 / 31) ** 2 * (b.close[bar] - average)
    return b.close[-1] / average - 1


def weighted(values: Any, n: int) -> Any:
    return np.average(values[-n:], weights=np.arange(n) + 1)


def hull(b: Any, n: int = 20) -> Any:
    ends = [b.close[: len(b.close) - back] for back in range(3, -1, -1)]
    return b.close[-1] / weighted([2 * weighted(end, n // 2) - weighted(end, n) for end in ends], 4) - 1


ORACLES = {
    **{f"sma_distance_{n}": lambda b, n=n: b.close[-1] / b.close[-n:].mean() - 1 for n in (5, 10, 20, 60, 120)},
    "sma_cross_10_60": lambda b: b.close[-10:].mean() / b.close[-60:].mean() - 1,
    **{f"ema_distance_{n}": lambda b, n=n: b.close[-1] / ema(b.close, n) - 1 for n in (10, 20, 40)},
    "macd_histogram": macd_histogram,
    "ppo": lambda b: ema(b.close, 12) / ema(b.close, 26) - 1,
    "trix_15": trix,
    "adx_14": adx,
    "directional_movement_14": lambda b: directional(b)[0][-1] - directional(b)[1][-1],
    "plus_di_14": lambda b: directional(b)[0][-1],
    "vortex_14": vortex,
    **{f"aroon_{n}": aroon(n) for n in (14, 25)},
    "sar_distance": sar,
    "kama_distance_10": kama,
    "hull_distance_20": hull,
    **{f"trend_slope_{n}": of_line(0, n) for n in (10, 20, 60, 120)},
    **{f"trend_r2_{n}": of_line(1, n) for n in (20, 60, 120)},
    **{f"trend_residual_{n}": of_line(2, n) for n in (20, 60)},
    **{f"drawdown_{n}": lambda b, n=n: b.close[-1] / b.high[-n:].max() - 1 for n in (20, 60, 120)},
    **{f"run_up_{n}": lambda b, n=n: b.close[-1] / b.low[-n:].min() - 1 for n in (20, 60, 120)},
}


@pytest.mark.parametrize("name", ORACLES)
def test_agrees_with_the_slow_formula(agrees: Callable[..., None], name: str) -> None:
    agrees(name, ORACLES[name], rows=5)


def test_every_feature_has_an_oracle() -> None:
    assert set(ORACLES) == {f.name for f in REGISTRY.values() if f.family == "trend"}


def test_means_and_lines_agree_with_talib(helpers: SimpleNamespace) -> None:
    panel = helpers.market_panel(3, entities=1, bars=300)
    features, _ = engineer(panel, helpers.rule("trend"))
    close = panel["close"].to_numpy()
    expected = {
        "trend_slope_20": talib.LINEARREG_SLOPE(np.log(close), 20),
        "hull_distance_20": close / talib.HMA(close, 20) - 1,
        "ppo": talib.PPO(close, 12, 26, 1) / 100,
    }
    for name, values in expected.items():
        first = REGISTRY[name].warm_up
        found = features[name].to_numpy()[first:]
        np.testing.assert_allclose(found, values[first:], rtol=1e-4, atol=1e-7, err_msg=name)


def test_a_straight_line_is_explained_wholly_and_a_flat_one_not_at_all(helpers: SimpleNamespace) -> None:
    panel = helpers.market_panel(entities=1, bars=60)
    straight = panel.with_columns(close=1000 * (0.01 * pl.int_range(pl.len())).exp())
    features, _ = engineer(straight, helpers.rule("trend"))
    assert features["trend_slope_20"][19:].to_list() == pytest.approx([0.01] * 41, rel=1e-6)
    assert features["trend_r2_20"][19:].to_list() == pytest.approx([1] * 41, rel=1e-6)
    assert features["trend_residual_20"][19:].to_list() == pytest.approx([0] * 41, abs=1e-7)
    features, _ = engineer(panel.with_columns(close=pl.lit(0.1)), helpers.rule("trend"))
    assert features["trend_slope_20"][19:].to_list() == [0] * 41
    assert features["trend_r2_20"].null_count() == 60
