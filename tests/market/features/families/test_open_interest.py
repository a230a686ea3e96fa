"""Features of open interest and long-short ratios against slow formulas."""

from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from assay.market.features import engineer
from assay.market.features.feature import REGISTRY


def log_changes(values: Any, n: int) -> Any:
    return np.diff(np.log(values[-n - 1 :]))


def zscore(values: Any) -> Any:
    return (values[-1] - values.mean()) / values.std(ddof=1)


def divergence(b: Any, n: int) -> Any:
    moves = [log_changes(series, n) for series in (b.open_interest_amount, b.close)]
    contracts, price = (move.sum() / move.std(ddof=1) for move in moves)
    return (contracts - price) / np.sqrt(n)


def together(b: Any, n: int, side: int) -> Any:
    """Share of bars where open interest went to one side and the price rose, less where it fell."""
    contracts, price = (np.sign(log_changes(series, n)) for series in (b.open_interest_amount, b.close))
    return np.mean((contracts == side) & (price > 0)) - np.mean((contracts == side) & (price < 0))


def each(name: str, oracle: Any, *windows: int) -> Any:
    return {f"{name}_{n}": partial(oracle, n=n) for n in windows}


ORACLES = {
    **each("open_interest_change", lambda b, n: log_changes(b.open_interest_amount, n).sum(), 1, 6, 30, 90),
    **each("open_interest_zscore", lambda b, n: zscore(b.open_interest_amount[-n:]), 30, 90),
    "open_interest_volatility_30": lambda b: log_changes(b.open_interest_amount, 30).std(ddof=1),
    **each("open_interest_price_divergence", divergence, 30, 90),
    **each(
        "open_interest_price_correlation",
        lambda b, n: np.corrcoef(log_changes(b.open_interest_amount, n), log_changes(b.close, n))[0, 1],
        30,
        90,
    ),
    "build_up_30": partial(together, n=30, side=1),
    "unwinding_30": partial(together, n=30, side=-1),
    **each(
        "open_interest_turnover",
        lambda b, n: np.log(b.open_interest_value[-1] / (b.close * b.volume)[-n:].sum()),
        30,
        90,
    ),
    "open_interest_volume_correlation_30": lambda b: np.corrcoef(
        np.abs(log_changes(b.open_interest_amount, 30)), b.volume[-30:]
    )[0, 1],
    "open_interest_age": lambda b: b.open_interest_age[-1],
    "long_short_ratio": lambda b: np.log(b.long_short_ratio[-1]),
    "long_short_change_6": lambda b: np.log(b.long_short_ratio[-1] / b.long_short_ratio[-7]),
    "long_short_zscore_90": lambda b: zscore(np.log(b.long_short_ratio[-90:])),
    "top_long_short_ratio": lambda b: np.log(b.top_long_short_ratio[-1]),
    "top_long_short_zscore_90": lambda b: zscore(np.log(b.top_long_short_ratio[-90:])),
    "top_to_all_ratio": lambda b: np.log(b.top_long_short_ratio[-1] / b.long_short_ratio[-1]),
    "taker_long_short_mean_30": lambda b: np.log(b.taker_long_short_ratio[-30:]).mean(),
}


@pytest.mark.parametrize("name", ORACLES)
def test_agrees_with_the_slow_formula(agrees: Callable[..., None], name: str) -> None:
    agrees(name, ORACLES[name])


def test_every_feature_has_an_oracle() -> None:
    assert set(ORACLES) == {f.name for f in REGISTRY.values() if f.family == "open_interest"}


def test_ratios_that_a_venue_does_not_publish_are_disabled(helpers: SimpleNamespace) -> None:
    disabled = engineer(helpers.market_panel(entities=1, bars=10), helpers.rule("open_interest"))[1]["disabled"]
    reasons = {entry["name"]: entry["reason"] for entry in disabled}
    assert reasons["long_short_ratio"] == "the panel has no column long_short_ratio"
    assert set(reasons) == {name for name in ORACLES if name.startswith(("long_short", "top_", "taker_"))}


def test_new_contracts_in_a_rising_market_build_up(helpers: SimpleNamespace) -> None:
    row = pl.int_range(pl.len())
    panel = helpers.market_panel(entities=1, bars=70).with_columns(
        close=1.01**row, open_interest_amount=pl.when(row < 35).then(1.02**row).otherwise(1.02 ** (70 - row))
    )
    features, _ = engineer(panel, helpers.rule("open_interest"))
    assert (features["build_up_30"][34], features["unwinding_30"][34]) == (1, 0)
    assert (features["build_up_30"][-1], features["unwinding_30"][-1]) == (0, 1)
