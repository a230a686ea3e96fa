import numpy as np
import pytest
from scipy.signal import lfilter
from statsmodels.api import OLS, add_constant

from assay.market.metrics.forecasts import Array
from assay.market.significance import hac_lag, hac_t, ic_t


def autoregressive(n: int, phi: float, seed: int) -> Array:
    return lfilter([1], [1, -phi], np.random.default_rng(seed).standard_normal(n))


@pytest.mark.parametrize("horizon", [1, 5, 24])
def test_lags_reach_past_the_overlap(horizon: int) -> None:
    assert hac_lag(1000, horizon) >= max(2 * (horizon - 1), 42)
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


def slow_spread(products: Array, lag: int) -> float:
    """Newey-West variance of a sum, pair by pair."""
    centred = products - products.mean()
    pairs = ((i, j) for i in range(len(centred)) for j in range(len(centred)) if abs(i - j) <= lag)
    return sum((1 - abs(i - j) / (lag + 1)) * centred[i] * centred[j] for i, j in pairs)


@pytest.mark.parametrize(("phi", "longer_is_smaller"), [(0.8, True), (-0.8, False)])
def test_the_smaller_of_the_two_t_is_quoted(phi: float, longer_is_smaller: bool) -> None:
    score = autoregressive(200, phi, 5)
    returns = autoregressive(200, abs(phi), 6) + 0.1 * score
    products = (score - score.mean()) / score.std() * (returns - returns.mean()) / returns.std()
    lag = hac_lag(200, 5)
    clustered, overlapping = (products.sum() / np.sqrt(slow_spread(products, lags)) for lags in (0, lag))
    b = (lag + 1) / 200
    overlapping /= 1 + (2.9694 * b + 0.4160 * b**2 - 0.5324 * b**3) / 1.96
    assert (abs(overlapping) < abs(clustered)) == longer_is_smaller
    found = ic_t(score, returns, np.arange(200), horizon=5)
    assert found == pytest.approx(min(clustered, overlapping, key=abs))


@pytest.mark.parametrize("score", [np.ones(50), np.zeros(50)])
def test_a_constant_score_has_no_t(score: Array) -> None:
    assert ic_t(score, np.random.default_rng(1).standard_normal(50), np.arange(50), horizon=5) is None


def test_the_lag_grows_with_the_sample() -> None:
    assert hac_lag(10_000, 5) == 130


def test_one_point_ninety_six_is_the_five_percent_line() -> None:
    """Labels that overlap over five bars, a score with memory, no skill: few lags and a normal quantile find some."""
    careful, careless = [], []
    for seed in range(600):
        random = np.random.default_rng(seed)
        path = np.cumsum(random.standard_normal(156))
        returns, score = path[5:] - path[:-5], lfilter([1], [1, -0.7], random.standard_normal(351))[200:]
        careful.append(abs(ic_t(score, returns, np.arange(151), horizon=5)) > 1.96)
        careless.append(abs(hac_t(score, returns, np.arange(151), lag=8)) > 1.96)
    assert np.mean(careless) > 0.085
    assert 0.03 <= np.mean(careful) <= 0.075
