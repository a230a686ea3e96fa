"""Volatility features against slow formulas, hand-made values and TA-Lib."""

import math
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


def log_returns(b: Any) -> Any:
    return np.diff(np.log(b.close))


def realised(b: Any, n: int, back: int = 0) -> Any:
    end = len(b.close) - back
    return np.diff(np.log(b.close[end - n - 1 : end])).std(ddof=1)


def recent(b: Any, n: int) -> Any:
    """Volatilities of 10 bars at the last n bars."""
    return np.array([realised(b, 10, back) for back in range(n)])


def averaged(values: Any, decay: float) -> Any:
    average = values[0]
    for value in values[1:]:
        average = decay * average + (1 - decay) * value
    return average


def true_ranges(b: Any) -> Any:
    return np.maximum(b.high[1:], b.close[:-1]) - np.minimum(b.low[1:], b.close[:-1])


def parkinson(b: Any, n: int) -> Any:
    return math.sqrt(np.mean(np.log(b.high / b.low)[-n:] ** 2) / (4 * math.log(2)))


def garman_klass(b: Any, n: int) -> Any:
    spread, move = np.log(b.high / b.low)[-n:], np.log(b.close / b.open)[-n:]
    return math.sqrt(np.mean(0.5 * spread**2 - (2 * math.log(2) - 1) * move**2))


def rogers_satchell(b: Any, n: int) -> Any:
    up, down, move = (np.log(price / b.open)[-n:] for price in (b.high, b.low, b.close))
    return math.sqrt(np.mean(up * (up - move) + down * (down - move)))


def yang_zhang(b: Any, n: int) -> Any:
    overnight = np.log(b.open[-n:] / b.close[-n - 1 : -1]).var(ddof=1)
    day = np.log(b.close / b.open)[-n:].var(ddof=1)
    k = 0.34 / (1.34 + (n + 1) / (n - 1))
    return math.sqrt(overnight + k * day + (1 - k) * rogers_satchell(b, n) ** 2)


def half(b: Any, n: int, sign: int) -> Any:
    """Mean square of the log returns of one sign."""
    moves = log_returns(b)[-n:]
    return (moves[moves * sign > 0] ** 2).sum() / n


def choppiness(b: Any, n: int) -> Any:
    span = max(b.high[-n:].max(), b.close[-n - 1]) - min(b.low[-n:].min(), b.close[-n - 1])
    return math.log(true_ranges(b)[-n:].sum() / span, n)


def ulcer(b: Any, n: int) -> Any:
    rows = len(b.close)
    drops = [b.close[end - 1] / b.close[end - n : end].max() - 1 for end in range(rows - n + 1, rows + 1)]
    return math.sqrt(np.mean(np.square(drops)))


def bands(b: Any, n: int) -> Any:
    middle, deviation = b.close[-n:].mean(), b.close[-n:].std()
    return middle - 2 * deviation, middle, middle + 2 * deviation


def place_in_bands(b: Any, n: int) -> Any:
    lower, _, upper = bands(b, n)
    return (b.close[-1] - lower) / (upper - lower)


def width_of_bands(b: Any, n: int) -> Any:
    lower, middle, upper = bands(b, n)
    return (upper - lower) / middle


def each(name: str, oracle: Any, *windows: int) -> Any:
    return {f"{name}_{n}": partial(oracle, n=n) for n in windows}


ORACLES = {
    **each("atr", lambda b, n: averaged(true_ranges(b), 1 - 1 / n) / b.close[-1], 7, 14),
    **each("realised_volatility", realised, 5, 10, 20, 60, 120),
    **each("ewma_volatility", lambda b, n: math.sqrt(averaged(log_returns(b) ** 2, 1 - 2 / (n + 1))), 10, 32),
    **each("parkinson", parkinson, 10, 20, 60),
    **each("garman_klass", garman_klass, 20, 60),
    **each("rogers_satchell", rogers_satchell, 20, 60),
    **each("yang_zhang", yang_zhang, 20, 60),
    "volatility_ratio_5_20": lambda b: realised(b, 5) / realised(b, 20),
    "volatility_ratio_10_60": lambda b: realised(b, 10) / realised(b, 60),
    **each("volatility_of_volatility", lambda b, n: recent(b, n).std(ddof=1) / recent(b, n).mean(), 20, 60),
    "volatility_zscore_60": lambda b: (realised(b, 10) - recent(b, 60).mean()) / recent(b, 60).std(ddof=1),
    "range_to_close_volatility_20": lambda b: parkinson(b, 20) / realised(b, 20),
    **each("downside_deviation", lambda b, n: math.sqrt(half(b, n, -1)), 20, 60),
    **each("upside_deviation", lambda b, n: math.sqrt(half(b, n, 1)), 20, 60),
    **each(
        "semivariance_balance",
        lambda b, n: (half(b, n, 1) - half(b, n, -1)) / (half(b, n, 1) + half(b, n, -1)),
        20,
        60,
    ),
    **each("choppiness", choppiness, 14, 60),
    **each("ulcer", ulcer, 20, 60),
    **each("bollinger_position", place_in_bands, 20, 60),
    **each("bollinger_width", width_of_bands, 20, 60),
}


@pytest.mark.parametrize("name", ORACLES)
def test_agrees_with_the_slow_formula(agrees: Callable[..., None], name: str) -> None:
    agrees(name, ORACLES[name])


def test_every_feature_has_an_oracle() -> None:
    assert set(ORACLES) == {f.name for f in REGISTRY.values() if f.family == "volatility"}


def test_a_straight_way_is_not_choppy(helpers: SimpleNamespace) -> None:
    straight = 100.0 + pl.int_range(pl.len())
    panel = helpers.market_panel(entities=1, bars=40).with_columns(high=straight, low=straight, close=straight)
    features, _ = engineer(panel, helpers.rule("volatility"))
    assert features["choppiness_14"][14:].to_list() == pytest.approx([0] * 26, abs=1e-7)


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
    place = np.log(panel["close"] / panel["low"]).to_numpy()[-20:]  # between 0 and 1, open and close alike
    assert features["rogers_satchell_20"][-1] == pytest.approx(
        math.sqrt(np.mean((1 - place) ** 2 + place**2)), rel=1e-5
    )
