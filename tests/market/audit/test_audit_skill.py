"""Correlations at all lags, what chance makes of them, and what is too good to be true."""

from typing import Any

import numpy as np
import polars as pl
import pytest

from assay.market.audit import AuditRule
from assay.market.audit.lags import LEVEL, Grid, Shifted, far_lags, null_levels
from assay.market.audit.skill import NOTHING, Skill, check_delay, check_skill, measure_skill
from assay.market.audit.stamps import check_stamps

RULE = AuditRule()


def test_correlations_at_all_lags_agree_with_a_slow_loop() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(0, 1, (2, 3, 40))
    x[rng.random(x.shape) < 0.2], y[rng.random(y.shape) < 0.1] = np.nan, np.nan
    found = Shifted(y).correlations(x)
    for lag in range(40):
        late = np.roll(y, -lag, axis=1)
        both = np.isfinite(x) & np.isfinite(late)
        expected = (x * late)[both].sum() / np.sqrt((x[both] ** 2).sum() * (late[both] ** 2).sum())
        assert found[lag] == pytest.approx(expected, abs=1e-12)


def test_nothing_overlapping_correlates_with_nothing() -> None:
    y = np.full((1, 8), np.nan)
    assert Shifted(y).correlations(np.ones((1, 8))).tolist() == [0.0] * 8


def test_a_grid_puts_rows_where_they_belong(market: Any) -> None:
    panel = market(0)
    grid = Grid(panel.sample(fraction=1, shuffle=True, seed=1))
    shuffled = Grid(panel).place(panel["close"].to_numpy())
    entity, time, close = panel.select("entity", "time", "close").row(700)
    assert shuffled[grid.entities.to_list().index(entity), grid.times.to_list().index(time)] == close
    ranks = Grid(panel).ranks(panel["amount"])
    assert np.isnan(ranks).sum() == ranks.size - panel["amount"].count()
    assert abs(np.nanmean(ranks)) < 1e-3


def test_far_lags_keep_away_from_zero_on_both_sides() -> None:
    lags = far_lags(100, 20, 30, np.random.default_rng(0))
    assert (len(lags), lags.min() > 20, lags.max() < 80) == (30, True, True)
    assert len(far_lags(40, 20, 30, np.random.default_rng(0))) == 0


def test_chance_exceeds_the_null_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    spread = np.array([[0.01], [0.1], [0.0]])
    levels = null_levels(spread * rng.standard_normal((3, 4000)))
    fresh = spread * rng.standard_normal((3, 20_000))
    assert (np.abs(fresh[:2]) > levels[:2, None]).any(axis=0).mean() == pytest.approx(1 - LEVEL, abs=0.005)
    assert levels[1] == pytest.approx(10 * levels[0], rel=0.05)
    assert levels[2] == np.inf


def slow_series(rows: int, rng: np.random.Generator) -> np.ndarray:
    """An autoregression with coefficient .99, which correlates with anything by chance."""
    from scipy.signal import lfilter

    return lfilter([1.0], [1.0, -0.99], rng.standard_normal(rows))


@pytest.mark.parametrize("seed", range(3))
def test_slow_noise_is_not_too_good(seed: int, market: Any, labels: Any) -> None:
    panel, rng = market(seed, bars=900), np.random.default_rng(seed)
    noise = {f"noise {number}": slow_series(panel.height, rng) for number in range(30)}
    features = panel.select("entity", "time").with_columns(pl.Series(n, values) for n, values in noise.items())
    skill = measure_skill(features, {"signal": labels(panel)}, RULE)
    assert check_skill(skill, RULE).outcome == "pass"
    assert check_delay(skill, RULE).outcome == "pass"


@pytest.fixture
def leaking(market: Any, labels: Any) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A feature that knows the outcome, one that knows the next but one bar, one that knows nothing."""
    panel = market(0)
    outcome = labels(panel)
    rng = np.random.default_rng(0)
    after = (pl.col("close").shift(-2) / pl.col("close").shift(-1) - 1).over("entity")
    features = panel.select("entity", "time", bar=after).with_columns(
        outcome=outcome["forward_return"], noise=pl.Series(rng.normal(0, 1, panel.height))
    )
    return features, outcome


def test_what_knows_the_outcome_is_suspect(leaking: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    features, outcome = leaking
    skill = measure_skill(features, {"signal": outcome}, RULE)
    assert skill.ic["outcome"] == pytest.approx(1, abs=1e-6)
    expected = features.join(outcome, on=["entity", "time"]).select(pl.corr("bar", "forward_return", method="spearman"))
    assert skill.ic["bar"] == pytest.approx(expected.item(), abs=0.02)
    record = check_skill(skill, RULE)
    assert (record.outcome, set(record.accused)) == ("suspect", {"bar", "outcome"})


def test_what_knows_one_bar_collapses_a_bar_later(leaking: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    features, outcome = leaking
    skill = measure_skill(features, {"signal": outcome}, RULE)
    assert set(check_delay(skill, RULE).accused) == {"bar"}
    assert skill.delayed["outcome"] > 0.5  # outcomes of three bars overlap


def test_the_lines_are_drawn_where_the_rule_says() -> None:
    skill = Skill({"a": 0.2, "b": -0.12}, {"a": 0.01, "b": -0.11}, {"a": 0.1, "b": 0.1}, 1000, 200)
    assert list(check_skill(skill, RULE).accused) == ["a"]
    assert list(check_skill(skill, AuditRule(max_plausible_ic=0.11)).accused) == ["a", "b"]
    assert "2 of 2 features above what chance gives" in check_skill(skill, AuditRule(max_plausible_ic=0.9)).found
    assert list(check_delay(skill, RULE).accused) == ["a"]
    assert check_delay(skill, AuditRule(delay_ic=0.25)).outcome == "pass"
    quiet = Skill({"a": 0.2}, {"a": 0.01}, {"a": 0.3}, 1000, 200)
    assert check_skill(quiet, RULE).outcome == check_delay(quiet, RULE).outcome == "pass"


def test_without_outcome_or_history_skill_is_incomplete(market: Any, labels: Any) -> None:
    panel = market(0, bars=120)
    features = panel.select("entity", "time", x="close")
    short = measure_skill(features, {"signal": labels(panel)}, RULE)
    for skill in (NOTHING, measure_skill(features, {}, RULE), short):
        assert check_skill(skill, RULE).outcome == check_delay(skill, RULE).outcome == "incomplete"


def test_shifts_and_rows_are_as_many_as_the_rule_says(market: Any, labels: Any) -> None:
    panel = market(0)
    features = panel.select("entity", "time", x="close")
    skill = measure_skill(features, {"signal": labels(panel)}, AuditRule(shifts=150, skill_rows=1500))
    assert skill.shifts == 150
    assert 1500 <= skill.rows < 1505  # all entities of the oldest time
    assert measure_skill(features, {"signal": labels(panel)}, RULE).rows > 2000


def test_shifts_keep_away_from_what_features_remember(market: Any, labels: Any) -> None:
    panel = market(0, bars=900)
    features = panel.select("entity", "time", past=(pl.col("close") / pl.col("close").shift(100)).over("entity"))
    near, far = (measure_skill(features, {"a": labels(panel)}, RULE, memory=bars).null["past"] for bars in (0, 100))
    assert far < near
    assert measure_skill(features, {"a": labels(panel)}, RULE, memory=10**6).shifts == RULE.shifts


def test_the_largest_of_several_outcomes_counts(market: Any, labels: Any) -> None:
    panel = market(0)
    features = panel.select("entity", "time", known=labels(panel, 8)["forward_return"])
    three, eight = {"a": labels(panel)}, {"b": labels(panel, 8)}
    assert measure_skill(features, three | eight, RULE).ic["known"] == pytest.approx(1, abs=1e-6)
    assert measure_skill(features, three, RULE).ic["known"] < 0.9


def moved(panel: pl.DataFrame) -> pl.DataFrame:
    """With a feed that moves against the market at the same bar, as a volatility index does."""
    move = (pl.col("close") / pl.col("close").shift(1) - 1).over("entity")
    market = panel.with_columns(move=move).with_columns(pl.col("move").mean().over("time").fill_null(0))
    return market.with_columns(fed_index=-pl.col("move").cum_sum().over("entity"), fed_age=0.0).drop("move")


@pytest.mark.parametrize("seed", range(5))
def test_honest_stamps_raise_no_alarm(seed: int, market: Any, feed: Any, joined: Any) -> None:
    assert check_stamps(joined(market(seed), feed(seed)), RULE, {}).outcome == "pass"
    assert check_stamps(moved(market(seed)), RULE, {}).outcome == "pass"


@pytest.mark.parametrize("bars", [1, 2])
def test_a_feed_stamped_too_early_is_suspect(bars: int, market: Any) -> None:
    early = moved(market(0)).with_columns(pl.col("fed_index").shift(-bars).over("entity"))
    record = check_stamps(early, RULE, {"reader": ["fed_index"], "other": ["close"]})
    assert record.outcome == "suspect"
    assert f"with the bar {bars} ahead" in record.found
    assert list(record.accused) == ["reader"]
    late = moved(market(0)).with_columns(pl.col("fed_index").shift(bars).over("entity"))
    assert check_stamps(late, RULE, {}).outcome == "pass"


def test_bars_stamped_too_early_are_suspect(market: Any) -> None:
    values = ("open", "high", "low", "close", "volume")
    early = market(0).with_columns(
        pl.when(pl.col("entity") == "E1").then(pl.col(name).shift(-1).over("entity")).otherwise(name) for name in values
    )
    record = check_stamps(early.drop_nulls("close"), RULE, {})
    assert record.outcome == "suspect"
    assert record.found.startswith("bars of E1 correlates")


def test_a_plausible_lead_is_no_alarm(market: Any) -> None:
    early = moved(market(0)).with_columns(pl.col("fed_index").shift(-1).over("entity"))
    assert check_stamps(early, AuditRule(max_plausible_ic=1.0), {}).outcome == "pass"


def test_stamps_of_little_data_are_incomplete(market: Any) -> None:
    assert check_stamps(market(0, bars=100, entities=2), RULE, {}).outcome == "incomplete"
    assert check_stamps(market(0).drop("close"), RULE, {}).outcome == "incomplete"
