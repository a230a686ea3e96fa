"""Searches: places on an axis, ticks, and what a parameter did to the score, against other libraries."""

from typing import Any

import numpy as np
import pytest
from scipy.stats import f_oneway, rankdata
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import PolynomialFeatures

from assay.report.search import DRAWS, FEWEST, Axis, best_of, complete, effects, without_gain

DEPTH = Axis("depth", 3, 10)
RATE = Axis("rate", 0.01, 1.0, log=True)
LAYERS = Axis("layers", options=((64, 32), (128, 64), (256,)))


def trial(number: int, score: float | None, state: str = "complete", **params: Any) -> dict[str, Any]:
    return {"number": number, "state": state, "score": score, "params": params}


def trials(count: int = 60, seed: int = 0) -> list[dict[str, Any]]:
    """The score is best at a rate of 0.1, and with two layers."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(count):
        rate, depth = float(10 ** rng.uniform(-2, 0)), int(rng.integers(3, 11))
        layers = [[64, 32], [128, 64], [256]][int(rng.integers(3))]
        score = -((np.log10(rate) + 1) ** 2) + 0.3 * (len(layers) == 2) + 0.15 * rng.normal()
        found.append(trial(number, float(score), rate=rate, depth=depth, layers=layers))
    return found


def test_a_value_lies_on_the_scale_it_was_searched_on() -> None:
    assert RATE.place(0.1) == pytest.approx(0.5)
    assert DEPTH.place(6.5) == pytest.approx(0.5)
    assert [LAYERS.place(option) for option in ([64, 32], (128, 64), [256])] == [0.0, 0.5, 1.0]
    assert (LAYERS.place([1]), RATE.place(None), RATE.place("x"), RATE.place(-1)) == (None, None, None, None)


def test_spans_are_read_as_they_are_written() -> None:
    assert Axis.read("rate", {"low": 0.01, "high": 1, "log": True}) == RATE
    assert Axis.read("layers", {"options": [[64, 32], [128, 64], [256]]}) == LAYERS


def test_ticks_are_both_ends_and_a_round_middle_or_every_option() -> None:
    assert RATE.ticks() == [(0.0, 0.01), (pytest.approx(0.5), 0.1), (1.0, 1.0)]
    assert [value for _, value in Axis("n", 20, 400, log=True).ticks()] == [20, 89, 400]
    assert LAYERS.ticks() == [(0.0, (64, 32)), (0.5, (128, 64)), (1.0, (256,))]


def test_the_best_trial_is_complete_and_the_earlier_of_equals() -> None:
    found = [trial(3, 1.0), trial(1, 1.0), trial(2, 0.5), trial(0, 9.0, "pruned"), trial(4, None, "failed")]
    assert best_of(found)["number"] == 1
    assert [one["number"] for one in complete(found)] == [1, 2, 3]
    assert without_gain(found) == 3
    assert best_of(found[3:]) is None
    assert without_gain(found[3:]) == 2


def test_the_effect_of_a_number_is_the_adjusted_fit_of_a_parabola() -> None:
    found = trials()
    x = np.log10([one["params"]["rate"] for one in found])[:, None]
    z, terms = rankdata([one["score"] for one in found]), PolynomialFeatures(2, include_bias=False).fit_transform(x)
    r2 = LinearRegression().fit(terms, z).score(terms, z)
    expected = 1 - (1 - r2) * (len(z) - 1) / (len(z) - 3)
    [effect] = effects(found, [RATE])
    assert effect.share == pytest.approx(expected)


def test_the_effect_of_a_choice_is_that_of_an_analysis_of_variance() -> None:
    found = trials()
    z = rankdata([one["score"] for one in found])
    groups = [z[[one["params"]["layers"] == list(option) for one in found]] for option in LAYERS.options]
    f, k, n = f_oneway(*groups).statistic, len(groups), len(z)
    r2 = f * (k - 1) / (f * (k - 1) + n - k)
    [effect] = effects(found, [LAYERS])
    assert effect.share == pytest.approx(1 - (1 - r2) * (n - 1) / (n - k))


def test_what_matters_comes_first_and_what_does_not_stays_within_chance() -> None:
    found = effects(trials(120), [DEPTH, LAYERS, RATE])
    assert [effect.name for effect in found] == ["rate", "layers", "depth"]
    assert [effect.share > effect.chance for effect in found] == [True, True, False]


def test_chance_is_exceeded_in_one_of_twenty_searches_without_any_effect() -> None:
    rng = np.random.default_rng(3)
    beyond = []
    for seed in range(300):
        noise = [{**one, "score": float(rng.normal())} for one in trials(20, seed)]
        beyond += [effect.share > effect.chance for effect in effects(noise, [RATE], seed=seed)]
    assert 0.02 < np.mean(beyond) < 0.085  # 0.05 +- 2.8 standard errors
    assert DRAWS >= 400


@pytest.mark.parametrize("count", [FEWEST - 1, FEWEST])
def test_too_few_trials_say_nothing(count: int) -> None:
    found = [*trials(count), trial(90, 5.0, "pruned", rate=0.1, depth=3, layers=[256])]
    assert bool(effects(found, [RATE])) is (count >= FEWEST)


def test_equal_scores_and_a_parameter_that_never_changed_say_nothing() -> None:
    assert effects([{**one, "score": 1.0} for one in trials()], [RATE]) == []
    fixed = [{**one, "params": {"rate": 0.1}} for one in trials()]
    [effect] = effects(fixed, [RATE])
    assert (effect.share, effect.chance) == (0.0, 0.0)


def test_a_parameter_that_some_trials_do_not_have_is_a_group_of_its_own() -> None:
    found = trials()
    for one in found[::2]:
        one["params"].pop("depth")
        one["score"] += 5
    [effect] = effects(found, [DEPTH])
    assert effect.share > 0.6
