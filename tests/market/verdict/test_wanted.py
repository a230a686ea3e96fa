"""Levels somebody hopes for: judged with skill, held against what is naive, and told in terms of the IC."""

from types import SimpleNamespace
from typing import Any

import pytest

from assay.market.errors import ConfigurationError
from assay.market.primary import Primary
from assay.market.verdict import VerdictRule

Facts = dict[str, Any]
Maker = SimpleNamespace

GOOD, CHANCE = (0.05, 0.01, 0.09), (0.01, -0.03, 0.05)
RETURNS = Primary(head="forward_return", model="boosted", metric="ic")
THIRDS = {"SHORT": 1 / 3, "NEUTRAL": 1 / 3, "LONG": 1 / 3}


def wanted_of(make: Maker, facts: Facts, name: str, rule: VerdictRule | None = None) -> Facts:
    primary = RETURNS if facts["kind"] == "regression" else make.primary
    found = make.judged(facts, make.earned((0.4, -0.5, 1.3)), rule or make.hoped, primary)["wanted"]
    entry: Facts = next(entry for entry in found if entry["metric"] == name)
    return entry


def wants(**levels: float) -> VerdictRule:
    return VerdictRule(wanted={"classification": levels, "regression": levels})


@pytest.mark.parametrize(
    ("found", "prior", "difference", "status", "trivial"),
    [
        (0.58, 0.50, (0.08, 0.05, 0.11), "PASS", False),
        (0.58, 0.57, (0.01, 0.005, 0.02), "WARNING", True),
        (0.58, 0.54, (0.04, -0.01, 0.09), "WARNING", False),
        (0.54, 0.40, (0.14, 0.10, 0.18), "FAIL", False),
        (0.54, 0.56, (-0.02, -0.03, -0.01), "FAIL", True),
        (None, 0.40, (None, None, None), "FAIL", False),
    ],
)
def test_a_level_passes_only_with_skill_and_if_it_is_not_trivial(
    make: Maker, found: Any, prior: float, difference: Any, status: str, trivial: bool
) -> None:
    facts = make.evaluation(accuracy=(found, 0.5, 0.6))
    entry = wanted_of(make, make.set_rival(facts, "class_prior", "accuracy", prior, difference), "accuracy")
    assert (entry["status"], entry["trivial"], entry["found"], entry["wanted"]) == (status, trivial, found, 0.55)
    assert (entry["name"], entry["unit"]) == ("Accuracy", "share")


def test_accuracy_is_also_held_against_the_model_without_direction(make: Maker) -> None:
    facts = make.evaluation(accuracy=(0.58, 0.55, 0.6))
    make.set_rival(facts, "class_prior", "accuracy", 0.4, (0.18, 0.1, 0.2))
    make.set_rival(facts, "boosted (volatility only)", "accuracy", 0.57, (0.01, -0.01, 0.03))
    entry = wanted_of(make, facts, "accuracy")
    assert entry["status"] == "WARNING"
    assert entry["note"].startswith("Against boosted (volatility only): +0.0100 [-0.0100, +0.0300]")


@pytest.mark.parametrize(
    ("found", "status"),
    [
        ((0.62, 0.55, 0.69), "PASS"),
        ((0.62, 0.45, 0.79), "WARNING"),
        ((0.55, 0.52, 0.58), "FAIL"),
        ((None,), "FAIL"),
    ],
)
def test_directional_accuracy_is_held_against_a_coin(make: Maker, found: Any, status: str) -> None:
    entry = wanted_of(make, make.evaluation(directional_accuracy_tradable=found), "directional_accuracy_tradable")
    assert entry["status"] == status
    assert ("Undefined: no call was made" in entry["note"]) == (found[0] is None)
    assert ("Against a coin" in entry["note"]) == (found[0] is not None)
    assert "On all bars this level takes an IC of 0.31; usual ones are .02 to .10." in entry["note"]


def test_a_level_that_a_coin_reaches_is_trivial(make: Maker) -> None:
    facts = make.evaluation(directional_accuracy_tradable=(0.62, 0.55, 0.69))
    rule = wants(directional_accuracy_tradable=0.45)
    assert wanted_of(make, facts, "directional_accuracy_tradable", rule)["trivial"] is True


def test_directional_accuracy_is_held_against_a_naive_forecast_that_beats_the_coin(make: Maker) -> None:
    name = "directional_accuracy_tradable"
    facts = make.evaluation(directional_accuracy_tradable=(0.62, 0.55, 0.69))
    make.set_rival(facts, "class_prior", name, 0.61, (0.01, -0.02, 0.04))
    entry = wanted_of(make, facts, name)
    assert (entry["status"], entry["trivial"]) == ("WARNING", True)
    assert "Trivial: class_prior reaches this level too" in entry["note"]
    make.set_rival(facts, "class_prior", name, 0.58, (0.04, -0.02, 0.10))
    assert wanted_of(make, facts, name)["status"] == "WARNING"


@pytest.mark.parametrize(("metric", "naive", "ic"), [("rmse", 0.020, 0.66), ("mae", 0.020, 0.66), ("mse", 0.020, 0.5)])
def test_a_lower_metric_is_wanted_below_its_level(make: Maker, metric: str, naive: float, ic: float) -> None:
    """IC: ``sqrt(1 - (.015 / .02)^2)`` is .66, ``sqrt(1 - .015 / .02)`` is .50."""
    facts = make.evaluation(kind="regression", ic=GOOD, **{metric: (0.010, 0.009, 0.011)})
    make.set_rival(facts, "zero", metric, naive, (-0.010, -0.012, -0.008))
    entry = wanted_of(make, facts, metric, wants(**{metric: 0.015}))
    assert entry["status"] == "PASS"
    assert entry["note"] == (
        "Against zero: +0.0100 [+0.0080, +0.0120]; the interval lies above 0. "
        f"This level takes an IC of {ic:.2f}; usual ones are .02 to .10."
    )
    assert wanted_of(make, facts, metric, wants(**{metric: 0.005}))["status"] == "FAIL"


def test_baselines_that_are_not_naive_make_nothing_trivial(make: Maker) -> None:
    facts = make.evaluation(accuracy=(0.58, 0.5, 0.6))
    make.set_rival(facts, "class_prior", "accuracy", 0.57, (0.1, 0.05, 0.2))
    entry = wanted_of(make, facts, "accuracy", make.hoped.model_copy(update={"naive": ("last_sign",)}))
    assert (entry["trivial"], entry["status"]) == (False, "WARNING")


def test_wanted_levels_of_a_regression(make: Maker) -> None:
    found = make.judged(make.evaluation(kind="regression", ic=GOOD), None, primary=RETURNS)["wanted"]
    assert {entry["metric"]: entry["wanted"] for entry in found} == {"directional_accuracy": 0.58, "r2": 0.10}
    assert "This level takes an IC of 0.32" in found[1]["note"]


@pytest.mark.parametrize(
    ("metric", "level", "said"),
    [
        ("accuracy", 0.55, "With classes of these shares, and volatility unknown, it takes an IC of 0.63"),
        ("balanced_accuracy", 0.55, "volatility unknown, it takes an IC of 0.63"),
        ("f1_macro", 0.55, "volatility unknown, it takes an IC of 0.64"),
        ("accuracy", 0.33, "With classes of these shares it takes no skill."),
        ("mcc", 0.10, "There is no naive forecast to hold it against."),
    ],
)
def test_levels_of_classes_are_told_in_terms_of_the_ic(make: Maker, metric: str, level: float, said: str) -> None:
    facts = make.evaluation(**{metric: (0.5, 0.45, 0.55)}) | {"class_shares": THIRDS}
    assert said in wanted_of(make, facts, metric, wants(**{metric: level}))["note"]


@pytest.mark.parametrize(
    ("book", "sharpe", "drawdown"),
    [
        ({"sharpe": (1.2, 0.3, 2.1)}, "PASS", "PASS"),
        ({"sharpe": (1.2, 0.3, 2.1), "timing": (0.1, -0.6, 0.8)}, "WARNING", "WARNING"),
        ({"sharpe": (0.9, 0.3, 1.5), "max_drawdown": -0.2}, "FAIL", "FAIL"),
        ({"sharpe": (None,), "max_drawdown": 0.0}, "FAIL", "WARNING"),
    ],
)
def test_levels_after_costs_need_skill_without_drift(make: Maker, book: Facts, sharpe: str, drawdown: str) -> None:
    found = {entry["metric"]: entry for entry in make.judged(make.evaluation(), make.earned(**book))["wanted"]}
    assert (found["sharpe"]["status"], found["max_drawdown"]["status"]) == (sharpe, drawdown)
    assert found["max_drawdown"]["note"].startswith("Buy and hold: -30.0%.")
    assert "takes an IC" not in found["max_drawdown"]["note"]
    assert [found["max_drawdown"][name] for name in ("unit", "low", "high")] == ["share", None, None]


def test_a_level_that_buying_and_holding_reaches_is_trivial(make: Maker) -> None:
    """Worth 500 independent bets in 8 years: 62 a year."""
    rule = VerdictRule(wanted_performance={"sharpe": 0.5})
    (entry,) = make.judged(make.evaluation(), make.earned((1.2, 0.3, 2.1)), rule)["wanted"]
    assert (entry["status"], entry["trivial"], entry["name"]) == ("WARNING", True, "Sharpe after costs")
    assert [entry[name] for name in ("wanted", "found", "low", "high")] == [0.5, 1.2, 0.3, 2.1]
    assert entry["note"] == (
        "Buy and hold: 0.70. Sharpe without drift 1.20 [0.30, 2.10]: the interval lies above 0. "
        "Trivial: buy and hold reaches this level too. "
        "With 62 independent bets a year it takes an IC of 0.08, before costs; usual ones are .02 to .10."
    )


def test_money_is_told_in_terms_of_the_ic(make: Maker) -> None:
    rule = VerdictRule(wanted_performance={"annual_return": 0.22, "win_rate": 0.62})
    book = make.earned((1.2, 0.3, 2.1), annual_return=0.1, annual_volatility=0.1, win_rate=0.5)
    book.held.update(annual_return=0.05, win_rate=0.5)
    notes = {entry["metric"]: entry["note"] for entry in make.judged(make.evaluation(), book, rule)["wanted"]}
    assert "At its volatility this is a Sharpe ratio of 2.20. With 62 independent" in notes["annual_return"]
    assert "it takes an IC of 0.34, before costs" in notes["annual_return"]
    assert "For the sign of every bar this takes an IC of 0.37, before costs" in notes["win_rate"]
    calm = make.earned((1.2, 0.3, 2.1), annual_return=0.1, annual_volatility=None, win_rate=0.5)
    calm.held.update(annual_return=0.05, win_rate=0.5)
    assert "Sharpe ratio of" not in make.judged(make.evaluation(), calm, rule)["wanted"][0]["note"]


def test_levels_after_costs_are_not_judged_without_a_backtest(make: Maker) -> None:
    asked = [entry["metric"] for entry in make.judged(make.evaluation(), None)["wanted"]]
    assert asked == list(make.hoped.wanted["classification"])


def test_a_level_of_an_unknown_metric_is_an_error(make: Maker) -> None:
    with pytest.raises(ConfigurationError, match=r"verdict.wanted.classification: names metrics(.|\n)*found: acuracy"):
        make.judged(make.evaluation(), None, wants(acuracy=0.5))


@pytest.mark.parametrize(("coverage", "status"), [(0.016, "WARNING"), (0.35, "PASS")])
def test_few_calls_do_not_pass(make: Maker, coverage: float, status: str) -> None:
    hits = {"directional_accuracy_tradable": (0.66, 0.63, 0.69), "coverage_tradable": (coverage,)}
    found = wanted_of(make, make.evaluation(**hits), "directional_accuracy_tradable")
    assert found["status"] == status
    assert f"On {coverage:.1%} of the rows." in found["note"]
    lenient = make.hoped.model_copy(update={"min_coverage": 0.01})
    assert wanted_of(make, make.evaluation(**hits), "directional_accuracy_tradable", lenient)["status"] == "PASS"
