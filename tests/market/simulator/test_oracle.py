"""What the oracle says can be attained, against printed values, closed formulas and an independent Monte Carlo."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from assay.market.execution import Execution
from assay.market.simulator import Classes, Form, MarketRule, oracle, simulate
from assay.market.simulator.dynamics import dynamics
from assay.market.simulator.oracle import _monte_carlo, _signal_ahead
from assay.market.simulator.paths import draw
from assay.market.simulator.signals import signal_of

Floats = npt.NDArray[np.float64]
FORMS: tuple[Form, ...] = ("linear", "interaction", "regime", "sequence")
GAUSSIAN: dict[str, Any] = {"degrees": math.inf, "season": 0.0}
CALM: dict[str, Any] = {"volatility_sd": 0.0, "season": 0.0}

# IC: R2, direction, that under Student t with 5 degrees, three equal classes, the same with log-vol of sd .5 known
PRINTED = {
    0.01: (0.0001, 0.5032, None, 0.3362, None),
    0.02: (0.0004, 0.5064, None, 0.3391, None),
    0.05: (0.0025, 0.5159, 0.5195, 0.3479, 0.4321),
    0.10: (0.0100, 0.5319, 0.5390, 0.3624, 0.4417),
    0.20: (0.0400, 0.5641, 0.5777, 0.3922, 0.4629),
    0.30: (0.0900, 0.5970, 0.6159, 0.4232, 0.4870),
    0.309: (0.0955, 0.6000, None, 0.4261, None),
    0.633: (0.4007, 0.7182, None, 0.5500, None),
}


@pytest.mark.parametrize("ic", PRINTED)
def test_the_table_of_ceilings(ic: float) -> None:
    r2, direction, fat, thirds, wild = PRINTED[ic]
    found = oracle(MarketRule(ic=ic, **GAUSSIAN))
    assert found.r2 == pytest.approx(r2, abs=1e-4)
    assert found.direction == pytest.approx(direction, abs=1e-4)
    assert found.direction == pytest.approx(0.5 + math.asin(ic) / math.pi, abs=1e-5)
    assert found.accuracy == pytest.approx(thirds, abs=1e-4)
    assert found.majority == pytest.approx(1 / 3)
    assert found.raw_ic == pytest.approx(ic * math.exp(-(0.5**2) / 2), abs=1e-5)
    if fat is not None:
        assert oracle(MarketRule(ic=ic, season=0.0)).direction == pytest.approx(fat, abs=1e-4)
        scaled = oracle(MarketRule(ic=ic, **GAUSSIAN), classes=Classes(unit="return"))
        assert scaled.accuracy == pytest.approx(wild, abs=1e-4)


def test_classes_follow_their_threshold() -> None:
    rule = MarketRule(ic=0.2, **GAUSSIAN)
    found = oracle(rule, classes=Classes(threshold=1.0))
    assert found.majority == pytest.approx(math.erf(1 / math.sqrt(2)), abs=1e-5)
    assert found.accuracy >= found.majority  # a wide flat class is met for free
    assert oracle(rule, classes=Classes(threshold=0.0)).accuracy == pytest.approx(found.direction, abs=1e-5)


@pytest.mark.parametrize("form", FORMS)
def test_one_bar_ahead_against_a_monte_carlo(form: Form) -> None:
    """The best call from the known signal, simulated: fat tails, clustered volatility, leverage and all."""
    rule = MarketRule(ic=0.3, form=form, symbols=40, bars=10_000, correlation=0, listings=0, delistings=0)
    found, paths = oracle(rule, classes=Classes(threshold=0.4)), draw(rule)
    scaled = (paths.returns / paths.volatility(rule))[:, 1:].ravel()
    signal = paths.signal[:, :-1].ravel()
    rows = len(scaled)
    assert found.direction == pytest.approx((np.sign(signal) == np.sign(scaled)).mean(), abs=3 * 0.5 / rows**0.5)
    assert found.ic == pytest.approx(np.corrcoef(signal, scaled)[0, 1], abs=0.01)
    true = np.where(np.abs(scaled) > 0.4, np.sign(scaled), 0)
    parts = np.digitize(signal, np.quantile(signal, np.linspace(0, 1, 60)[1:-1]))
    best = sum(max((true[parts == part] == call).sum() for call in (-1, 0, 1)) for part in range(59)) / rows
    assert found.accuracy == pytest.approx(best, abs=0.005)


# --- longer, later ----------------------------------------------------------------------------------------------------


def exact_ic(rule: MarketRule, wait: int, horizon: int, system: tuple[Floats, Floats, Floats, Floats]) -> float:
    """IC of the best forecast of a sum of returns when the signal is linear in the state and volatility constant.

    Variances and covariances term by term. The state moves with ``A`` and takes up ``b`` of each shock; the signal
    weighs it with ``l`` and is published a bar late.
    """
    A, S, b, weights = system
    power = np.linalg.matrix_power
    nu = rule.degrees  # correlation of a Student t with the Gaussian behind it
    tie = 1.0 if math.isinf(nu) else math.sqrt((nu - 2) / 2) * math.gamma((nu - 1) / 2) / math.gamma(nu / 2)
    of_state, of_shock, variance = np.zeros(len(A)), 0.0, float(horizon)
    for ahead in range(wait, wait + horizon):
        of_state += weights @ power(A, ahead)
        of_shock += weights @ power(A, ahead - 1) @ b if ahead else 0.0
    for lag in range(1, horizon):
        signals = rule.ic**2 * (weights @ power(A, lag) @ S @ weights)
        fed_back = rule.ic * math.sqrt(1 - rule.ic**2) * tie * (weights @ power(A, lag - 2) @ b) if lag > 1 else 0.0
        variance += 2 * (horizon - lag) * (signals + fed_back)
    return rule.ic * math.sqrt((of_state @ S @ of_state + of_shock**2) / variance)


def test_the_formula_gives_the_printed_values() -> None:
    """IC .1, autocorrelation .9: .155, .200 and .178 at 3, 12 and 24 bars."""
    first = (np.array([[0.9]]), np.eye(1), np.zeros(1), np.ones(1))
    found = [exact_ic(MarketRule(ic=0.1), 0, horizon, first) for horizon in (3, 12, 24)]
    assert found == pytest.approx([0.155, 0.200, 0.178], abs=5e-4)


@pytest.mark.parametrize(("wait", "horizon"), [(0, 3), (0, 12), (1, 1), (1, 5), (3, 7)])
@pytest.mark.parametrize("form", ["linear", "sequence"])
def test_longer_horizons_and_delays_against_the_formula(form: Form, wait: int, horizon: int) -> None:
    rule, own = MarketRule(ic=0.2, form=form, **CALM), dynamics()
    system = (own.transition, own.covariance, own.feedback, signal_of(form).loadings)
    found = oracle(rule, horizon=horizon, execution=Execution(delay=wait) if wait else None, rows=200_000)
    expected = exact_ic(rule, wait, horizon, system)
    assert found.ic == pytest.approx(expected, abs=3.5 * found.error("ic"))
    assert 0 < found.error("ic") < 0.1 * expected
    assert found.error("r2") == pytest.approx(2 * found.ic * found.error("ic"))
    assert found.rows == pytest.approx(200_000, rel=0.01)


@pytest.mark.parametrize("form", FORMS)
def test_no_regression_on_what_is_known_beats_the_oracle_and_the_right_one_reaches_it(form: Form) -> None:
    """Least squares on products of states, regime and last shock: it contains the expected return up to volatility."""
    rule = MarketRule(ic=0.4, form=form, symbols=40, bars=8_000, correlation=0, listings=0, delistings=0, **CALM)
    paths, wait, horizon = draw(rule), 1, 4
    found = oracle(rule, horizon=horizon, execution=Execution(delay=wait), rows=300_000)
    ahead = np.cumsum(paths.returns, axis=1)
    target = (ahead[:, wait + horizon :] - ahead[:, wait:-horizon])[:, 1:].ravel()
    rows = slice(1, rule.bars - wait - horizon)
    state = [x.ravel() for x in paths.published[..., rows]]
    shock, busy = paths.shocks[:, rows].ravel(), paths.regime[:, rows].ravel()
    columns = [*state, shock, busy, *(x * busy for x in (*state, shock))]
    columns += [a * b for i, a in enumerate((*state, shock)) for b in (*state, shock)[i:]]
    x = np.column_stack([*columns, np.ones(len(target))])
    half = len(target) // 2
    fitted, *_ = np.linalg.lstsq(x[:half], target[:half], rcond=None)
    reached = np.corrcoef(x[half:] @ fitted, target[half:])[0, 1]
    noise = 3 * math.hypot(found.error("ic"), (horizon / half) ** 0.5)
    assert reached == pytest.approx(found.ic, abs=noise)
    hits = (np.sign(x[half:] @ fitted) == np.sign(target[half:])).mean()
    assert hits == pytest.approx(found.direction, abs=3 * math.hypot(found.error("direction"), (horizon / half) ** 0.5))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("steps", [0, 1, 2, 20])
def test_the_forecast_of_the_signal_leaves_nothing_that_is_known(form: Form, steps: int) -> None:
    """What it misses is related neither to itself nor to the state, the regime or the shock at the decision."""
    rule = MarketRule(form=form, symbols=100, bars=8_000, correlation=0, listings=0, delistings=0)
    paths, decisions = draw(rule), slice(1, 8_000 - steps)
    said = _signal_ahead(rule, paths, decisions, steps)
    missed = (paths.signal[:, 1 + steps :][:, : said.shape[1]] - said).ravel()
    assert missed.mean() == pytest.approx(0, abs=0.015)
    regime, state = paths.regime[:, decisions], paths.published[..., decisions]
    known = [said, said * regime, paths.shocks[:, decisions], *state]
    related = [np.corrcoef(missed, x.ravel())[0, 1] for x in known] if steps else [np.abs(missed).max()]
    assert np.abs(related).max() < 5 * max(1, 0.7 * steps) ** 0.5 / missed.size**0.5


def test_a_simulated_quadrature_agrees_with_the_quadrature() -> None:
    """A delay of one bar at the open is no delay: an open is the close before it."""
    rule = MarketRule(ic=0.2)
    exact = oracle(rule, execution=Execution(price="open", delay=1))
    assert exact == oracle(rule)
    for classes in (Classes(), Classes(unit="return"), Classes(threshold=0.7), Classes(threshold=0.7, unit="return")):
        exact, drawn = oracle(rule, classes=classes), _monte_carlo(rule, classes, (0, 1), 300_000)
        for name in ("ic", "r2", "direction", "majority", "accuracy"):
            noise = 3.5 * drawn.error(name) + 0.004 * (name in ("majority", "accuracy"))  # the threshold is drawn, too
            assert getattr(drawn, name) == pytest.approx(getattr(exact, name), abs=noise), name


def test_clustered_volatility_is_known_to_the_oracle() -> None:
    """Without direction, classes by raw returns are still called better than by the commonest, from volatility."""
    found = oracle(MarketRule(ic=0.0), horizon=3, execution=Execution(), classes=Classes(unit="return"), rows=100_000)
    assert (found.ic, found.r2, found.direction) == (0.0, 0.0, found.commonest_sign)
    assert found.accuracy > found.majority + 0.05
    own = oracle(MarketRule(ic=0.0), horizon=3, execution=Execution(), rows=100_000)
    assert own.accuracy < own.majority + 0.02


@pytest.mark.parametrize("ic", [0.0, 0.03])
def test_no_constant_call_beats_the_oracle(ic: float) -> None:
    """Volatility that rises when prices fall makes the sum of several returns rise more often than not."""
    rule = MarketRule(ic=ic, symbols=100, bars=4_000, correlation=0, listings=0, delistings=0, seed=11)
    found = oracle(rule, horizon=24, rows=200_000)
    total = np.cumsum(draw(rule).returns, axis=1)
    rose = (total[:, 24:] > total[:, :-24]).mean(axis=1)
    noise = 3 * math.hypot(rose.std() / 10, found.error("direction"))
    assert rose.mean() > 0.52
    assert rose.mean() < found.direction + noise
    assert rose.mean() == pytest.approx(found.commonest_sign, abs=noise)
    assert oracle(rule.model_copy(update={"leverage": 0.0}), horizon=24, rows=200_000).commonest_sign < 0.51
    assert math.isnan(found.gain_share(0.6)) == (ic == 0)


def test_shares_of_the_ceiling() -> None:
    found = oracle(MarketRule(ic=0.2))
    assert found.gain_share(0.5) == 0
    assert found.gain_share(found.direction) == pytest.approx(1)
    assert found.r2_share(0.1) == pytest.approx(0.25)
    assert found.r2_share(-0.1) == pytest.approx(-0.25)
    null = oracle(MarketRule(ic=0.0))
    assert math.isnan(null.gain_share(0.6))
    assert math.isnan(null.r2_share(0.6))


def test_a_market_is_as_good_as_its_rule() -> None:
    rule = MarketRule(symbols=2, bars=50, listings=0, delistings=0)
    assert oracle(simulate(rule)) == oracle(rule)
