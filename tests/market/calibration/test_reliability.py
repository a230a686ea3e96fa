from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from scipy.special import ndtr, ndtri

from assay.market.calibration import Binned, CalibrationRule, calibration_error, null_errors, reliability
from assay.market.calibration.dependence import Dependence, shares
from assay.market.significance import BootstrapRule
from assay.market.tables import CLASS_NAMES


def forecasts(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.dirichlet([3, 4, 3], n), rng.integers(0, 3, n)


def independent(n: int) -> Dependence:
    return Dependence(np.zeros(n, dtype=int), np.arange(n), 1, 0.0)


def test_calibration_error_is_that_of_a_slow_loop() -> None:
    p, y = forecasts(1000, 0)
    total = 0.0
    for code in range(3):
        for part in np.array_split(np.argsort(p[:, code]), 10):
            total += len(part) / 1000 * abs(p[part, code].mean() - (y[part] == code).mean())
    assert calibration_error(p, y) == pytest.approx(total / 3)


def test_equal_forecasts_share_a_bin() -> None:
    p = np.tile([[0.5, 0.3, 0.2], [0.2, 0.2, 0.6]], (50, 1))
    y = np.tile([0, 2], 50)
    assert calibration_error(p, y) == pytest.approx((0.5 + 0.2 + 0.3 + 0.2 + 0.2 + 0.4) / 6)


@pytest.mark.parametrize(
    ("n", "mean", "quantile"), [(100, 0.128, 0.182), (500, 0.056, 0.079), (1000, 0.039, 0.055), (5000, 0.018, 0.025)]
)
def test_a_perfect_forecast_of_direction_has_the_known_errors(n: int, mean: float, quantile: float) -> None:
    """At an IC of 0.1; of the three classes NEUTRAL is impossible, so the error is 3/2 of the mean over classes."""
    signal = np.random.default_rng(n).standard_normal(n)
    up = ndtr(0.1 * signal / np.sqrt(0.99))
    binned = Binned.of(np.column_stack([1 - up, np.zeros(n), up]))
    errors = 1.5 * null_errors([(binned, np.arange(n))], independent(n), draws=800, seed=1)[0]
    assert errors.mean() == pytest.approx(mean, rel=0.04)
    assert np.quantile(errors, 0.95) == pytest.approx(quantile, rel=0.05)


def test_null_is_drawn_from_the_forecasts_by_the_latent_returns(oos: Callable[..., pl.DataFrame]) -> None:
    rows = oos(bars=80, entities=3).filter(pl.col("y_true").is_not_null())
    dependence = Dependence.of(rows)
    p = rows.select("p_short", "p_neutral", "p_long").to_numpy()
    place = np.random.default_rng(0).permutation(len(p))
    found = null_errors([(Binned.of(p), place)], dependence, draws=4, seed=5)[0]
    expected = []
    for latent in dependence.latent(4, seed=5):
        cuts = ndtri(p[:, 0]), ndtri(p[:, 0] + p[:, 1])
        classes = [int(latent[at] >= low) + int(latent[at] >= high) for at, low, high in zip(place, *cuts, strict=True)]
        expected.append(calibration_error(p, np.array(classes)))
    assert found == pytest.approx(expected)


def test_models_share_the_draws_and_keep_their_rows() -> None:
    p, _ = forecasts(300, 1)
    some = np.flatnonzero(np.arange(300) % 3)
    both = [(Binned.of(p), np.arange(300)), (Binned.of(p[some]), some)]
    together = null_errors(both, independent(300), draws=50, seed=2)
    alone = null_errors(both[1:], independent(300), draws=50, seed=2)
    assert np.array_equal(together[1], alone[0])
    assert not np.array_equal(together[0], null_errors(both[:1], independent(300), draws=50, seed=3)[0])


def test_a_calibrated_model_whose_outcomes_overlap_stays_below_its_null(oos: Callable[..., pl.DataFrame]) -> None:
    """Independent draws would call many of these models miscalibrated."""
    beyond = {"dependent": 0, "independent": 0}
    rows = oos(bars=300, entities=3, horizon=6, sharpness=1.0).filter(pl.col("y_true").is_not_null())
    day = rows.select(pl.col("p_short", "p_neutral", "p_long").first().over("entity", pl.col("time").dt.date()))
    p, dependence = day.to_numpy(), Dependence.of(rows)  # forecasts that last, so that what overlaps meets in one bin
    forecast = [(Binned.of(p), np.arange(len(p)))]
    limits = {
        name: np.quantile(null_errors(forecast, kind, draws=200, seed=1)[0], 0.95)
        for name, kind in (("dependent", dependence), ("independent", independent(len(p))))
    }
    rng = np.random.default_rng(2)
    code = rows["entity"].rank("dense").to_numpy() - 1
    bar = rows["time"].rank("dense").to_numpy() - 1
    for _ in range(150):
        shared, own = rng.standard_normal(400), rng.standard_normal((3, 400))
        steps = np.sqrt(dependence.correlation) * shared + np.sqrt(1 - dependence.correlation) * own
        value = np.array([np.convolve(step, np.ones(6), "valid") for step in steps])[code, bar] / np.sqrt(6)
        came = (value >= ndtri(p[:, 0])).astype(int) + (value >= ndtri(p[:, 0] + p[:, 1]))
        for name, limit in limits.items():
            beyond[name] += calibration_error(p, came) > limit
    assert beyond["dependent"] <= 16
    assert beyond["independent"] >= 60


def test_reliability_has_a_record_per_class_and_bin() -> None:
    p, y = forecasts(900, 3)
    rule = BootstrapRule(replications=100, seed=4)
    told = reliability(Binned.of(p), y, np.arange(900) // 3, block=2.0, rule=rule)
    assert [one["class"] for one in told] == [name for name in CLASS_NAMES for _ in range(10)]
    for code, name in enumerate(CLASS_NAMES):
        mine = [one for one in told if one["class"] == name]
        parts = np.array_split(np.argsort(p[:, code]), 10)
        assert [one["rows"] for one in mine] == [len(part) for part in parts]
        assert [one["p"] for one in mine] == pytest.approx([p[part, code].mean() for part in parts])
        assert [one["share"] for one in mine] == pytest.approx([(y[part] == code).mean() for part in parts])
        bins = np.empty(900, dtype=int)
        for number, part in enumerate(parts):
            bins[part] = number
        ends = shares((y == code).astype(float), bins, np.arange(900) // 3, block=2.0, rule=rule)
        assert [one["low"] for one in mine] == pytest.approx(ends.low)
        assert [one["high"] for one in mine] == pytest.approx(ends.high)


def test_constant_forecasts_have_one_bin() -> None:
    told = reliability(
        Binned.of(np.tile([0.2, 0.5, 0.3], (60, 1))),
        forecasts(60, 5)[1],
        np.arange(60),
        block=1.0,
        rule=CalibrationRule(replications=50),
    )
    assert [one["rows"] for one in told] == [60, 60, 60]
