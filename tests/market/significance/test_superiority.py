"""Tests over many models against arch on equal resamples, t-tests, and markets in which nobody knows anything."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from arch.bootstrap import MCS, SPA, StepM
from scipy.signal import lfilter
from scipy.stats import t, ttest_rel

from assay.market.errors import ConfigurationError, DataError
from assay.market.significance.bootstrap import Array, BootstrapRule, block_variance, resample_weights
from assay.market.significance.superiority import (
    LossResamples,
    loss_differences,
    model_confidence_set,
    reality_check,
    resample_losses,
    step_m,
    superior_predictive_ability,
)

RULE = BootstrapRule(replications=300, seed=5)
TIMESTAMPS, BLOCK = 250, 7


class SameResamples:
    """Hands the resamples of ``resample_weights`` to ``arch``."""

    def __init__(self, data: Array) -> None:
        self.data = data

    def bootstrap(self, _: int) -> Iterator[tuple[tuple[Array], dict[str, Any]]]:
        for weights in resample_weights(TIMESTAMPS, block=BLOCK, rule=RULE):
            for weight in weights:
                yield (self.data[np.repeat(np.arange(TIMESTAMPS), weight.astype(int))],), {}

    def reset(self) -> None:
        """Nothing is drawn."""


class SamePlaces(SameResamples):
    """The same, as the confidence set wants it."""

    def bootstrap(self, _: int) -> Iterator[Any]:
        for data, named in super().bootstrap(_):
            yield (data,), named


def losses(levels: tuple[float, ...] = (0.5, 0.47, 0.5, 0.35, 0.9, 0.45), seed: int = 3) -> Array:
    """Losses that move together and remember."""
    random = np.random.default_rng(seed)
    shape = (TIMESTAMPS, len(levels))
    return np.asarray(levels) + lfilter(
        [1], [1, -0.4], random.standard_normal((TIMESTAMPS, 1)) + 0.6 * random.standard_normal(shape), axis=0
    )


def textbook(values: Array) -> LossResamples:
    return resample_losses(values, rule=RULE, block=BLOCK, small_samples=False)


def counted(p: Array | float) -> Array:
    """The share of resamples above, from ``(1 + b) / (1 + B)``."""
    return (np.asarray(p) * (RULE.replications + 1) - 1) / RULE.replications


@pytest.mark.parametrize("reference", range(6))
def test_superior_ability_is_that_of_arch(reference: int) -> None:
    values = losses()
    spa = SPA(values[:, reference], np.delete(values, reference, axis=1), block_size=BLOCK, reps=RULE.replications)
    spa.bootstrap = SameResamples(spa._loss_diff)
    spa.compute()
    found = superior_predictive_ability(textbook(values), reference=reference, studentise=False)
    assert counted(found) == pytest.approx(spa.pvalues.to_numpy(), abs=1e-9)
    assert reality_check(textbook(values), reference=reference) == found.upper


@pytest.mark.parametrize("level", [0.05, 0.4])
@pytest.mark.parametrize("reference", [0, 4])
def test_stepwise_selection_is_that_of_arch(reference: int, level: float) -> None:
    values = losses((0.5, 0.3, 0.5, 0.2, 0.9, 0.4))
    others = np.delete(np.arange(6), reference)
    steps = StepM(values[:, reference], values[:, others], size=level, block_size=BLOCK, reps=RULE.replications)
    steps.spa.bootstrap = SameResamples(steps.spa._loss_diff)
    steps.compute()
    found = step_m(textbook(values), reference=reference, level=level, studentise=False)
    assert found == others[steps.superior_models].tolist()


def test_the_confidence_set_is_that_of_arch() -> None:
    values = losses()
    mcs = MCS(values, size=0.1, reps=RULE.replications, block_size=BLOCK)
    mcs.bootstrap = SamePlaces(np.arange(TIMESTAMPS))
    mcs.compute()
    wanted = mcs.pvalues.sort_index()["Pvalue"].to_numpy()
    found = model_confidence_set(textbook(values))
    assert np.where(found == 1.0, 1.0, counted(found)) == pytest.approx(wanted, abs=1e-9)
    assert 1 < len(set(found)) < 6 or found.min() < 0.1


def test_a_reference_of_zero_is_a_model_without_loss() -> None:
    values = losses((0.05, -0.1, 0.3))
    given = resample_losses(np.column_stack([values, np.zeros(TIMESTAMPS)]), rule=RULE, block=BLOCK)
    none = resample_losses(values, rule=RULE, block=BLOCK)
    assert superior_predictive_ability(given, reference=3) == superior_predictive_ability(none)
    assert step_m(given, reference=3) == step_m(none)


def test_the_smallest_gain_in_errors_decides_and_not_the_largest_as_it_is() -> None:
    random = np.random.default_rng(0)
    values = random.standard_normal((400, 2)) * np.array([0.1, 5.0]) - np.array([0.02, 0.1])
    drawn = resample_losses(values, rule=RULE, block=1.0)
    assert superior_predictive_ability(drawn).consistent < 0.01
    assert superior_predictive_ability(drawn, studentise=False).consistent > 0.1
    assert (step_m(drawn), step_m(drawn, studentise=False)) == ([0], [])


def test_a_quiet_model_is_found_once_the_loud_one_is_out() -> None:
    random = np.random.default_rng(4)
    values = random.standard_normal((TIMESTAMPS, 3)) * np.array([5.0, 0.1, 0.1]) - np.array([2.0, 0.05, 0.0])
    assert step_m(textbook(values), studentise=False) == [0, 1]
    assert step_m(textbook(values[:, [0, 2]]), studentise=False) == [0]
    steps = StepM(np.zeros(TIMESTAMPS), values, size=0.05, block_size=BLOCK, reps=RULE.replications)
    steps.spa.bootstrap = SameResamples(steps.spa._loss_diff)
    steps.compute()
    assert steps.superior_models == [0, 1]


def test_a_looser_level_finds_more() -> None:
    values = np.random.default_rng(0).standard_normal((400, 1))
    drawn = resample_losses(values - values.mean() - 0.06, rule=RULE, block=1.0)  # about 1.2 standard errors
    assert 0.05 < superior_predictive_ability(drawn).consistent < 0.2
    assert (step_m(drawn), step_m(drawn, level=0.3)) == ([], [0])


def test_a_clearly_worse_model_does_not_hide_a_better_one() -> None:
    random = np.random.default_rng(2)
    shared = random.standard_normal((300, 1))
    values = 0.3 * random.standard_normal((300, 2)) + np.array([-0.04, 0.0])
    poor = 20.0 * random.standard_normal((300, 6)) + 8.0 + shared
    both = superior_predictive_ability(
        resample_losses(np.column_stack([values, poor]), rule=RULE, block=1.0), studentise=False
    )
    assert both.consistent < 0.1 < both.upper
    assert both.lower <= both.consistent


@pytest.mark.parametrize("seed", range(4))
def test_on_few_blocks_one_model_is_tested_with_students_t(seed: int) -> None:
    rule = BootstrapRule(replications=4000, seed=seed)
    values = np.random.default_rng(seed).standard_normal((24, 1)) - 0.35
    p = superior_predictive_ability(resample_losses(values, rule=rule, block=1.0)).upper
    centred = (values - values.mean()).T
    error = float(np.sqrt(block_variance(centred, block=2.0)[0] / (1 - 2 / 24)) / 24)
    wanted = float(t.sf(-values.mean() / error, 24 / 2 - 1))
    assert p == pytest.approx(wanted, abs=0.025)
    plain = superior_predictive_ability(resample_losses(values, rule=rule, block=1.0, small_samples=False)).upper
    assert plain < p


def test_differences_have_the_intervals_of_paired_t_tests() -> None:
    values = np.random.default_rng(1).standard_normal((600, 3)) + np.array([0.0, 0.1, 0.3])
    rule = BootstrapRule(replications=4000)
    difference, low, high = loss_differences(resample_losses(values, rule=rule, block=1.0), confidence=0.9)
    for i, j in ((0, 1), (1, 0), (2, 0)):
        wanted = ttest_rel(values[:, i], values[:, j]).confidence_interval(0.9)
        width = wanted.high - wanted.low
        assert difference[i, j] == pytest.approx(values[:, i].mean() - values[:, j].mean())
        assert (low[i, j], high[i, j]) == pytest.approx((wanted.low, wanted.high), abs=0.06 * width)
    assert low == pytest.approx(-high.T)
    narrow = loss_differences(resample_losses(values, rule=rule, block=1.0), confidence=0.6)
    assert (narrow[2] - narrow[1])[0, 1] < (high - low)[0, 1]


def worthless(seed: int, models: int = 8, n: int = 250) -> Array:
    """Direction losses of persistent scores on returns that overlap by five, nobody knowing anything."""
    random = np.random.default_rng(seed)
    score = lfilter([1], [1, -0.9], random.standard_normal((n + 50, models)), axis=0)[50:]
    path = np.cumsum(random.standard_normal(n + 5))
    return -score / score.std(axis=0) * ((path[5:] - path[:-5]) / np.sqrt(5))[:, None]


def test_among_worthless_models_the_best_is_found_out_at_the_level() -> None:
    rule = BootstrapRule(replications=200, seed=1)
    drawn = [resample_losses(worthless(seed), rule=rule, horizon=5) for seed in range(120)]
    blind = [resample_losses(worthless(seed), rule=rule, block=1.0, small_samples=False) for seed in range(60)]
    assert np.mean([superior_predictive_ability(one).consistent < 0.05 for one in drawn]) < 0.11
    assert np.mean([bool(step_m(one)) for one in drawn]) < 0.11
    assert np.mean([model_confidence_set(one).min() < 0.1 for one in drawn]) < 0.22
    assert np.mean([superior_predictive_ability(one).consistent < 0.05 for one in blind]) > 0.3


def test_a_better_model_stands_out_and_is_alone_in_the_set() -> None:
    values = worthless(7)
    values[:, 3] -= 0.6
    drawn = resample_losses(values, rule=RULE, horizon=5)
    assert superior_predictive_ability(drawn).consistent < 0.02
    assert step_m(drawn) == [3]
    assert np.flatnonzero(model_confidence_set(drawn) > 0.1).tolist() == [3]
    assert step_m(drawn, reference=3) == []


def test_models_alike_stay_together_and_a_constant_gain_counts_for_nothing() -> None:
    values = losses((0.5, 0.2))[:, [1, 1, 0]]
    p = model_confidence_set(resample_losses(values, rule=RULE, block=BLOCK))
    assert p[0] == p[1] == 1.0
    same = resample_losses(values[:, :2], rule=RULE, block=BLOCK)
    assert superior_predictive_ability(same, reference=0) == (1.0, 1.0, 1.0)
    assert step_m(same, reference=0) == []
    assert np.array_equal(np.stack(loss_differences(same)), np.zeros((3, 2, 2)))
    assert model_confidence_set(resample_losses(values[:, :1], rule=RULE)).tolist() == [1.0]


def test_blocks_and_resamples_follow_the_rule() -> None:
    values = losses()
    asked = resample_losses(values, rule=RULE)
    assert asked.block > 1.5  # losses remember
    assert resample_losses(values, rule=RULE, horizon=40).block == 40.0
    assert resample_losses(values, rule=RULE, horizon=4, block=6.0).block == 6.0
    assert asked.error_block == 2 * asked.block
    assert resample_losses(values, rule=RULE, horizon=40).error_block == TIMESTAMPS / 4
    assert resample_losses(values, rule=RULE, horizon=100).error_block == 100.0
    assert resample_losses(values, rule=RULE, horizon=200).error_block == TIMESTAMPS / 2
    assert asked.drawn.shape == (300, 6)
    again, other = resample_losses(values, rule=RULE), resample_losses(values, rule=BootstrapRule(seed=6))
    assert np.array_equal(asked.drawn, again.drawn)
    assert np.array_equal(asked.scale, again.scale)
    assert not np.array_equal(asked.drawn, other.drawn[:300])
    assert not np.array_equal(asked.scale, other.scale[:300])


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (np.ones((19, 2)), r"shape \(19, 2\), 0 values"),
        (np.ones((30, 0)), r"shape \(30, 0\)"),
        (np.ones(30), r"shape \(30,\)"),
        (np.full((30, 1), np.nan), "30 values not finite"),
    ],
)
def test_losses_that_cannot_be_resampled_are_refused(values: Array, found: str) -> None:
    with pytest.raises(DataError, match=rf"(?s)losses: cannot be resampled.*{found}"):
        resample_losses(values, rule=RULE)


def test_a_block_shorter_than_the_label_and_a_lonely_reference_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"(?s)block: is shorter than the label.*the horizon, 5.*found: 4"):
        resample_losses(losses(), rule=RULE, horizon=5, block=4)
    with pytest.raises(DataError, match="no model beside the reference"):
        superior_predictive_ability(resample_losses(losses()[:, :1], rule=RULE), reference=0)
