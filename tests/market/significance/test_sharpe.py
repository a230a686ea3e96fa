"""One track record: printed values of the papers, Monte Carlo and independent formulas."""

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.signal import lfilter
from statsmodels.tsa.stattools import acf

from assay.market.significance import (
    Track,
    annualisation_factor,
    annualised_sharpe,
    minimum_track_record_length,
    probabilistic_sharpe_ratio,
    sharpe_variance,
    track_record,
)

FUND = Track(1.585 / math.sqrt(12), 24, skew=-2.448, kurtosis=10.164)  # the hedge fund of the paper of 2012
REVISED = Track(0.036 / 0.079, 24, skew=-2.448, kurtosis=10.164)  # the same as the revision of 2025 prints it


def test_a_track_record_is_measured_as_scipy_does() -> None:
    returns = np.random.default_rng(1).gamma(2.0, 0.01, 400) - 0.015
    found = track_record(returns)
    assert found.sharpe == pytest.approx(returns.mean() / returns.std(ddof=1))
    assert found.observations == 400
    assert found.skew == pytest.approx(stats.skew(returns))
    assert found.kurtosis == pytest.approx(stats.kurtosis(returns, fisher=False))
    assert found.autocorrelation == pytest.approx(acf(returns, nlags=1)[1])


@pytest.mark.parametrize("returns", [np.zeros(50), np.full(50, 0.01), np.array([0.1, 0.2])])
def test_returns_that_never_vary_are_no_track_record(returns: Any) -> None:
    assert track_record(returns) is None
    assert annualised_sharpe(returns, bars_per_year=252) is None


def test_probabilistic_sharpe_ratio_of_2012_as_printed() -> None:
    assert probabilistic_sharpe_ratio(FUND) == pytest.approx(0.91323, abs=5e-6)
    assert probabilistic_sharpe_ratio(Track(FUND.sharpe, 24)) == pytest.approx(0.98159, abs=5e-6)


def test_probabilistic_sharpe_ratio_of_2025_as_printed() -> None:
    assert probabilistic_sharpe_ratio(REVISED, convention="2025") == pytest.approx(0.987, abs=5e-4)
    assert probabilistic_sharpe_ratio(REVISED, 0.1, convention="2025") == pytest.approx(0.939, abs=5e-4)
    assert math.sqrt(sharpe_variance(REVISED, REVISED.sharpe, convention="2025")) == pytest.approx(0.329, abs=5e-4)
    normal = Track(REVISED.sharpe, 24)
    assert math.sqrt(sharpe_variance(normal, normal.sharpe, convention="2025")) == pytest.approx(0.214, abs=5e-4)


def test_moments_that_no_sample_has_give_no_confidence() -> None:
    assert probabilistic_sharpe_ratio(Track(1.0, 24, skew=4.0, kurtosis=3.0)) is None


@pytest.mark.parametrize(("per_year", "years"), [(250, 2.731), (52, 2.829), (12, 3.240)])
def test_minimum_track_record_of_2012_as_printed(per_year: int, years: float) -> None:
    """Sharpe ratio 2 against 1 at 95 %, with daily, weekly and monthly returns."""
    track = Track(2 / math.sqrt(per_year), 1)
    assert minimum_track_record_length(track, 1 / math.sqrt(per_year)) / per_year == pytest.approx(years, abs=5e-4)


def test_minimum_track_record_with_skew_and_of_2025_as_printed() -> None:
    monthly = Track(2 / math.sqrt(12), 1, skew=-0.72, kurtosis=5.78)
    assert minimum_track_record_length(monthly, 1 / math.sqrt(12)) / 12 == pytest.approx(4.991, abs=5e-4)
    assert minimum_track_record_length(REVISED, convention="2025") == pytest.approx(13.029, abs=5e-4)


@pytest.mark.parametrize("convention", ["2012", "2025"])
def test_after_the_minimum_track_record_the_ratio_is_told_from_the_benchmark(convention: Any) -> None:
    track = Track(0.08, 1, skew=-1.0, kurtosis=7.0, autocorrelation=0.1)
    length = minimum_track_record_length(track, 0.01, confidence=0.9, convention=convention)
    long_enough = Track(0.08, length, skew=-1.0, kurtosis=7.0, autocorrelation=0.1)
    assert probabilistic_sharpe_ratio(long_enough, 0.01, convention=convention) == pytest.approx(0.9)


def test_a_ratio_that_is_not_above_the_benchmark_is_never_told_from_it() -> None:
    assert minimum_track_record_length(FUND, FUND.sharpe) is None


@pytest.mark.parametrize("convention", ["2012", "2025"])
def test_a_track_record_without_skill_is_believed_as_often_as_stated(convention: Any) -> None:
    """True Sharpe ratio 0.1 with skewed returns, against 0.1: above 95 % in 5 % of the cases."""
    rng = np.random.default_rng(3)
    draws = 0.1 * math.sqrt(3.0) + (rng.gamma(3.0, 1.0, (3000, 600)) - 3.0)
    psr = [probabilistic_sharpe_ratio(track_record(row), 0.1, convention=convention) for row in draws]
    assert np.mean(np.array(psr) > 0.95) == pytest.approx(0.05, abs=0.015)


def test_the_variance_of_2025_knows_autocorrelation() -> None:
    rng = np.random.default_rng(4)
    series = lfilter([1], [1, -0.4], rng.standard_normal((3000, 700)), axis=1)[:, 100:]
    ratios = series.mean(axis=1) / series.std(axis=1, ddof=1)
    told = sharpe_variance(Track(0.0, 600, autocorrelation=0.4), 0.0, convention="2025")
    assert told == pytest.approx(ratios.var(), rel=0.08)
    assert sharpe_variance(Track(0.0, 600, autocorrelation=0.4)) == pytest.approx(1 / 599)


def test_the_variance_of_2025_with_all_moments() -> None:
    """Written out with rho = 1/2: a = 3, b = 7/3, c = 5/3."""
    track = Track(9.0, 100, skew=-1.0, kurtosis=9.0, autocorrelation=0.5)
    assert sharpe_variance(track, 0.3, convention="2025") == pytest.approx((3 + 7 / 3 * 0.3 + 5 / 3 * 2 * 0.09) / 100)


def test_annualisation_under_autocorrelation_is_that_of_lo() -> None:
    assert annualisation_factor(12) == pytest.approx(math.sqrt(12))
    assert annualisation_factor(12, [0.2**lag for lag in range(1, 12)]) == pytest.approx(2.879, abs=5e-4)
    assert annualisation_factor(3, [0.4, 0.3, 0.2, 0.1, 0.1]) == annualisation_factor(3, [0.4, 0.3])
    assert annualisation_factor(12, [-0.9]) is None


def test_annual_sharpe_is_that_of_the_annual_sums() -> None:
    monthly = 0.3 + lfilter([1], [1, -0.3], np.random.default_rng(5).standard_normal(240_000))
    annual = monthly.reshape(-1, 12).sum(axis=1)
    told = annualised_sharpe(monthly, bars_per_year=12, lags=11)
    assert told == pytest.approx(annual.mean() / annual.std(ddof=1), rel=0.02)
    assert told < 0.8 * annualised_sharpe(monthly, bars_per_year=12, lags=0)


def test_annual_sharpe_counts_the_autocorrelations_that_are_asked_for() -> None:
    returns = 0.1 + lfilter([1], [1, -0.5], np.random.default_rng(6).standard_normal(400))
    plain = returns.mean() / returns.std(ddof=1)
    for lags, reach in ((0, 0), (3, 3), (None, int(4 * 4 ** (2 / 9)))):
        rho = acf(returns, nlags=max(reach, 1))[1 : reach + 1]
        expected = plain * annualisation_factor(252, list(rho))
        assert annualised_sharpe(returns, bars_per_year=252, lags=lags) == pytest.approx(expected)
