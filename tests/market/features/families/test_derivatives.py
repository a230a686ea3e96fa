"""Features of funding and open interest against slow formulas, and a funding rate that stands still."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from assay.market.features import engineer
from assay.market.features.feature import REGISTRY


def zscore(values: Any) -> Any:
    return (values[-1] - values.mean()) / values.std(ddof=1)


def divergence(b: Any, n: int = 30) -> Any:
    moves = [np.diff(np.log(series[-n - 1 :])) for series in (b.open_interest_amount, b.close)]
    contracts, price = (move.sum() / move.std(ddof=1) for move in moves)
    return (contracts - price) / np.sqrt(n)


ORACLES = {
    "funding_rate": lambda b: b.funding_rate[-1],
    "funding_mean_21": lambda b: b.funding_rate[-21:].mean(),
    "funding_mean_90": lambda b: b.funding_rate[-90:].mean(),
    "funding_zscore_90": lambda b: zscore(b.funding_rate[-90:]),
    "funding_age": lambda b: b.funding_age[-1],
    "open_interest_change_6": lambda b: np.log(b.open_interest_amount[-1] / b.open_interest_amount[-7]),
    "open_interest_change_30": lambda b: np.log(b.open_interest_amount[-1] / b.open_interest_amount[-31]),
    "open_interest_zscore_90": lambda b: zscore(b.open_interest_amount[-90:]),
    "open_interest_price_divergence_30": divergence,
    "open_interest_turnover_30": lambda b: np.log(b.open_interest_value[-1] / (b.close * b.volume)[-30:].sum()),
    "open_interest_age": lambda b: b.open_interest_age[-1],
}


@pytest.mark.parametrize("name", ORACLES)
def test_agrees_with_the_slow_formula(helpers: SimpleNamespace, name: str) -> None:
    helpers.agrees(name, ORACLES[name])


def test_every_feature_has_an_oracle() -> None:
    assert set(ORACLES) == {f.name for f in REGISTRY.values() if f.family == "derivatives"}


def test_a_rate_that_stands_still_has_no_zscore(helpers: SimpleNamespace) -> None:
    """0.01 % for weeks is common; rounding noise must not be blown up to standard deviations."""
    panel = helpers.market_panel(entities=1, bars=150).with_columns(
        funding_rate=pl.when(pl.int_range(pl.len()) < 40).then(7e-4).otherwise(1e-4)
    )
    features, _ = engineer(panel, helpers.rule("derivatives"))
    assert features["funding_zscore_90"].is_null().to_list() == [True] * 89 + [False] * 40 + [True] * 21
