from typing import Any

import numpy as np
import pytest
from arch.bootstrap import StationaryBootstrap
from scipy.signal import lfilter

from assay.market.metrics.forecasts import Array
from assay.market.significance import BootstrapRule, resample_weights, sharpe_interval


def autoregressive(n: int, phi: float, seed: int) -> Array:
    return lfilter([1], [1, -phi], np.random.default_rng(seed).standard_normal(n))


def weights_of(n: int, block: float, rule: BootstrapRule) -> Array:
    return np.concatenate(list(resample_weights(n, block=block, rule=rule)))


def test_sharpe_is_annualised_and_its_interval_that_of_arch() -> None:
    returns = 0.0005 + 0.01 * autoregressive(750, 0.2, 9)

    def sharpe(x: Array) -> float:
        return x.mean() / x.std(ddof=1) * np.sqrt(252)

    found = sharpe_interval(returns, bars_per_year=252, block=10, rule=BootstrapRule(seed=1, replications=4000))
    low, high = StationaryBootstrap(10, returns, seed=2).conf_int(sharpe, 2000, method="percentile").ravel()
    assert found["value"] == pytest.approx(sharpe(returns))
    assert found["low"] == pytest.approx(low, abs=0.15)
    assert found["high"] == pytest.approx(high, abs=0.15)


def test_the_sharpe_of_each_resample_is_that_of_its_rows() -> None:
    returns = 0.5 + np.random.default_rng(1).standard_normal(25)
    weights = weights_of(25, 3.0, BootstrapRule(seed=4)).astype(int)
    drawn = [np.repeat(returns, row) for row in weights]
    expected = np.quantile([x.mean() / x.std(ddof=1) * np.sqrt(252) for x in drawn], [0.025, 0.975])
    found = sharpe_interval(returns, bars_per_year=252, block=3.0, rule=BootstrapRule(seed=4))
    assert [found["low"], found["high"]] == pytest.approx(expected)


def test_every_argument_of_the_sharpe_interval_counts() -> None:
    returns = 0.01 * autoregressive(400, 0.7, 3)
    given: dict[str, Any] = {"bars_per_year": 252, "block": 5.0, "rule": BootstrapRule(seed=1)}
    base = sharpe_interval(returns, **given)
    assert sharpe_interval(returns, **given) == base
    rules = ({"seed": 2}, {"seed": 1, "confidence": 0.8}, {"seed": 1, "replications": 500})
    changes = [{"bars_per_year": 365}, {"block": 20.0}, *({"rule": BootstrapRule(**rule)} for rule in rules)]
    for change in changes:
        assert sharpe_interval(returns, **{**given, **change})["low"] != base["low"]


def test_a_part_of_the_returns_is_scaled_by_the_risk_of_all() -> None:
    """The parts of a book's Sharpe ratio add up to it."""
    rng = np.random.default_rng(8)
    part, rest = 0.001 + 0.01 * rng.standard_normal((2, 300))
    given: dict[str, Any] = {"bars_per_year": 252, "block": 5.0, "rule": BootstrapRule(seed=1), "risk": part + rest}
    found = [sharpe_interval(returns, **given)["value"] for returns in (part, rest, part + rest)]
    assert found[0] + found[1] == pytest.approx(found[2])
    assert found[2] == pytest.approx((part + rest).mean() / (part + rest).std(ddof=1) * np.sqrt(252))
    low, high = (sharpe_interval(part, **given)[end] for end in ("low", "high"))
    assert low < found[0] < high


@pytest.mark.parametrize("returns", [np.zeros(100), np.full(100, 0.001), np.array([0.1])])
def test_returns_that_never_vary_have_no_sharpe(returns: Array) -> None:
    nothing = {"value": None, "low": None, "high": None}
    assert sharpe_interval(returns, bars_per_year=252, block=5, rule=BootstrapRule()) == nothing
