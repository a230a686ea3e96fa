import numpy as np
import pytest
from arch.bootstrap import StationaryBootstrap, optimal_block_length
from scipy import stats
from scipy.signal import lfilter

from assay.market.metrics.forecasts import Array
from assay.market.significance import (
    BootstrapRule,
    block_variance,
    interval,
    optimal_block,
    resample_sums,
    resample_weights,
    small_sample_stretch,
    stretched_interval,
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


def test_block_of_a_series_that_is_nearly_always_silent_is_finite() -> None:
    for place in range(82):
        series = np.zeros(83)
        series[place : place + 2] = [1.0, -1.0]
        assert 1.0 <= optimal_block([series]) < 83.0


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


@pytest.mark.parametrize("block", [1.0, 3.0, 60.0, 500.0])
def test_blocks_wrap_around_and_may_be_longer_than_the_sample(block: float) -> None:
    """Timestamps drawn once more than their neighbour before them begin a block: as many as the theory says."""
    weights = weights_of(60, block, BootstrapRule(replications=2000))
    assert (weights.sum(axis=1) == 60).all()
    assert weights.min() >= 0.0
    assert weights.mean(axis=0) == pytest.approx(np.ones(60), abs=0.12)


@pytest.mark.parametrize("block", [1.0, 4.0, 20.0, 299.0])
def test_the_variance_without_drawing_is_that_of_the_paper(block: float) -> None:
    series = np.stack([autoregressive(300, phi, seed=1) for phi in (0.0, 0.6, 0.95)])
    series -= series.mean(axis=1, keepdims=True)
    expected = [300**2 * stationary_variance(x, block) for x in series]
    assert block_variance(series, block=block) == pytest.approx(expected, rel=1e-9)
    assert block_variance(series[1], block=block) == pytest.approx(expected[1], rel=1e-9)


def test_the_stretch_is_that_of_student_and_of_what_the_blocks_lose() -> None:
    wide = stats.t.ppf(0.975, 4) / stats.norm.ppf(0.975)
    assert small_sample_stretch(100, block=20, degrees=4) == pytest.approx(wide / np.sqrt(0.8))
    assert small_sample_stretch(10**6, block=1, degrees=1e9) == pytest.approx(1.0, abs=1e-5)
    assert small_sample_stretch(100, block=20, degrees=4, confidence=0.8) < wide
    assert small_sample_stretch(100, block=20, degrees=0.2) == small_sample_stretch(100, block=20, degrees=1)
    assert np.isfinite(small_sample_stretch(10, block=50, degrees=1))


def test_a_stretched_interval_holds_the_value_and_reaches_further() -> None:
    replicates = np.arange(101.0)
    assert stretched_interval(50.0, replicates, stretch=2.0, confidence=0.9) == pytest.approx((-40.0, 140.0))
    assert stretched_interval(50.0, replicates, stretch=1.0, confidence=0.9) == pytest.approx((5.0, 95.0))
    assert stretched_interval(0.0, replicates, stretch=1.0, confidence=0.9) == pytest.approx((0.0, 95.0))
    assert stretched_interval(0.0, np.full(10, np.nan), stretch=2.0) == (None, None)


def test_stretched_intervals_of_long_blocks_cover_where_percentiles_do_not() -> None:
    """The mean of 100 autocorrelated values, truth 0: the plain interval of the usual length covers too seldom."""
    plain, stretched = [], []
    for seed in range(250):
        x = autoregressive(300, 0.7, seed)[200:]
        block, rule = optimal_block([x]), BootstrapRule(replications=200, seed=seed)
        low, high = interval(resample_sums(x[:, None], block=block, rule=rule)[:, 0])
        plain.append(low <= 0.0 <= high)
        block = min(2.0 * block, 25.0)
        means = resample_sums(x[:, None], block=block, rule=rule)[:, 0]
        stretch = small_sample_stretch(100, block=block, degrees=100 / block - 1)
        low, high = stretched_interval(x.sum(), means, stretch=stretch)
        stretched.append(low <= 0.0 <= high)
    assert np.mean(plain) < 0.89
    assert 0.90 <= np.mean(stretched) <= 0.98
