"""Diebold-Mariano and Pesaran-Timmermann against scipy, statsmodels, plain loops and markets without skill."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter
from scipy.stats import chi2_contingency, norm, t, ttest_rel
from statsmodels.regression.linear_model import OLS

from assay.market.errors import DataError
from assay.market.significance.bootstrap import Array
from assay.market.significance.forecasts import (
    diebold_mariano,
    pesaran_timmermann,
    pesaran_timmermann_overlapping,
)
from assay.market.significance.information_coefficient import hac_lag, ic_t


def losses(n: int, seed: int) -> tuple[Array, Array]:
    """Squared errors of two forecasts whose errors overlap."""
    random = np.random.default_rng(seed)
    shared = random.standard_normal(n + 4)
    errors = [np.convolve(shared + random.standard_normal(n + 4), np.ones(5), "valid") for _ in range(2)]
    return errors[0] ** 2, 0.8 * errors[1] ** 2


def calls(table: tuple[int, int, int, int]) -> tuple[Array, Array]:
    """Called and realised signs: up and up, up and down, down and up, down and down."""
    up_up, up_down, down_up, down_down = table
    called = np.repeat([1.0, 1.0, -1.0, -1.0], [up_up, up_down, down_up, down_down])
    realised = np.repeat([1.0, -1.0, 1.0, -1.0], [up_up, up_down, down_up, down_down])
    return called, realised


def test_one_step_ahead_is_the_paired_t_test() -> None:
    a, b = losses(60, 1)
    found, wanted = diebold_mariano(a, b, horizon=1), ttest_rel(a, b)
    assert (found.statistic, found.p) == pytest.approx((wanted.statistic, wanted.pvalue), rel=1e-10)
    assert found.difference == pytest.approx(a.mean() - b.mean())
    assert not found.bartlett


@pytest.mark.parametrize("horizon", [2, 5, 9])
def test_several_steps_ahead_follow_the_paper_term_by_term(horizon: int) -> None:
    a, b = losses(80, 2)
    d = [x - y for x, y in zip(a, b, strict=True)]
    n, mean = len(d), sum(d) / len(d)
    variance = 0.0
    for lag in range(-(horizon - 1), horizon):
        variance += sum((d[i] - mean) * (d[i - abs(lag)] - mean) for i in range(abs(lag), n)) / n
    statistic = mean / math.sqrt(variance / n)
    statistic *= math.sqrt((n + 1 - 2 * horizon + horizon * (horizon - 1) / n) / n)
    found = diebold_mariano(a, b, horizon=horizon)
    assert found.statistic == pytest.approx(statistic, rel=1e-10)
    assert found.p == pytest.approx(2 * t.sf(abs(statistic), n - 1), rel=1e-10)
    swapped = diebold_mariano(b, a, horizon=horizon)
    assert swapped.statistic == pytest.approx(-statistic)


def test_a_variance_below_zero_falls_back_on_bartlett() -> None:
    d = np.where(np.arange(50) % 2, 1.2, -1.0) + 0.01 * np.random.default_rng(0).standard_normal(50)
    found = diebold_mariano(d, np.zeros(50), horizon=2)
    wanted = OLS(d, np.ones(50)).fit(cov_type="HAC", cov_kwds={"maxlags": 2, "use_correction": False})
    factor = math.sqrt((50 + 1 - 4 + 2 / 50) / 50)
    assert found.bartlett
    assert found.statistic == pytest.approx(float(wanted.tvalues[0]) * factor, rel=1e-9)


@pytest.mark.parametrize(
    ("a", "b", "horizon"),
    [
        (np.full(30, 0.4), np.full(30, 0.1), 1),
        (np.arange(30) * 1e7 + 0.1, np.arange(30) * 1e7, 1),
        (np.array([1.0, 2.0]), np.zeros(2), 1),
        (np.arange(10.0), np.zeros(10), 10),
        (np.arange(10.0), np.zeros(10), 15),
        (np.empty(0), np.empty(0), 1),
    ],
)
def test_what_cannot_be_tested_is_none(a: Array, b: Array, horizon: int) -> None:
    found = diebold_mariano(a, b, horizon=horizon)
    assert (found.statistic, found.p) == (None, None)


def test_equal_forecasts_of_overlapping_labels_are_told_apart_at_the_level() -> None:
    pairs = [losses(300, seed) for seed in range(300)]
    aware = np.mean([diebold_mariano(a, b / 0.8, horizon=5).p < 0.05 for a, b in pairs])
    blind = np.mean([diebold_mariano(a, b / 0.8, horizon=1).p < 0.05 for a, b in pairs])
    assert aware < 0.1
    assert blind > 0.2


def test_the_printed_table_of_calls() -> None:
    found = pesaran_timmermann(*calls((35, 20, 15, 30)))
    assert found.statistic == pytest.approx(3.0303, abs=5e-5)
    assert (found.hits, found.expected, found.rows) == pytest.approx((0.65, 0.5, 100))
    assert found.p == pytest.approx(norm.sf(3.030303), rel=1e-5)


@settings(deadline=None, max_examples=60)
@given(table=st.tuples(*[st.integers(1, 60)] * 4))
def test_its_square_is_a_chi_square(table: tuple[int, int, int, int]) -> None:
    found, n = pesaran_timmermann(*calls(table)), sum(table)
    chi = float(chi2_contingency(np.reshape(table, (2, 2)), correction=False).statistic)
    assert found.statistic is not None
    assert found.statistic**2 == pytest.approx(chi * n / (n - 1), rel=1e-8, abs=1e-12)


def test_always_up_on_a_rising_market_is_no_information() -> None:
    realised = np.where(np.arange(50) % 5 < 3, 0.02, -0.01)
    found = pesaran_timmermann(np.ones(50), realised)
    assert (found.hits, found.expected) == pytest.approx((0.6, 0.6))
    assert (found.statistic, found.p) == (None, None)
    aware = pesaran_timmermann_overlapping(np.ones(50), realised, np.arange(50), horizon=3)
    assert (aware.t, aware.p) == (None, None)


def test_rows_without_a_side_are_left_out() -> None:
    called, realised = calls((35, 20, 15, 30))
    padded = [np.concatenate([values, extra]) for values, extra in ((called, [0, 0, 2]), (realised, [1, 0, 0]))]
    assert pesaran_timmermann(*padded) == pesaran_timmermann(called, realised)
    starts = np.arange(103)
    both = (
        pesaran_timmermann_overlapping(*values, starts[: len(values[0])], horizon=1)
        for values in (padded, (called, realised))
    )
    assert len(set(both)) == 1
    nothing = pesaran_timmermann(np.zeros(5), np.ones(5))
    assert (nothing.rows, nothing.hits, nothing.statistic) == (0, None, None)
    assert pesaran_timmermann_overlapping(np.zeros(5), np.ones(5), np.arange(5), horizon=1).t is None


def market(n: int, seed: int, horizon: int = 10) -> tuple[Array, Array]:
    """A persistent call and overlapping returns that know nothing of each other."""
    random = np.random.default_rng(seed)
    path = np.cumsum(random.standard_normal(n + horizon))
    return lfilter([1], [1, -0.95], random.standard_normal(n)), path[horizon:] - path[:-horizon]


def test_overlapping_calls_are_regressed_with_newey_west() -> None:
    called, realised = np.sign(market(400, 3)[0]), np.sign(market(400, 3)[1] + 0.5 * market(400, 3)[0])
    kept = realised != 0
    x, y = called[kept], realised[kept]
    design = np.column_stack([np.ones(len(x)), x])
    lag = hac_lag(len(x), 10)
    fits = [
        OLS(y, design).fit(cov_type="HAC", cov_kwds={"maxlags": lags, "use_correction": False}) for lags in (0, lag)
    ]
    plain, aware = (float(fit.tvalues[1]) for fit in fits)
    found = pesaran_timmermann_overlapping(called, realised, np.arange(400), horizon=10)
    assert found.t == ic_t(x, y, np.arange(len(x)), horizon=10)
    assert 0.7 * min(plain, aware) < found.t <= min(plain, aware)
    assert aware < 0.7 * plain
    assert found.p == pytest.approx(norm.sf(found.t), rel=1e-5)
    assert found.t != pesaran_timmermann_overlapping(called, realised, np.arange(400), horizon=40).t


def test_the_same_calls_for_two_entities_are_no_more_evidence() -> None:
    called, realised = market(300, 4)
    one = pesaran_timmermann_overlapping(called, realised, np.arange(300), horizon=10)
    twice = (np.repeat(values, 2) for values in (called, realised))
    assert pesaran_timmermann_overlapping(*twice, 2 * np.arange(300), horizon=10).t == pytest.approx(one.t)


def test_calls_without_skill_are_found_out_at_the_level_where_labels_overlap() -> None:
    markets = [market(400, seed) for seed in range(200)]
    plain = np.mean([pesaran_timmermann(*one).p < 0.05 for one in markets])
    aware = [pesaran_timmermann_overlapping(*one, np.arange(400), horizon=10).p for one in markets]
    assert plain > 0.2
    assert np.mean([p < 0.05 for p in aware]) < 0.12


@pytest.mark.parametrize(
    ("a", "b", "found"),
    [
        (np.ones(3), np.ones(4), "3 and 4 values, 0 not finite"),
        (np.array([1.0, math.nan]), np.ones(2), "1 not finite"),
    ],
)
def test_what_does_not_pair_up_is_refused(a: Array, b: Array, found: str) -> None:
    with pytest.raises(DataError, match=rf"(?s)losses: do not pair up.*{found}"):
        diebold_mariano(a, b, horizon=1)
    with pytest.raises(DataError, match=rf"(?s)calls and outcomes: do not pair up.*{found}"):
        pesaran_timmermann(a, b)
    with pytest.raises(DataError, match=rf"(?s)calls and outcomes: do not pair up.*{found}"):
        pesaran_timmermann_overlapping(a, b, np.arange(len(a)), horizon=1)
