"""Candle features against slow formulas, TA-Lib and hand-made bars."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
import talib

from assay.market.features import engineer
from assay.market.features.feature import REGISTRY


def spans(b: Any) -> Any:
    return b.high - b.low


def places(b: Any) -> Any:
    return 2 * (b.close - b.low) / spans(b) - 1


def wicks(b: Any) -> Any:
    """Upper and lower wick of every bar."""
    return (b.high - np.maximum(b.open, b.close)) / spans(b), (np.minimum(b.open, b.close) - b.low) / spans(b)


def pin(b: Any) -> Any:
    upper, lower = (wick[-1] for wick in wicks(b))
    return 1 if lower > 0.6 and upper < 0.1 else -1 if upper > 0.6 and lower < 0.1 else 0


def overlap(b: Any) -> Any:
    common = min(b.high[-2:]) - max(b.low[-2:])
    return max(common, 0) / (max(b.high[-2:]) - min(b.low[-2:]))


def run(b: Any) -> Any:
    steps = np.sign(np.diff(b.close))[::-1]
    length = 1
    while length < 10 and steps[length] == steps[0]:
        length += 1
    return steps[0] * length


ORACLES = {
    "body": lambda b: (b.close[-1] - b.open[-1]) / spans(b)[-1],
    "upper_wick": lambda b: wicks(b)[0][-1],
    "lower_wick": lambda b: wicks(b)[1][-1],
    "close_location": lambda b: places(b)[-1],
    "gap": lambda b: b.open[-1] / b.close[-2] - 1,
    **{
        f"relative_range_{n}": lambda b, n=n: spans(b)[-1] / b.close[-1] / (spans(b) / b.close)[-n:].mean()
        for n in (20, 60)
    },
    "range_change": lambda b: np.log(spans(b)[-1]) - np.log(spans(b)[-2]),
    **{f"mean_close_location_{n}": lambda b, n=n: places(b)[-n:].mean() for n in (5, 20)},
    **{f"vigor_{n}": lambda b, n=n: (b.close - b.open)[-n:].sum() / spans(b)[-n:].sum() for n in (5, 20)},
    "wick_balance_20": lambda b: np.mean((wicks(b)[1] - wicks(b)[0])[-20:]),
    "overnight_return_20": lambda b: (b.open[-20:] / b.close[-21:-1] - 1).sum(),
    "doji_share_20": lambda b: np.mean(np.abs(b.close - b.open)[-20:] <= 0.1 * spans(b)[-20:]),
    "engulfing": lambda b: np.sign(talib.CDLENGULFING(b.open, b.high, b.low, b.close)[-1]),
    "pin_bar": pin,
    "inside_bar": lambda b: b.high[-1] <= b.high[-2] and b.low[-1] >= b.low[-2],
    "outside_bar": lambda b: b.high[-1] > b.high[-2] and b.low[-1] < b.low[-2],
    "narrow_range_7": lambda b: np.argmin(spans(b)[-7:]) == 6,
    "overlap": overlap,
    "closing_run": run,
    "stairs_10": lambda b: np.mean(np.diff(b.high)[-10:] > 0) - np.mean(np.diff(b.low)[-10:] < 0),
}


@pytest.mark.parametrize("name", ORACLES)
def test_agrees_with_the_slow_formula(agrees: Callable[..., None], name: str) -> None:
    agrees(name, ORACLES[name], rows=60)


def test_every_feature_has_an_oracle() -> None:
    assert set(ORACLES) == {f.name for f in REGISTRY.values() if f.family == "candle"}


def test_bars_made_by_hand(helpers: SimpleNamespace) -> None:
    bars = {"open": [10.0, 12, 9, None], "high": [14.0, 12, 9, 9], "low": [10.0, 8, 9, 8], "close": [13.0, 9, 9, 8.5]}
    panel = helpers.market_panel(entities=1, bars=4).with_columns(**{k: pl.Series(v) for k, v in bars.items()})
    features, _ = engineer(panel, helpers.rule("candle", max_stale_open_share=1))
    assert features["body"].to_list() == pytest.approx([0.75, -0.75, None, None])
    assert features["upper_wick"].to_list() == pytest.approx([0.25, 0, None, None])
    assert features["lower_wick"].to_list() == pytest.approx([0, 0.25, None, None])
    assert features["close_location"].to_list() == pytest.approx([0.5, -0.5, None, 0])
    assert features["gap"].to_list() == pytest.approx([None, 12 / 13 - 1, 0, None])
    assert features["inside_bar"].to_list() == [None, 0, 1, 0]
    assert features["outside_bar"].to_list() == [None, 0, 0, 0]
    assert features["overlap"].to_list() == pytest.approx([None, 2 / 6, 0, 0])


def test_engulfing_bars_agree_with_talib_on_round_prices(helpers: SimpleNamespace) -> None:
    """On a coarse grid of prices bodies often share an end or are equally long.

    TA-Lib counts a bar without a body as rising, so that only a falling bar can engulf it; here none does.
    """
    rng = np.random.default_rng(2)
    ends = rng.integers(10, 14, (2, 3000)).astype(float)
    bars = {"open": ends[0], "close": ends[1], "high": ends.max(axis=0), "low": ends.min(axis=0)}
    panel = helpers.market_panel(entities=1, bars=3000).with_columns(**{k: pl.Series(v) for k, v in bars.items()})
    found = engineer(panel, helpers.rule("candle", max_stale_open_share=1))[0]["engulfing"].to_numpy()
    expected = np.sign(talib.CDLENGULFING(bars["open"], bars["high"], bars["low"], bars["close"]))
    with_body = np.flatnonzero(np.diff(ends, axis=0)[0, :-1]) + 1
    assert np.count_nonzero(found[with_body] != expected[with_body]) == 0
    assert {-1, 0, 1} == set(expected[with_body])


def test_runs_end_with_a_turn_or_a_standstill(helpers: SimpleNamespace) -> None:
    close = [*range(20, 34), 32, 31, 31, 32]
    panel = helpers.market_panel(entities=1, bars=18).with_columns(close=pl.Series(close, dtype=pl.Float64))
    features, _ = engineer(panel, helpers.rule("candle"))
    assert features["closing_run"][10:].to_list() == [10, 10, 10, 10, -1, -2, 0, 1]
