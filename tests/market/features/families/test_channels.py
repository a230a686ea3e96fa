"""Channels against slow formulas, TA-Lib and a market made by hand."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
import talib

from assay.market.features import engineer
from assay.market.features.feature import REGISTRY


def middle(b: Any, n: int, back: int = 0) -> Any:
    end = len(b.close) - back
    return (b.high[end - n : end].max() + b.low[end - n : end].min()) / 2


def cloud(b: Any) -> Any:
    return (middle(b, 9, 26) + middle(b, 26, 26)) / 2, middle(b, 52, 26)


def reach(b: Any, n: int) -> Any:
    """Mean true range."""
    return (np.maximum(b.high[1:], b.close[:-1]) - np.minimum(b.low[1:], b.close[:-1]))[-n:].mean()


def keltner(b: Any, n: int = 20) -> Any:
    centre = ((b.high + b.low + b.close) / 3)[-n:].mean()
    return centre - 2 * reach(b, n), centre, centre + 2 * reach(b, n)


def place(value: float, low: float, high: float) -> float:
    return (value - low) / (high - low)


def supertrend(b: Any, n: int = 10, factor: float = 3) -> Any:
    """Trailing stop, begun as a long position; where it began is forgotten after some turns."""
    average = b.high[1] - b.low[1]
    rising, stop = True, -np.inf
    for bar in range(1, len(b.close)):
        true_range = max(b.high[bar], b.close[bar - 1]) - min(b.low[bar], b.close[bar - 1])
        average += (true_range - average) / n
        centre = (b.high[bar] + b.low[bar]) / 2
        lower, upper = centre - factor * average, centre + factor * average
        if bar == 1:
            floor, ceiling = lower, upper
        floor = max(lower, floor) if b.close[bar - 1] >= floor else lower
        ceiling = min(upper, ceiling) if b.close[bar - 1] <= ceiling else upper
        rising = b.close[bar] >= floor if rising else b.close[bar] > ceiling
        stop = floor if rising else ceiling
    return b.close[-1] / stop - 1


def before(values: Any, n: int) -> Any:
    return values[-n - 1 : -1]


ORACLES = {
    "ichimoku_conversion_distance": lambda b: b.close[-1] / middle(b, 9) - 1,
    "ichimoku_base_distance": lambda b: b.close[-1] / middle(b, 26) - 1,
    "ichimoku_cross": lambda b: middle(b, 9) / middle(b, 26) - 1,
    "ichimoku_cloud_distance": lambda b: b.close[-1] / np.mean(cloud(b)) - 1,
    "ichimoku_cloud_width": lambda b: -np.diff(cloud(b))[0] / b.close[-1],
    "keltner_position_20": lambda b: place(b.close[-1], keltner(b)[0], keltner(b)[2]),
    "keltner_width_20": lambda b: (keltner(b)[2] - keltner(b)[0]) / keltner(b)[1],
    "squeeze_20": lambda b: 4 / 3 * b.close[-20:].std() / reach(b, 20),
    **{
        f"donchian_position_{n}": lambda b, n=n: place(b.close[-1], b.low[-n:].min(), b.high[-n:].max())
        for n in (20, 60)
    },
    **{f"donchian_width_{n}": lambda b, n=n: (b.high[-n:].max() - b.low[-n:].min()) / b.close[-1] for n in (20, 60)},
    **{f"breakout_up_{n}": lambda b, n=n: b.close[-1] / before(b.high, n).max() - 1 for n in (20, 60)},
    **{f"breakout_down_{n}": lambda b, n=n: b.close[-1] / before(b.low, n).min() - 1 for n in (20, 60)},
    "chandelier_long_22": lambda b: b.close[-1] / (b.high[-22:].max() - 3 * reach(b, 22)) - 1,
    "chandelier_short_22": lambda b: b.close[-1] / (b.low[-22:].min() + 3 * reach(b, 22)) - 1,
    "supertrend_distance_10": supertrend,
    "pivot_distance": lambda b: 3 * b.close[-1] / (b.high[-2] + b.low[-2] + b.close[-2]) - 1,
}


@pytest.mark.parametrize("name", ORACLES)
def test_agrees_with_the_slow_formula(agrees: Callable[..., None], name: str) -> None:
    agrees(name, ORACLES[name])


def test_every_feature_has_an_oracle() -> None:
    assert set(ORACLES) == {f.name for f in REGISTRY.values() if f.family == "channels"}


def test_middles_agree_with_talib(helpers: SimpleNamespace) -> None:
    panel = helpers.market_panel(3, entities=1, bars=120)
    features, _ = engineer(panel, helpers.rule("channels"))
    high, low, close = (panel[name].to_numpy() for name in ("high", "low", "close"))
    expected = close / talib.MIDPRICE(high, low, 26) - 1
    np.testing.assert_allclose(features["ichimoku_base_distance"].to_numpy(), expected, rtol=1e-5, atol=1e-7)


def test_the_cloud_is_made_of_what_was_known_26_bars_earlier(helpers: SimpleNamespace) -> None:
    """A jump moves the lines at once and the cloud under the price 26 bars later."""
    panel = helpers.market_panel(entities=1, bars=140)
    jump = pl.when(pl.int_range(pl.len()) < 100).then(100.0).otherwise(200.0)
    features, _ = engineer(panel.with_columns(high=jump, low=jump, close=jump), helpers.rule("channels"))
    assert features["ichimoku_cross"][99:101].to_list() == pytest.approx([0, 0])
    assert features["ichimoku_conversion_distance"][100] == pytest.approx(1 / 3)
    assert features["ichimoku_cloud_distance"][100:126].to_list() == pytest.approx([1.0] * 26)
    assert features["ichimoku_cloud_distance"][126] == pytest.approx(1 / 3)
