"""Macro features against slow formulas, and an oil price below zero."""

import math
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
import scipy.stats

from assay.market.features import engineer
from assay.market.features.feature import REGISTRY


def log_changes(values: Any, n: int) -> Any:
    return np.diff(np.log(values[-n - 1 :]))


def zscore(values: Any) -> Any:
    return (values[-1] - values.mean()) / values.std(ddof=1)


def premium(b: Any, n: int) -> Any:
    return math.log(b.vix_close[-1] / (100 * log_changes(b.close, n).std(ddof=1) * math.sqrt(252)))


def each(name: str, oracle: Any, *windows: int) -> Any:
    return {f"{name}_{n}": partial(oracle, n=n) for n in windows}


ORACLES = {
    **each("vix_distance", lambda b, n: b.vix_close[-1] / b.vix_close[-n:].mean() - 1, 20, 60, 120),
    "vix_zscore_60": lambda b: zscore(b.vix_close[-60:]),
    "vix_rank_120": lambda b: (scipy.stats.rankdata(b.vix_close[-120:])[-1] - 0.5) / 120,
    **each("vix_change", lambda b, n: b.vix_close[-1] / b.vix_close[-1 - n] - 1, 1, 5, 20),
    "vix_volatility_20": lambda b: log_changes(b.vix_close, 20).std(ddof=1),
    "vix_return_correlation_60": lambda b: np.corrcoef(log_changes(b.vix_close, 60), log_changes(b.close, 60))[0, 1],
    **each("variance_premium", premium, 20, 60),
    "vix_age": lambda b: b.vix_age[-1],
    **each("wti_return", lambda b, n: b.wti_price[-1] / b.wti_price[-1 - n] - 1, 5, 20, 60),
    "wti_zscore_60": lambda b: zscore(b.wti_price[-60:]),
    "wti_volatility_20": lambda b: log_changes(b.wti_price, 20).std(ddof=1),
    "wti_return_correlation_60": lambda b: np.corrcoef(log_changes(b.wti_price, 60), log_changes(b.close, 60))[0, 1],
    "wti_age": lambda b: b.wti_age[-1],
}


@pytest.mark.parametrize("name", ORACLES)
def test_agrees_with_the_slow_formula(agrees: Callable[..., None], name: str) -> None:
    agrees(name, ORACLES[name])


def test_every_feature_has_an_oracle() -> None:
    assert set(ORACLES) == {f.name for f in REGISTRY.values() if f.family == "macro"}


def test_oil_below_zero_has_no_return(helpers: SimpleNamespace) -> None:
    """On 20 April 2020 WTI settled at -37 dollars."""
    panel = helpers.market_panel(entities=1, bars=10).with_columns(
        wti_price=pl.Series([20.0, 20, 20, 20, 20, 22, -37, 21, 20, 20])
    )
    features, _ = engineer(panel, helpers.rule("macro"))
    assert features["wti_return_5"].to_list() == pytest.approx([None] * 5 + [0.1, None, 0.05, 0, 0])


def test_a_feed_that_starts_late_is_null_until_its_window_is_full(helpers: SimpleNamespace) -> None:
    panel = helpers.market_panel(entities=1, bars=60).with_columns(
        vix_close=pl.when(pl.int_range(pl.len()) >= 30).then("vix_close")
    )
    features, _ = engineer(panel, helpers.rule("macro"))
    assert features["vix_distance_20"].is_null().to_list() == [True] * 49 + [False] * 11
