from typing import Any

import numpy as np
import pytest
from arch.bootstrap import StationaryBootstrap, optimal_block_length
from scipy.signal import lfilter
from statsmodels.api import OLS, add_constant

from assay.market.metrics.forecasts import Array
from assay.market.significance import (
    BootstrapRule,
    effective_rows,
    hac_lag,
    hac_t,
    ic_t,
    interval,
    mean_correlation,
    optimal_block,
    resample_sums,
    resample_weights,
    rows_needed,
    sharpe_interval,
)


def autoregressive(n: int, phi: float, seed: int) -> Array:
    return lfilter([1], [1, -phi], np.random.default_rng(seed).standard_normal(n))


def weights_of(n: int, block: float, rule: BootstrapRule) -> Array:
    return np.concatenate(list(resample_weights(n, block=block, rule=rule)))


def stationary_variance(x: Array, block: float) -> float:
    """Variance of the bootstrap mean in closed form: Politis & Romano (1994), Lemma 1."""
    n, p, centred = len(x), 1.0 / block, x - x.mean()
    gamma = np.array([centred[: n - i] @ centred[i:] / n for i in range(n)])
    i = np.arange(1, n)
    b = (1 - i / n) * (1 - p) ** i + (i / n) * (1 - p) ** (n - i)
    return (gamma[0] + 2 * (b * gamma[1:]).sum()) / n


def test_each_resample_draws_as_many_timestamps_as_there_are() -> None:
    weights = weights_of(57, 5.0, BootstrapRule(replications=150))
    assert weights.shape == (150, 57)
    assert (weights.sum(axis=1) == 57).all()
    assert weights.mean(axis=0) == pytest.approx(np.ones(57), abs=0.5)


@pytest.mark.parametrize("block", [1.0, 4.0, 20.0])
def test_the_spread_of_the_mean_is_that_of_the_paper(block: float) -> None:
    x = autoregressive(300, 0.6, seed=1)
    means = weights_of(300, block, BootstrapRule(replications=4000)) @ x / 300
    assert means.var() == pytest.approx(stationary_variance(x, block), rel=0.08)


def test_the_spread_of_the_mean_is_that_of_arch() -> None:
    x = autoregressive(300, 0.6, seed=2)
    theirs = StationaryBootstrap(12, x, seed=3).apply(np.mean, 2000).std()
    ours = (weights_of(300, 12.0, BootstrapRule(replications=2000)) @ x / 300).std()
    assert ours == pytest.approx(theirs, rel=0.07)


def test_resamples_depend_on_the_seed_and_on_nothing_else() -> None:
    first, again, other = (weights_of(40, 3.0, BootstrapRule(replications=60, seed=seed)) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


def test_resampled_sums_are_sums_over_the_drawn_timestamps() -> None:
    rule = BootstrapRule(replications=120)
    sums = np.random.default_rng(0).standard_normal((30, 2))
    resampled = resample_sums(sums, block=4.0, rule=rule)
    assert resampled.shape == (120, 2)
    assert resampled == pytest.approx(weights_of(30, 4.0, rule) @ sums)


def test_block_is_the_longest_that_a_series_asks_for_and_at_least_the_horizon() -> None:
    slow, white = autoregressive(2000, 0.5, seed=4), autoregressive(2000, 0.0, seed=5)
    expected = float(optimal_block_length(slow)["stationary"].iloc[0])
    assert optimal_block([white, slow]) == pytest.approx(expected)
    assert optimal_block([white, slow], horizon=100) == 100.0


def test_block_of_an_autoregression_is_that_of_the_theory() -> None:
    """Politis & White: (2 G^2 / D n)^(1/3), with G = 2 phi / (1 - phi)^2 and D = 2 ((1 + phi) / (1 - phi))^2."""
    lengths = [optimal_block([autoregressive(2000, 0.5, seed)]) for seed in range(20)]
    assert np.mean(lengths) == pytest.approx((2 * 4.0**2 / (2 * 3.0**2) * 2000) ** (1 / 3), abs=1.5)


@pytest.mark.parametrize("series", [np.zeros(100), np.arange(10.0)], ids=["constant", "very short"])
def test_block_of_a_series_that_says_nothing_is_the_horizon(series: Array) -> None:
    assert optimal_block([series], horizon=5) == 5.0


def test_interval_is_the_middle_of_the_replicates() -> None:
    assert interval(np.arange(101.0), confidence=0.9) == pytest.approx((5.0, 95.0))


@pytest.mark.parametrize(("undefined", "expected"), [(5, (1.0, 1.0)), (20, (None, None)), (100, (None, None))])
def test_interval_needs_the_metric_to_be_defined_nearly_always(undefined: int, expected: object) -> None:
    replicates = np.ones(100)
    replicates[:undefined] = np.nan
    assert interval(replicates) == expected


def test_mean_correlation_is_the_mean_of_the_matrix() -> None:
    random = np.random.default_rng(1)
    table = 0.8 * random.standard_normal((500, 1)) + 0.6 * random.standard_normal((500, 6))
    entity, time = np.tile(np.arange(6), 500), np.repeat(np.arange(500), 6)
    matrix = np.corrcoef(table.T)
    expected = matrix[np.triu_indices(6, 1)].mean()
    assert mean_correlation(table.ravel(), entity, time) == pytest.approx(expected, abs=1e-12)


def test_mean_correlation_of_one_entity_and_of_opposites_is_zero() -> None:
    x = np.random.default_rng(1).standard_normal(50)
    assert mean_correlation(x, np.zeros(50, int), np.arange(50)) == 0.0
    both = np.column_stack([x, -x]).ravel()
    assert mean_correlation(both, np.tile([0, 1], 50), np.repeat(np.arange(50), 2)) == 0.0


def test_effective_rows_count_overlap_and_co_movement() -> None:
    assert effective_rows(1000, 5) == 200.0
    assert effective_rows(1000, 1, entities=12, correlation=0.64) / 1000 == pytest.approx(1.5, abs=0.02)
    assert effective_rows(1000, 1, entities=12, correlation=0.0) == 12_000.0
    assert effective_rows(1000, 1, entities=12, correlation=1.0) == pytest.approx(1000.0)


@pytest.mark.parametrize("horizon", [1, 5, 24])
def test_lags_reach_past_the_overlap(horizon: int) -> None:
    assert hac_lag(1000, horizon) >= max(horizon - 1, 6)
    assert hac_lag(1000, 24) == 46


@pytest.mark.parametrize("lag", [0, 4, 12])
def test_t_of_one_entity_is_that_of_statsmodels(lag: int) -> None:
    score, returns = autoregressive(400, 0.8, 1), autoregressive(400, 0.5, 2)
    fit = OLS(returns, add_constant(score)).fit(cov_type="HAC", cov_kwds={"maxlags": lag, "use_correction": False})
    assert hac_t(score, returns, np.arange(400), lag=lag) == pytest.approx(fit.tvalues[1], rel=1e-9)


@pytest.mark.parametrize("lag", [0, 6])
def test_t_of_a_panel_is_driscoll_and_kraay(lag: int) -> None:
    random = np.random.default_rng(3)
    shock = random.standard_normal((200, 1))
    score = (shock + random.standard_normal((200, 3))).ravel()
    returns = (np.roll(shock, 1, axis=0) + 0.2 * shock + random.standard_normal((200, 3))).ravel()
    options = {"time": np.repeat(np.arange(200), 3), "maxlags": lag, "use_correction": False}
    fit = OLS(returns, add_constant(score)).fit(cov_type="hac-groupsum", cov_kwds=options)
    assert hac_t(score, returns, np.arange(0, 600, 3), lag=lag) == pytest.approx(fit.tvalues[1], rel=1e-9)


def test_rows_of_one_timestamp_do_not_count_as_many() -> None:
    score, returns = autoregressive(200, 0.0, 1), autoregressive(200, 0.0, 2) + 0.3 * autoregressive(200, 0.0, 1)
    alone = hac_t(score, returns, np.arange(200), lag=0)
    copied = hac_t(np.repeat(score, 10), np.repeat(returns, 10), np.arange(0, 2000, 10), lag=0)
    assert copied == pytest.approx(alone)


@pytest.mark.parametrize(("phi", "longer_is_smaller"), [(0.8, True), (-0.8, False)])
def test_the_smaller_of_the_two_t_is_quoted(phi: float, longer_is_smaller: bool) -> None:
    score = autoregressive(500, phi, 5)
    returns = autoregressive(500, abs(phi), 6) + 0.1 * score
    clustered, overlapping = (hac_t(score, returns, np.arange(500), lag=lag) for lag in (0, hac_lag(500, 5)))
    assert (abs(overlapping) < abs(clustered)) == longer_is_smaller
    assert ic_t(score, returns, np.arange(500), horizon=5) == min(clustered, overlapping, key=abs)


@pytest.mark.parametrize("score", [np.ones(50), np.zeros(50)])
def test_a_constant_score_has_no_t(score: Array) -> None:
    assert ic_t(score, np.random.default_rng(1).standard_normal(50), np.arange(50), horizon=5) is None


@pytest.mark.parametrize(("ic", "rows"), [(0.02, 15_456), (0.03, 6_869), (0.05, 2_472), (0.1, 618), (-0.1, 618)])
def test_rows_needed_known_answers(ic: float, rows: int) -> None:
    assert rows_needed(ic) == rows


def test_rows_needed_grow_with_power_and_strictness() -> None:
    assert rows_needed(0.05, power=0.9) > rows_needed(0.05) < rows_needed(0.05, level=0.01)


def test_sharpe_is_annualised_and_its_interval_that_of_arch() -> None:
    returns = 0.0005 + 0.01 * autoregressive(750, 0.2, 9)

    def sharpe(x: Array) -> float:
        return x.mean() / x.std(ddof=1) * np.sqrt(252)

    found = sharpe_interval(returns, bars_per_year=252, block=10, rule=BootstrapRule(seed=1))
    low, high = StationaryBootstrap(10, returns, seed=2).conf_int(sharpe, 1000, method="percentile").ravel()
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
