"""The four forms of the signal, and the state behind them."""

from typing import Any

import numpy as np
import pytest

from assay.market.simulator import Form, MarketRule
from assay.market.simulator.dynamics import dynamics
from assay.market.simulator.paths import draw
from assay.market.simulator.signals import condensed, normal_law, regime_memory, signal_of

FORMS: tuple[Form, ...] = ("linear", "interaction", "regime", "sequence")


@pytest.fixture(scope="module", params=FORMS)
def drawn(request: pytest.FixtureRequest) -> tuple[Form, Any]:
    rule = MarketRule(symbols=20, bars=20_000, form=request.param, correlation=0, listings=0, delistings=0)
    return request.param, draw(rule)


def fit(columns: list[Any], target: Any) -> float:
    """R2 of least squares."""
    x = np.column_stack([*columns, np.ones(len(target))])
    found, *_ = np.linalg.lstsq(x, target, rcond=None)
    return float(np.corrcoef(x @ found, target)[0, 1] ** 2)


def test_the_state_has_the_covariance_of_the_lyapunov_equation() -> None:
    own = dynamics()
    total = own.innovation + np.outer(own.feedback, own.feedback)
    slow = np.zeros((3, 3))
    for _ in range(2_000):
        slow = own.transition @ slow @ own.transition.T + total
    assert np.allclose(own.covariance, slow)
    assert np.allclose(np.diag(own.covariance)[:2], 1)
    shocks = np.random.default_rng(1).standard_normal((200, 2_000))
    path = own.path(shocks, np.random.default_rng(2))
    assert np.allclose(np.cov(path.reshape(3, -1)), own.covariance, atol=0.04)
    assert np.allclose(np.cov(path[..., 0]), own.covariance, atol=0.3)  # in the long run from the start


def test_the_state_follows_its_equation_step_by_step() -> None:
    own = dynamics()
    shocks = np.random.default_rng(1).standard_normal((3, 400))
    still = type(own)(own.transition, own.innovation * 1e-18, own.feedback)
    z = still.path(shocks, np.random.default_rng(2))
    expected = np.tensordot(own.transition, z[..., :-1], axes=1) + own.feedback[:, None, None] * shocks[:, 1:]
    assert np.allclose(z[..., 1:], expected, atol=1e-7)


def test_a_signal_has_mean_0_and_variance_1_and_the_law_it_says(drawn: tuple[Form, Any]) -> None:
    form, paths = drawn
    assert paths.signal.mean() == pytest.approx(0, abs=0.02)
    assert paths.signal.var() == pytest.approx(1, abs=0.04)
    values, weights = signal_of(form).law()
    assert weights.sum() == pytest.approx(1)
    assert weights @ values == pytest.approx(0, abs=1e-9)
    assert weights @ values**2 == pytest.approx(1, abs=1e-4)
    for limit in (-1.0, -0.3, 0.5, 2.0):
        assert weights[values < limit].sum() == pytest.approx((paths.signal < limit).mean(), abs=0.01)


def test_a_signal_lasts(drawn: tuple[Form, Any]) -> None:
    signal = drawn[1].signal
    assert np.corrcoef(signal[:, :-1].ravel(), signal[:, 1:].ravel())[0, 1] > 0.88


def test_what_the_newest_row_shows_of_each_form() -> None:
    shown = {}
    for form in FORMS:
        paths = draw(MarketRule(symbols=20, bars=10_000, form=form, correlation=0, listings=0, delistings=0))
        u, v, busy, signal = (x.ravel() for x in (*paths.published[:2], paths.regime, paths.signal))
        product = [u * v, u * u, v * v, u * busy, v * busy]
        shown[form] = fit([u, v, busy], signal), fit([u, v, busy, *product], signal)
    linear = {form: found[0] for form, found in shown.items()}
    assert linear["linear"] == pytest.approx(1)
    assert linear["interaction"] == pytest.approx(1 / 3, abs=0.03)
    assert linear["regime"] == pytest.approx((1.9**0.5 - 0.1**0.5) ** 2 / 4, abs=0.03)
    assert shown["interaction"][1] == pytest.approx(1)
    assert shown["regime"][1] == pytest.approx(1)
    assert shown["sequence"][1] < 0.002  # independent: neither line nor curve


def test_the_sequence_form_is_in_the_order_of_the_past() -> None:
    paths = draw(MarketRule(symbols=20, bars=4_000, form="sequence", correlation=0, listings=0, delistings=0))
    past = [np.roll(paths.published[:2], lag, axis=-1)[..., 60:] for lag in range(50)]
    columns = [x.ravel() for lag in past for x in lag]
    target = paths.signal[:, 60:].ravel()
    assert fit(columns, target) > 0.999
    assert fit(columns[:2], target) < 0.002


def test_the_expected_signal_is_the_mean_of_what_comes(drawn: tuple[Form, Any]) -> None:
    form, paths = drawn
    own, signal, steps = dynamics(), signal_of(form), 3
    # From the state alone, without the shock: its error is that of a longer forecast.
    power = own.power(steps)
    error = own.covariance - power @ own.covariance @ power.T
    mean = np.tensordot(power, paths.published[..., :-steps], axes=1)
    regime = paths.regime[:, :-steps] * regime_memory() ** steps
    expected, actual = signal.expected(mean, error, regime).ravel(), paths.signal[:, steps:].ravel()
    assert np.cov(expected, actual)[0, 1] / expected.var() == pytest.approx(1, abs=0.02)
    assert (actual - expected).mean() == pytest.approx(0, abs=0.02)


def test_the_forecast_error_leaves_out_what_price_and_feed_have_told() -> None:
    own = dynamics()
    assert np.allclose(own.forecast_error(0), own.innovation)
    push = own.transition @ np.outer(own.feedback, own.feedback) @ own.transition.T
    once = own.transition @ own.innovation @ own.transition.T + own.innovation + np.outer(own.feedback, own.feedback)
    assert np.allclose(own.forecast_error(1), once)
    assert not np.allclose(own.forecast_error(1), once + push)


def test_the_regime_is_symmetric_and_as_persistent_as_it_says() -> None:
    regime = draw(MarketRule(symbols=100, bars=10_000, listings=0, delistings=0)).regime
    assert set(np.unique(regime)) == {-1.0, 1.0}
    assert regime.mean() == pytest.approx(0, abs=0.05)
    turned = (regime[:, 1:] != regime[:, :-1]).mean()
    assert turned == pytest.approx((1 - regime_memory()) / 2, rel=0.05)


def test_condensing_keeps_mass_mean_and_sign() -> None:
    values, weights = normal_law(4_001)
    few, masses = condensed(values, weights, 101)
    assert len(few) <= 102
    assert masses.sum() == pytest.approx(1)
    assert masses @ few == pytest.approx(0, abs=1e-12)
    assert masses @ np.abs(few) == pytest.approx(np.sqrt(2 / np.pi), abs=1e-5)
    assert masses @ few**2 == pytest.approx(1, abs=3e-3)
