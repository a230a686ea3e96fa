from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from statsmodels.stats.proportion import proportion_confint

from assay.market.calibration.dependence import Dependence, block_length, shares, wilson
from assay.market.significance import BootstrapRule, optimal_block, resample_sums

RULE = BootstrapRule(replications=200)


def labelled(table: pl.DataFrame) -> pl.DataFrame:
    return table.filter(pl.col("y_true").is_not_null())


def test_overlap_and_co_movement_are_measured(oos: Callable[..., pl.DataFrame]) -> None:
    rows = labelled(oos(bars=3000, entities=4, horizon=5))
    found = Dependence.of(rows)
    assert found.horizon == 5
    assert found.correlation == pytest.approx(0.64 * (1 - 0.3**2), abs=0.04)
    assert found.timestamps == 2995
    assert found.effective_rows == pytest.approx(2995 / 5 * 4 / (1 + 3 * found.correlation))


def test_overlap_is_counted_in_timestamps_not_in_hours(oos: Callable[..., pl.DataFrame]) -> None:
    weekdays = labelled(oos(horizon=5)).filter(pl.col("time").dt.weekday() <= 5, pl.col("label_end").dt.weekday() <= 5)
    assert Dependence.of(weekdays).horizon == 5


def test_latent_returns_depend_on_each_other_as_measured(oos: Callable[..., pl.DataFrame]) -> None:
    rows = labelled(oos(bars=3000, entities=3, horizon=4)).sample(fraction=1.0, shuffle=True, seed=1)
    found = Dependence.of(rows)
    wide = [
        rows.select("entity", "time", pl.Series("z", z)).pivot("entity", index="time", values="z").sort("time")
        for z in found.latent(20, seed=1)
    ]
    z = np.stack([table.drop("time").to_numpy() for table in wide])
    assert z.var() == pytest.approx(1.0, abs=0.03)
    assert np.mean(z[:, :, 0] * z[:, :, 1]) == pytest.approx(found.correlation, abs=0.03)
    along = [np.mean(z[:, lag:] * z[:, : z.shape[1] - lag]) for lag in range(1, 6)]
    assert along == pytest.approx([0.75, 0.5, 0.25, 0.0, 0.0], abs=0.03)


def test_latent_returns_follow_the_seed(oos: Callable[..., pl.DataFrame]) -> None:
    found = Dependence.of(labelled(oos(bars=50)))
    first, again, other = (next(found.latent(1, seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_wilson_is_that_of_statsmodels() -> None:
    low, high = wilson(np.array([0.0, 0.3, 1.0]), np.array([20.0, 50.0, 7.0]), 0.9)
    expected = [
        proportion_confint(round(p * n), n, alpha=0.1, method="wilson") for p, n in ((0, 20), (0.3, 50), (1, 7))
    ]
    assert np.column_stack([low, high]) == pytest.approx(np.array(expected))


def test_shares_of_independent_rows_have_binomial_intervals() -> None:
    rng = np.random.default_rng(0)
    hits, groups = (rng.random(4000) < 0.3).astype(float), np.arange(4000) % 2
    found = shares(hits, groups, np.arange(4000), block=1.0, rule=BootstrapRule(replications=1000))
    for group in (0, 1):
        mine = hits[groups == group]
        low, high = proportion_confint(mine.sum(), 2000, method="wilson")
        assert found.share[group] == pytest.approx(mine.mean())
        assert (found.low[group], found.high[group]) == pytest.approx((low, high), abs=0.003)
    assert found.rows.tolist() == [2000, 2000]


@pytest.mark.parametrize("timestamps", [600, 2500])
def test_entities_that_always_agree_count_once(timestamps: int) -> None:
    rng = np.random.default_rng(1)
    once = (rng.random(timestamps) < 0.5).astype(float)
    time = np.repeat(np.arange(timestamps), 8)
    rule = BootstrapRule(replications=800)
    all_eight = shares(once[time], np.zeros(len(time), dtype=int), time, block=1.0, rule=rule)
    low, high = proportion_confint(once.sum(), timestamps, method="wilson")
    assert (all_eight.low[0], all_eight.high[0]) == pytest.approx((low, high), abs=0.006)


def test_runs_count_as_often_as_they_change() -> None:
    """Hits in runs of 10 are worth a tenth of their rows."""
    rng = np.random.default_rng(2)
    hits = np.repeat((rng.random(300) < 0.4).astype(float), 10)
    found = shares(hits, np.zeros(3000, dtype=int), np.arange(3000), block=30.0, rule=BootstrapRule(replications=1000))
    low, high = proportion_confint(hits.sum() / 10, 300, method="wilson")
    assert found.high[0] - found.low[0] == pytest.approx(high - low, rel=0.2)


def test_intervals_hold_as_often_as_they_say() -> None:
    rng, held = np.random.default_rng(3), 0
    for seed in range(150):
        day = np.repeat(rng.standard_normal(400), 5)
        hits = (0.7 * day + 0.7 * rng.standard_normal(2000) > 0).astype(float)
        time = np.arange(2000) // 5
        rule = BootstrapRule(replications=100, seed=seed, confidence=0.9)
        found = shares(hits, np.zeros(2000, dtype=int), time, block=1.0, rule=rule)
        held += bool(found.low[0] <= 0.5 <= found.high[0])
    assert 0.84 <= held / 150 <= 0.96


def test_a_short_group_takes_the_design_effect_of_all() -> None:
    rng = np.random.default_rng(4)
    hits = np.repeat((rng.random(60) < 0.5).astype(float), 15)
    groups = (np.arange(900) >= 880).astype(int)
    rule, share = BootstrapRule(replications=400), hits.mean()
    effect = resample_sums((hits - share)[:, None], block=20.0, rule=rule).var() / (900 * share * (1 - share))
    found = shares(hits, groups, np.arange(900), block=20.0, rule=rule)
    assert effect > 5
    assert np.array([found.low[1], found.high[1]]) == pytest.approx(np.array(wilson(found.share[1], 20 / effect, 0.95)))
    assert found.share[1] == hits[880:].mean() != 0.0


def test_all_and_none_have_wide_intervals_and_an_empty_group_has_none() -> None:
    time, groups = np.arange(300), np.repeat([0, 1, 3], 100)
    hits = np.concatenate([np.zeros(100), np.ones(100), np.tile([0.0, 1.0], 50)])
    found = shares(hits, groups, time, block=1.0, rule=RULE)
    assert found.share[:2].tolist() == [0.0, 1.0]
    assert found.low[0] == 0.0
    assert found.high[0] > 0.03
    assert found.low[1] < 0.97
    assert np.isnan([found.share[2], found.low[2], found.high[2]]).all()


def test_intervals_follow_confidence_and_seed() -> None:
    hits = np.repeat((np.random.default_rng(5).random(100) < 0.5).astype(float), 5)
    common = (hits, np.zeros(500, dtype=int), np.arange(500))
    wide, narrow = (shares(*common, block=5.0, rule=BootstrapRule(replications=100, confidence=c)) for c in (0.99, 0.8))
    other = shares(*common, block=5.0, rule=BootstrapRule(replications=100, confidence=0.99, seed=9))
    assert wide.high[0] - wide.low[0] > narrow.high[0] - narrow.low[0]
    assert other.low[0] != wide.low[0]


def test_block_is_that_of_the_means_of_timestamps() -> None:
    rng = np.random.default_rng(6)
    series = np.convolve(rng.standard_normal(909), np.ones(10), "valid")
    assert block_length(np.repeat(series, 3), np.repeat(np.arange(900), 3), horizon=2) == optimal_block([series])
    assert block_length(series, np.arange(900), horizon=500) == 500.0


def test_block_of_many_timestamps_is_about_that_of_all() -> None:
    series = np.convolve(np.random.default_rng(7).standard_normal(6059), np.ones(60), "valid")
    assert block_length(series, np.arange(6000), horizon=1) == pytest.approx(optimal_block([series]), rel=0.35)
