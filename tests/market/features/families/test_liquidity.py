"""Estimates of liquidity against slow formulas, and against spreads that were put in."""

import math
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from assay.market.features import engineer
from assay.market.features.feature import REGISTRY


def log_returns(b: Any) -> Any:
    return np.diff(np.log(b.close))


def impacts(b: Any) -> Any:
    return np.abs(log_returns(b)) / (b.close * b.volume)[1:]


def illiquidity(b: Any, short: int, long: int) -> Any:
    return np.log(impacts(b)[-short:].mean() / impacts(b)[-long:].mean())


def roll(b: Any, n: int) -> Any:
    moves = log_returns(b)
    return 2 * math.sqrt(max(-np.cov(moves[-n:], moves[-n - 1 : -1])[0, 1], 0))


def corwin_schultz(b: Any, n: int) -> Any:
    found = []
    for bar in range(len(b.close) - n, len(b.close)):
        pair = slice(bar - 1, bar + 1)
        beta = (np.log(b.high[pair] / b.low[pair]) ** 2).sum()
        gamma = math.log(b.high[pair].max() / b.low[pair].min()) ** 2
        k = 3 - 2 * math.sqrt(2)
        alpha = (math.sqrt(2 * beta) - math.sqrt(beta)) / k - math.sqrt(gamma / k)
        found.append(max(2 * math.tanh(alpha / 2), 0))
    return np.mean(found)


def abdi_ranaldo(b: Any, n: int) -> Any:
    middle, close = (np.log(b.high) + np.log(b.low)) / 2, np.log(b.close)
    products = (close[:-1] - middle[:-1]) * (close[:-1] - middle[1:])
    return math.sqrt(max(4 * products[-n:].mean(), 0))


def impact(b: Any, flow: Any, n: int = 60) -> Any:
    return np.polyfit(flow[-n:], log_returns(b)[-n:], 1)[0] * b.volume[-n:].mean()


ORACLES = {
    "illiquidity_5_20": partial(illiquidity, short=5, long=20),
    "illiquidity_20_60": partial(illiquidity, short=20, long=60),
    "illiquidity_zscore_60": lambda b: (impacts(b)[-1] - impacts(b)[-60:].mean()) / impacts(b)[-60:].std(ddof=1),
    **{f"roll_spread_{n}": partial(roll, n=n) for n in (20, 60)},
    **{f"corwin_schultz_spread_{n}": partial(corwin_schultz, n=n) for n in (20, 60)},
    **{f"abdi_ranaldo_spread_{n}": partial(abdi_ranaldo, n=n) for n in (20, 60)},
    "price_impact_60": lambda b: impact(b, np.sign(np.diff(b.close)) * b.volume[1:]),
    "taker_impact_60": lambda b: impact(b, b.taker_buy_volume - (b.volume - b.taker_buy_volume)),
    "standstill_share_60": lambda b: np.mean(b.close[-60:] == b.close[-61:-1]),
}


@pytest.mark.parametrize("name", ORACLES)
def test_agrees_with_the_slow_formula(agrees: Callable[..., None], name: str) -> None:
    agrees(name, ORACLES[name])


def test_every_feature_has_an_oracle() -> None:
    assert set(ORACLES) == {f.name for f in REGISTRY.values() if f.family == "liquidity"}


def test_a_spread_that_was_put_in_is_found_again(helpers: SimpleNamespace) -> None:
    """Closes bounce between bid and ask, two percent apart, around a price that hardly moves."""
    rng = np.random.default_rng(4)
    price = 100 * np.exp(np.cumsum(rng.normal(0, 1e-4, 400)))
    close = price * np.exp(0.01 * rng.choice([-1, 1], 400))
    panel = helpers.market_panel(entities=1, bars=400).with_columns(
        close=pl.Series(close), high=pl.Series(price * math.exp(0.01)), low=pl.Series(price * math.exp(-0.01))
    )
    features, _ = engineer(panel, helpers.rule("liquidity"))
    for name in ("roll_spread_60", "corwin_schultz_spread_60", "abdi_ranaldo_spread_60"):
        assert features[name][100:].median() == pytest.approx(0.02, rel=0.1), name


def test_a_price_that_trends_has_no_spread(helpers: SimpleNamespace) -> None:
    growth = (0.01 * pl.int_range(pl.len()) + 0.001 * (pl.int_range(pl.len()) / 20).sin()).exp()
    panel = helpers.market_panel(entities=1, bars=100).with_columns(close=growth, high=growth, low=growth)
    features, _ = engineer(panel, helpers.rule("liquidity"))
    for name in ("roll_spread_60", "corwin_schultz_spread_60", "abdi_ranaldo_spread_60"):
        assert features[name].drop_nulls().to_list() == pytest.approx([0.0] * features[name].count()), name


def test_closes_that_stand_still_are_counted(helpers: SimpleNamespace) -> None:
    panel = helpers.market_panel(entities=1, bars=100).with_columns(
        close=(pl.int_range(pl.len()) // 4).cast(pl.Float64) + 1
    )
    features, _ = engineer(panel, helpers.rule("liquidity"))
    assert features["standstill_share_60"][60:].to_list() == pytest.approx([0.75] * 40)


def test_bars_without_trades_have_no_price_impact(helpers: SimpleNamespace) -> None:
    panel = helpers.market_panel(3, entities=1, bars=120).with_columns(
        volume=pl.when(pl.int_range(pl.len()).is_between(70, 100)).then(0.0).otherwise("volume")
    )
    features, _ = engineer(panel, helpers.rule("liquidity"))
    assert features["illiquidity_20_60"][70:].null_count() == 50
