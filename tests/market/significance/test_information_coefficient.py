import numpy as np
import pytest
from scipy.signal import lfilter

from assay.market.metrics.forecasts import Array
from assay.market.significance import hac_lag, ic_t


def autoregressive(n: int, phi: float, seed: int) -> Array:
    return lfilter([1], [1, -phi], np.random.default_rng(seed).standard_normal(n))


@pytest.mark.parametrize("horizon", [1, 5, 24])
def test_lags_reach_past_the_overlap(horizon: int) -> None:
    assert hac_lag(1000, horizon) >= max(2 * (horizon - 1), 42)
    assert hac_lag(1000, 24) == 46


def test_rows_of_one_timestamp_do_not_count_as_many() -> None:
    score, returns = autoregressive(200, 0.0, 1), autoregressive(200, 0.0, 2) + 0.3 * autoregressive(200, 0.0, 1)
    alone = ic_t(score, returns, np.arange(200), horizon=5)
    copied = ic_t(np.repeat(score, 10), np.repeat(returns, 10), np.arange(0, 2000, 10), horizon=5)
    assert copied == pytest.approx(alone)


def slow_spread(products: Array, lag: int) -> float:
    """Newey-West variance of a sum over (timestamps, entities), pair by pair."""
    centred = (products - products.mean()).sum(axis=1)
    pairs = ((i, j) for i in range(len(centred)) for j in range(len(centred)) if abs(i - j) <= lag)
    return sum((1 - abs(i - j) / (lag + 1)) * centred[i] * centred[j] for i, j in pairs)


@pytest.mark.parametrize("entities", [1, 3])
@pytest.mark.parametrize(("phi", "longer_is_smaller"), [(0.8, True), (-0.8, False)])
def test_the_smaller_of_the_two_t_is_quoted(phi: float, longer_is_smaller: bool, entities: int) -> None:
    own = np.random.default_rng(7).standard_normal((2, 200, entities)) * (entities > 1)
    score = autoregressive(200, phi, 5)[:, None] + own[0]
    returns = autoregressive(200, abs(phi), 6)[:, None] + 0.1 * score + own[1]
    products = (score - score.mean()) / score.std() * (returns - returns.mean()) / returns.std()
    lag = hac_lag(200, 5)
    clustered, overlapping = (products.sum() / np.sqrt(slow_spread(products, lags)) for lags in (0, lag))
    b = (lag + 1) / 200
    overlapping /= 1 + (2.9694 * b + 0.4160 * b**2 - 0.5324 * b**3) / 1.96
    assert (abs(overlapping) < abs(clustered)) == longer_is_smaller
    found = ic_t(score.ravel(), returns.ravel(), np.arange(0, 200 * entities, entities), horizon=5)
    assert found == pytest.approx(min(clustered, overlapping, key=abs))


@pytest.mark.parametrize("score", [np.ones(50), np.zeros(50)])
def test_a_constant_score_has_no_t(score: Array) -> None:
    assert ic_t(score, np.random.default_rng(1).standard_normal(50), np.arange(50), horizon=5) is None


def test_the_lag_grows_with_the_sample() -> None:
    assert hac_lag(10_000, 5) == 130


def textbook_t(score: Array, returns: Array, lag: int) -> float:
    """Newey-West t of the regression slope, without small-sample factor and with the normal's quantiles."""
    x, y = ((side - side.mean()) / side.std() for side in (score, returns))
    moments = x * (y - np.mean(x * y) * x)
    covariances = [moments[k:] @ moments[: len(x) - k] for k in range(lag + 1)]
    weights = 2 * (1 - np.arange(lag + 1) / (lag + 1)) - (np.arange(lag + 1) == 0)
    return float(x @ y / np.sqrt(weights @ covariances))


def test_one_point_ninety_six_is_the_five_percent_line() -> None:
    """Labels that overlap over five bars, a score with memory, no skill: few lags and a normal quantile find some."""
    careful, careless = [], []
    for seed in range(600):
        random = np.random.default_rng(seed)
        path = np.cumsum(random.standard_normal(156))
        returns, score = path[5:] - path[:-5], lfilter([1], [1, -0.7], random.standard_normal(351))[200:]
        careful.append(abs(ic_t(score, returns, np.arange(151), horizon=5)) > 1.96)
        careless.append(abs(textbook_t(score, returns, 8)) > 1.96)
    assert np.mean(careless) > 0.085
    assert 0.03 <= np.mean(careful) <= 0.075
