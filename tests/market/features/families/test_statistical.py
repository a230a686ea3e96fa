"""Statistical features against scipy and slow formulas, also after a shock that running sums remember."""

import math
from collections import Counter
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


def returns(b: Any, *, step: int = 1) -> Any:
    return np.log(b.close[step:] / b.close[:-step])


def delayed_correlation(left: Any, right: Any, n: int, lag: int) -> Any:
    """Correlation of the last n values with those of the other series some bars earlier."""
    return np.corrcoef(left[-n:], right[-n - lag : -lag])[0, 1]


def autocorrelation(b: Any, n: int, lag: int = 1) -> Any:
    return delayed_correlation(returns(b), returns(b), n, lag)


def variance_ratio(b: Any, step: int, n: int) -> Any:
    return returns(b, step=step)[-n:].var(ddof=1) / (step * returns(b)[-n:].var(ddof=1))


def hurst(b: Any, n: int = 120) -> Any:
    steps = (1, 2, 4, 8)
    deviations = [returns(b, step=step)[-n:].std(ddof=1) for step in steps]
    return np.polyfit(np.log(steps), np.log(deviations), 1)[0]


def entropy(patterns: Any, possible: int) -> Any:
    return scipy.stats.entropy(list(Counter(patterns).values())) / math.log(possible)


def sign_entropy(b: Any, n: int) -> Any:
    rises = np.diff(b.close) > 0
    return entropy([tuple(rises[end - 3 : end]) for end in range(len(rises) - n + 1, len(rises) + 1)], 8)


def permutation_entropy(b: Any, n: int) -> Any:
    rows = len(b.close)
    return entropy([tuple(np.argsort(b.close[end - 3 : end])) for end in range(rows - n + 1, rows + 1)], 6)


def tail_ratio(b: Any, n: int) -> Any:
    low, high = np.quantile(returns(b)[-n:], [0.05, 0.95])
    return math.log(high / abs(low))


def median_zscore(b: Any, n: int) -> Any:
    values = np.log(b.close[-n:])
    return (values[-1] - np.median(values)) / (scipy.stats.iqr(values) / 1.349)


def price_rank(b: Any, n: int) -> Any:
    return (scipy.stats.rankdata(b.close[-n:])[-1] - 0.5) / n


def jump_share(b: Any, n: int) -> Any:
    sizes = np.abs(returns(b))
    bipower = math.pi / 2 * sum(sizes[-k] * sizes[-k - 1] for k in range(1, n + 1))
    return max(1 - bipower / (sizes[-n:] ** 2).sum(), 0)


def return_zscore(b: Any, n: int) -> Any:
    return scipy.stats.zscore(returns(b)[-n:], ddof=1)[-1]


def each(name: str, oracle: Any, *windows: int) -> Any:
    return {f"{name}_{n}": partial(oracle, n=n) for n in windows}


ORACLES = {
    **each("skewness", lambda b, n: scipy.stats.skew(returns(b)[-n:]), 60, 120),
    **each("kurtosis", lambda b, n: scipy.stats.kurtosis(returns(b)[-n:]), 60, 120),
    **each("autocorrelation", autocorrelation, 60, 120),
    **{f"autocorrelation_lag_{lag}_60": partial(autocorrelation, n=60, lag=lag) for lag in (2, 5)},
    "volatility_clustering_60": lambda b: delayed_correlation(np.abs(returns(b)), np.abs(returns(b)), 60, 1),
    "leverage_effect_60": lambda b: delayed_correlation(returns(b) ** 2, returns(b), 60, 1),
    "variance_ratio_2_60": partial(variance_ratio, step=2, n=60),
    "variance_ratio_5_60": partial(variance_ratio, step=5, n=60),
    "variance_ratio_10_120": partial(variance_ratio, step=10, n=120),
    "hurst_120": hurst,
    **each("up_share", lambda b, n: (np.diff(b.close[-n - 1 :]) > 0).mean(), 5, 20, 60),
    **each("sign_entropy", sign_entropy, 60, 120),
    **each("permutation_entropy", permutation_entropy, 60, 120),
    **each("tail_ratio", tail_ratio, 60, 120),
    "highest_return_20": lambda b: max(returns(b)[-20:]) / returns(b)[-20:].std(ddof=1),
    "lowest_return_20": lambda b: min(returns(b)[-20:]) / returns(b)[-20:].std(ddof=1),
    **each("return_zscore", return_zscore, 20, 60),
    **each("median_zscore", median_zscore, 20, 60),
    **each("price_rank", price_rank, 20, 60, 120),
    **each("jump_share", jump_share, 20, 60),
}


@pytest.mark.parametrize("name", ORACLES)
def test_agrees_with_the_slow_formula(agrees: Callable[..., None], name: str) -> None:
    agrees(name, ORACLES[name])


def test_every_feature_has_an_oracle() -> None:
    assert set(ORACLES) == {f.name for f in REGISTRY.values() if f.family == "statistical"}


def test_known_shapes(helpers: SimpleNamespace) -> None:
    """A price that alternates, one that only rises, one that jumps once, and one that returns to its mean at once."""
    row = pl.int_range(pl.len())
    noise = np.random.default_rng(6).normal(0, 0.01, 300)
    shapes = {
        "alternating": pl.when(row % 2 == 0).then(1.0).otherwise(1.01),
        "rising": 1.01**row * (1 + 1e-4 * (row % 7)),
        "noise": pl.Series(np.exp(noise)),
        "jump": pl.when(row < 280).then(1.0 + 1e-4 * (row % 2)).otherwise(2.0 + 1e-4 * (row % 2)),
    }
    panel = helpers.market_panel(entities=1, bars=300)
    last = {
        name: engineer(panel.with_columns(close=close), helpers.rule("statistical"))[0].row(-1, named=True)
        for name, close in shapes.items()
    }
    assert last["alternating"]["autocorrelation_60"] == pytest.approx(-1)
    assert last["noise"]["hurst_120"] == pytest.approx(0, abs=0.05)
    assert last["alternating"]["sign_entropy_60"] == pytest.approx(math.log(2) / math.log(8))
    assert last["rising"]["permutation_entropy_60"] == last["rising"]["sign_entropy_60"] == 0
    assert last["rising"]["price_rank_60"] == pytest.approx(59.5 / 60)
    assert last["jump"]["jump_share_60"] > 0.99


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
