"""Features of funding and basis against slow formulas, settlements counted, and a funding rate that stands still."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from assay.market.features import engineer
from assay.market.features.feature import REGISTRY


def zscore(values: Any) -> Any:
    return (values[-1] - values.mean()) / values.std(ddof=1)


def funding(oracle: Any) -> Any:
    """An oracle of the known funding rates of the last n bars."""
    return lambda b, n: oracle(b.funding_rate[-n:])


def paid(b: Any, n: int) -> Any:
    """Rates of the settlements that the last n bars got to know, each once."""
    settled = (b.time.astype("datetime64[us]").astype(float) / 3.6e9 - b.funding_age).round(3)
    return sum(b.funding_rate[-k] for k in range(1, n + 1) if settled[-k] > settled[-k - 1])


def basis(b: Any) -> Any:
    return b.mark_price / b.index_price - 1


def each(name: str, oracle: Any, *windows: int) -> Any:
    return {f"{name}_{n}": partial(oracle, n=n) for n in windows}


ORACLES = {
    "funding_rate": lambda b: b.funding_rate[-1],
    **each("funding_mean", funding(np.mean), 21, 90),
    "funding_trend_21_90": lambda b: b.funding_rate[-21:].mean() - b.funding_rate[-90:].mean(),
    **each("funding_paid", paid, 30, 90),
    **each("funding_zscore", funding(zscore), 30, 90),
    **each("funding_change", lambda b, n: b.funding_rate[-1] - b.funding_rate[-1 - n], 6, 21),
    **each("funding_positive_share", funding(lambda rates: np.mean(rates > 0)), 90),
    **each("funding_deviation", funding(lambda rates: rates.std(ddof=1)), 90),
    "funding_return_correlation_90": lambda b: np.corrcoef(b.funding_rate[-90:], np.diff(np.log(b.close[-91:])))[0, 1],
    "funding_age": lambda b: b.funding_age[-1],
    "hours_to_funding": lambda b: 8 - b.funding_age[-1],
    "basis": lambda b: basis(b)[-1],
    "basis_mean_30": lambda b: basis(b)[-30:].mean(),
    "basis_zscore_90": lambda b: zscore(basis(b)[-90:]),
    "index_distance": lambda b: b.close[-1] / b.index_price[-1] - 1,
}


@pytest.mark.parametrize("name", ORACLES)
def test_agrees_with_the_slow_formula(agrees: Callable[..., None], name: str) -> None:
    agrees(name, ORACLES[name])


def test_every_feature_has_an_oracle() -> None:
    assert set(ORACLES) == {f.name for f in REGISTRY.values() if f.family == "derivatives"}


def test_a_settlement_is_paid_once(helpers: SimpleNamespace) -> None:
    """Bars of four hours know each settlement twice; bars of eight hours know one each, always of the same age."""
    for hours, settlements in ((4, 15), (8, 30)):
        panel = helpers.market_panel(entities=1, bars=60, every=timedelta(hours=hours)).with_columns(
            funding_rate=pl.lit(1e-4),
            funding_age=pl.when(pl.int_range(pl.len()) % (8 // hours) == 0).then(0.1).otherwise(4.1),
        )
        features, _ = engineer(panel, helpers.rule("derivatives"))
        assert features["funding_paid_30"][-1] == pytest.approx(settlements * 1e-4)


def test_a_settlement_that_is_overdue_is_due_now(helpers: SimpleNamespace) -> None:
    panel = helpers.market_panel(entities=1, bars=3).with_columns(funding_age=pl.Series([0.0, 7.5, 30.0]))
    assert engineer(panel, helpers.rule("derivatives"))[0]["hours_to_funding"].to_list() == [8.0, 0.5, 0.0]


def test_a_venue_without_an_index_has_no_basis(helpers: SimpleNamespace) -> None:
    disabled = engineer(helpers.market_panel(entities=1, bars=10), helpers.rule("derivatives"))[1]["disabled"]
    assert {entry["name"] for entry in disabled} == {"basis", "basis_mean_30", "basis_zscore_90", "index_distance"}


def test_a_rate_that_stands_still_has_no_zscore(helpers: SimpleNamespace) -> None:
    """0.01 % for weeks is common; rounding noise must not be blown up to standard deviations."""
    panel = helpers.market_panel(entities=1, bars=150).with_columns(
        funding_rate=pl.when(pl.int_range(pl.len()) < 40).then(7e-4).otherwise(1e-4)
    )
    features, _ = engineer(panel, helpers.rule("derivatives"))
    assert features["funding_zscore_90"].is_null().to_list() == [True] * 89 + [False] * 40 + [True] * 21
