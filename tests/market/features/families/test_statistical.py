"""Statistical features against scipy and slow formulas, also after a shock that running sums remember."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
import scipy.stats

from assay.market.features import engineer
from assay.market.features.feature import REGISTRY
from assay.market.features.windows import correlation


def returns(b: Any, *, step: int = 1) -> Any:
    return np.log(b.close[step:] / b.close[:-step])


def variance_ratio(b: Any) -> Any:
    return returns(b, step=5)[-60:].var(ddof=1) / (5 * returns(b)[-60:].var(ddof=1))


ORACLES = {
    "skewness_60": lambda b: scipy.stats.skew(returns(b)[-60:]),
    "kurtosis_60": lambda b: scipy.stats.kurtosis(returns(b)[-60:]),
    "autocorrelation_60": lambda b: np.corrcoef(returns(b)[-60:], returns(b)[-61:-1])[0, 1],
    "variance_ratio_5_60": variance_ratio,
    "up_share_20": lambda b: (np.diff(b.close[-21:]) > 0).mean(),
}


@pytest.mark.parametrize("name", ORACLES)
def test_agrees_with_the_slow_formula(helpers: SimpleNamespace, name: str) -> None:
    helpers.agrees(name, ORACLES[name])


def test_every_feature_has_an_oracle() -> None:
    assert set(ORACLES) == {f.name for f in REGISTRY.values() if f.family == "statistical"}


@pytest.mark.parametrize("name", ["skewness_60", "kurtosis_60", "autocorrelation_60", "variance_ratio_5_60"])
def test_a_shock_is_forgotten_with_its_window(helpers: SimpleNamespace, name: str) -> None:
    rng = np.random.default_rng(5)
    steps = rng.normal(0, 1e-3, 300)
    steps[100] = np.log(50)
    close = np.exp(np.cumsum(steps))
    panel = helpers.market_panel(entities=1, bars=300).with_columns(close=pl.Series(close))
    features, _ = engineer(panel, helpers.rule("statistical"))
    history = type("History", (), {"close": close})
    assert features[name][-1] == pytest.approx(ORACLES[name](history), rel=1e-4)


def test_correlation_of_a_flat_side_is_undefined() -> None:
    rng = np.random.default_rng(5)
    assert np.isnan(correlation(np.full(30, 0.1), rng.normal(size=30), 10)).all()
