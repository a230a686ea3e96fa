from copy import deepcopy
from typing import Any

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from assay.market.errors import ConfigurationError
from assay.market.evaluation import EvaluationRule, evaluate
from assay.market.metrics import METRICS
from assay.market.primary import Primary
from assay.market.verdict import Backtest, VerdictRule, verdict

Facts = dict[str, Any]
Difference = tuple[float | None, ...]

PRIMARY = Primary(head="signal", model="boosted")
RETURN_PRIMARY = Primary(head="forward_return", model="boosted", metric="ic")
HOPED = VerdictRule(
    wanted={
        "classification": {"accuracy": 0.55, "directional_accuracy_tradable": 0.60},
        "regression": {"directional_accuracy": 0.58, "r2": 0.10},
    },
    wanted_performance={"sharpe": 1.0, "max_drawdown": -0.15},
)


def estimate(value: float | None, low: float | None = None, high: float | None = None) -> Facts:
    return {"value": value, "low": low, "high": high}


GOOD, CHANCE, BAD = estimate(0.05, 0.01, 0.09), estimate(0.01, -0.03, 0.05), estimate(-0.05, -0.09, -0.01)


def earned(*sharpe: float | None, timing: tuple[float | None, ...] | None = None, **others: Any) -> Backtest:
    mine = {
        "sharpe": estimate(*sharpe),
        "timing_sharpe": estimate(*(timing or sharpe)),
        "max_drawdown": -0.1,
        "exposure": 0.014,
    }
    held = {"sharpe": estimate(0.7), "max_drawdown": -0.3}
    return Backtest(mine | others, held)


def judged(facts: Facts, backtest: Backtest | None, primary: Primary = PRIMARY, rule: VerdictRule = HOPED) -> Facts:
    return verdict(facts, backtest, primary=primary, rule=rule)


PROFIT, LUCK = earned(1.2, 0.3, 2.1), earned(0.4, -0.5, 1.3)
DRIFT = earned(1.2, 0.3, 2.1, timing=(0.1, -0.6, 0.8))
LOSS = earned(-0.8, -1.5, -0.1, timing=(1.2, 0.3, 2.1))  # timed well on a market that fell faster


def told(role: str, metrics: Facts, versus: Facts | None = None) -> Facts:
    return {"role": role, "metrics": metrics, "versus": versus or {}}


def evaluation(ic: Facts = CHANCE, kind: str = "classification", **metrics: Facts) -> Facts:
    """What ``evaluate`` says about one model, a naive baseline and (classes) the model without direction."""
    nothing = {name: estimate(None) for name in METRICS[kind]}
    first, naive = ("direction_ic", "class_prior") if kind == "classification" else ("ic", "zero")
    mine = {**nothing, first: ic, **metrics}
    undefined = {name: {"difference": None, "low": None, "high": None} for name in METRICS[kind]}
    models = {"boosted": told("model", mine, {naive: deepcopy(undefined)}), naive: told("baseline", dict(nothing))}
    if kind == "classification":
        models["boosted (volatility only)"] = told("volatility_only", dict(nothing))
        models["boosted"]["versus"]["boosted (volatility only)"] = deepcopy(undefined)
    info = {
        name: {"label": metric.label, "better": metric.better, "unit": metric.unit}
        for name, metric in METRICS[kind].items()
    }
    return {
        "kind": kind,
        "rows": 4000,
        "timestamps": 2000,
        "entities": 2,
        "effective_rows": 500.0,
        "horizon": 5,
        "confidence": 0.95,
        "span": ["2010-01-01T00:00:00+00:00", "2018-01-01T00:00:00+00:00"],
        "metric_info": info,
        "models": models,
        "skill": {"boosted": {"direction": {"ic": ic, "t_hac": 2.4}, "volatility": {}}},
    }


def set_rival(facts: Facts, rival: str, metric: str, value: float | None, difference: Difference) -> Facts:
    facts["models"][rival]["metrics"][metric] = estimate(value, value - 0.02, value + 0.02)
    middle, low, high = difference
    facts["models"]["boosted"]["versus"][rival][metric] = {"difference": middle, "low": low, "high": high}
    return facts


def wanted_of(facts: Facts, name: str, rule: VerdictRule = HOPED, primary: Primary = PRIMARY) -> Facts:
    found = judged(facts, LUCK, primary, rule)["wanted"]
    return next(entry for entry in found if entry["metric"] == name)


@pytest.mark.parametrize(
    ("ic", "backtest", "level"),
    [
        (GOOD, PROFIT, "evidence"),
        (GOOD, LUCK, "weak"),
        (CHANCE, PROFIT, "weak"),
        (CHANCE, DRIFT, "no evidence"),
        (GOOD, DRIFT, "weak"),
        (GOOD, LOSS, "weak"),
        (CHANCE, LOSS, "no evidence"),
        (CHANCE, LUCK, "no evidence"),
        (BAD, LUCK, "no evidence"),
        (BAD, PROFIT, "weak"),
        (GOOD, None, "weak"),
        (CHANCE, None, "no evidence"),
        (estimate(None), LUCK, "no evidence"),
        (GOOD, earned(None), "weak"),
        (estimate(0.3, 0.2, 0.4), LUCK, "implausible"),
        (estimate(-0.3, -0.4, -0.2), LUCK, "implausible"),
        (estimate(0.3, -0.1, 0.7), LUCK, "no evidence"),
        (estimate(0.3), None, "implausible"),
        (CHANCE, earned(9.0, 7.0, 11.0), "implausible"),
        (GOOD, earned(9.0, -1.0, 19.0), "weak"),
    ],
)
def test_the_level_follows_the_written_rules(ic: Facts, backtest: Backtest | None, level: str) -> None:
    assert judged(evaluation(ic), backtest)["level"] == level


@pytest.mark.parametrize(
    ("ic", "backtest", "words"),
    [
        (GOOD, PROFIT, "boosted called the direction of the next 5 bars better than chance"),
        (GOOD, LUCK, "A hint, not proof: boosted leans the right way"),
        (CHANCE, PROFIT, "A hint, not proof: boosted earned more than drift after costs"),
        (CHANCE, LUCK, "There is no evidence that boosted knows"),
        (estimate(0.3, 0.2, 0.4), LUCK, "treat this as a leak until proved otherwise"),
    ],
)
def test_the_headline_is_one_plain_sentence(ic: Facts, backtest: Backtest | None, words: str) -> None:
    headline = judged(evaluation(ic), backtest)["headline"]
    assert words in headline
    assert headline.count(".") == 1


@pytest.mark.parametrize(
    ("rule", "level"),
    [
        (VerdictRule(max_plausible_ic=0.04), "implausible"),
        (VerdictRule(max_plausible_sharpe=1.0), "implausible"),
        (VerdictRule(), "evidence"),
    ],
)
def test_the_lines_of_the_rule_count(rule: VerdictRule, level: str) -> None:
    assert judged(evaluation(GOOD), PROFIT, rule=rule)["level"] == level


CAPPED = VerdictRule(universe="unverified")


def many_entities(ic: Facts) -> Facts:
    return evaluation(ic) | {"entities": 3}


@pytest.mark.parametrize(
    ("facts", "rule", "level"),
    [
        (many_entities(GOOD), CAPPED, "weak"),
        (many_entities(GOOD), VerdictRule(universe="fixed"), "evidence"),
        (many_entities(GOOD), VerdictRule(), "weak"),
        (evaluation(GOOD), CAPPED, "evidence"),
        (many_entities(estimate(0.3, 0.2, 0.4)), CAPPED, "implausible"),
    ],
)
def test_entities_that_were_not_verified_are_at_most_weak(facts: Facts, rule: VerdictRule, level: str) -> None:
    assert judged(facts, PROFIT, rule=rule)["level"] == level


def test_a_capped_verdict_says_why_and_more_rows_would_not_settle_it() -> None:
    found = judged(many_entities(GOOD), PROFIT, rule=CAPPED)
    told = {reason["about"]: reason["said"] for reason in found["reasons"]}
    assert told["Survivorship"].startswith("The 3 entities are those that exist today")
    assert "What would settle it" not in told
    assert "only on entities that exist today" in found["headline"]
    assert found["headline"].count(".") == 1
    assert "Survivorship" not in str(judged(evaluation(GOOD), PROFIT, rule=CAPPED))
    assert "Survivorship" in str(judged(many_entities(CHANCE), LUCK, rule=CAPPED)["reasons"])


def reasons_of(facts: Facts, backtest: Backtest | None = LUCK) -> dict[str, str]:
    return {reason["about"]: reason["said"] for reason in judged(facts, backtest)["reasons"]}


def test_reasons_give_number_interval_size_and_side() -> None:
    direction = reasons_of(evaluation(GOOD))["Direction"]
    assert "is +0.050 [+0.010, +0.090] (95 % interval, overlap-aware t 2.4)" in direction
    assert "4,000 rows, worth about 500 independent ones; the interval lies above 0" in direction
    assert "the interval lies below 0" in reasons_of(evaluation(BAD))["Direction"]
    assert "undefined" in reasons_of(evaluation(estimate(None)))["Direction"]


def test_reasons_hold_the_claim_against_the_strongest_baseline() -> None:
    facts = evaluation(GOOD)
    assert "None of them has a direction" in reasons_of(facts)["Baselines"]
    set_rival(facts, "class_prior", "direction_ic", 0.03, (0.02, -0.01, 0.05))
    assert (
        "class_prior, reaches +0.030 [+0.010, +0.050]; the difference is +0.020 [-0.010, +0.050]"
        in reasons_of(facts)["Baselines"]
    )


def test_reasons_name_the_profit_and_a_missing_backtest() -> None:
    assert "after the stated costs is 0.40 [-0.50, 1.30]" in reasons_of(evaluation())["Profit"]
    assert "without drift it is 0.10 [-0.60, 0.80]" in reasons_of(evaluation(), DRIFT)["Profit"]
    always = earned(1.2, 0.3, 2.1, timing=(None,))
    assert "nothing is left to measure" in reasons_of(evaluation(), always)["Profit"]
    assert "There is no backtest" in reasons_of(evaluation(), None)["Profit"]
    assert "no position was taken" in reasons_of(evaluation(), earned(None))["Profit"]


def test_volatility_skill_is_told_and_called_no_evidence() -> None:
    facts = evaluation()
    about = "Volatility skill, no evidence of direction"
    assert about not in reasons_of(facts)
    facts["skill"]["boosted"]["volatility"] = {"accuracy": estimate(0.036, 0.03, 0.042)}
    assert "gains +3.6 [+3.0, +4.2] points of accuracy over the class prior" in reasons_of(facts)[about]


def test_reasons_say_how_much_data_would_settle_it() -> None:
    """IC .05 takes 2,472 independent rows: here 2,000 timestamps in 8 years are worth 500 of them."""
    found = reasons_of(evaluation())["What would settle it"]
    assert "an IC of 0.05 would show on 9,888 timestamps, about 32 more years of them" in found
    assert "an IC of 0.02 would show on 61,824 timestamps" in found
    known = evaluation()
    known["effective_rows"] = 5000.0
    enough = reasons_of(known)["What would settle it"]
    assert "an IC of 0.05 would show on 989 timestamps, which are here" in enough
    assert "What would settle it" not in reasons_of(evaluation(GOOD), PROFIT)


def test_reasons_end_with_what_was_declared() -> None:
    about, said = list(reasons_of(evaluation()).items())[-1]
    assert about == "Claim"
    assert said.startswith("One claim is declared in the configuration of this run (signal, boosted, Direction IC);")


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
    found: Any, prior: float, difference: Difference, status: str, trivial: bool
) -> None:
    facts = set_rival(evaluation(accuracy=estimate(found, 0.5, 0.6)), "class_prior", "accuracy", prior, difference)
    entry = wanted_of(facts, "accuracy")
    assert (entry["status"], entry["trivial"], entry["found"], entry["wanted"]) == (status, trivial, found, 0.55)
    assert (entry["name"], entry["unit"]) == ("Accuracy", "share")


def test_accuracy_is_also_held_against_the_model_without_direction() -> None:
    facts = set_rival(evaluation(accuracy=estimate(0.58, 0.55, 0.6)), "class_prior", "accuracy", 0.4, (0.18, 0.1, 0.2))
    set_rival(facts, "boosted (volatility only)", "accuracy", 0.57, (0.01, -0.01, 0.03))
    entry = wanted_of(facts, "accuracy")
    assert entry["status"] == "WARNING"
    assert entry["note"].startswith("Against boosted (volatility only): +0.0100 [-0.0100, +0.0300]")


@pytest.mark.parametrize(
    ("found", "status"),
    [
        (estimate(0.62, 0.55, 0.69), "PASS"),
        (estimate(0.62, 0.45, 0.79), "WARNING"),
        (estimate(0.55, 0.52, 0.58), "FAIL"),
        (estimate(None), "FAIL"),
    ],
)
def test_directional_accuracy_is_held_against_a_coin(found: Any, status: str) -> None:
    entry = wanted_of(evaluation(directional_accuracy_tradable=found), "directional_accuracy_tradable")
    assert entry["status"] == status
    assert ("Undefined: no call was made" in entry["note"]) == (found["value"] is None)
    assert ("Against a coin" in entry["note"]) == (found["value"] is not None)
    assert "On all bars this level takes an IC of 0.31" in entry["note"]


def test_a_level_that_a_coin_reaches_is_trivial() -> None:
    facts = evaluation(directional_accuracy_tradable=estimate(0.62, 0.55, 0.69))
    rule = VerdictRule(wanted={"classification": {"directional_accuracy_tradable": 0.45}})
    assert wanted_of(facts, "directional_accuracy_tradable", rule)["trivial"] is True


def test_directional_accuracy_is_held_against_a_naive_forecast_that_beats_the_coin() -> None:
    name = "directional_accuracy_tradable"
    facts = evaluation(directional_accuracy_tradable=estimate(0.62, 0.55, 0.69))
    set_rival(facts, "class_prior", name, 0.61, (0.01, -0.02, 0.04))
    entry = wanted_of(facts, name)
    assert (entry["status"], entry["trivial"]) == ("WARNING", True)
    assert "Trivial: class_prior reaches this level too" in entry["note"]
    set_rival(facts, "class_prior", name, 0.58, (0.04, -0.02, 0.10))
    assert wanted_of(facts, name)["status"] == "WARNING"


def test_a_lower_metric_is_wanted_below_its_level() -> None:
    facts = evaluation(kind="regression", ic=GOOD, rmse=estimate(0.010, 0.009, 0.011))
    set_rival(facts, "zero", "rmse", 0.020, (-0.010, -0.012, -0.008))
    rule = VerdictRule(wanted={"regression": {"rmse": 0.015}})
    entry = wanted_of(facts, "rmse", rule, RETURN_PRIMARY)
    assert entry["status"] == "PASS"
    assert entry["note"] == "Against zero: +0.0100 [+0.0080, +0.0120]; the interval lies above 0."
    stricter = VerdictRule(wanted={"regression": {"rmse": 0.005}})
    assert wanted_of(facts, "rmse", stricter, RETURN_PRIMARY)["status"] == "FAIL"


def test_baselines_that_are_not_naive_make_nothing_trivial() -> None:
    facts = set_rival(evaluation(accuracy=estimate(0.58, 0.5, 0.6)), "class_prior", "accuracy", 0.57, (0.1, 0.05, 0.2))
    assert wanted_of(facts, "accuracy", HOPED.model_copy(update={"naive": ("last_sign",)}))["trivial"] is False
    assert wanted_of(facts, "accuracy", HOPED.model_copy(update={"naive": ("last_sign",)}))["status"] == "WARNING"


def test_wanted_levels_of_a_regression() -> None:
    found = judged(evaluation(kind="regression", ic=GOOD), None, RETURN_PRIMARY)["wanted"]
    assert {entry["metric"]: entry["wanted"] for entry in found} == {"directional_accuracy": 0.58, "r2": 0.10}
    assert "takes an IC of 0.32" in found[1]["note"]


@pytest.mark.parametrize(
    ("backtest", "sharpe", "drawdown"),
    [
        (earned(1.2, 0.3, 2.1), "PASS", "PASS"),
        (earned(1.2, 0.3, 2.1, timing=(0.1, -0.6, 0.8)), "WARNING", "WARNING"),
        (earned(0.9, 0.3, 1.5, max_drawdown=-0.2), "FAIL", "FAIL"),
        (earned(None, max_drawdown=0.0), "FAIL", "WARNING"),
    ],
)
def test_levels_after_costs_need_skill_without_drift(backtest: Backtest, sharpe: str, drawdown: str) -> None:
    found = {entry["metric"]: entry for entry in judged(evaluation(), backtest)["wanted"]}
    assert (found["sharpe"]["status"], found["max_drawdown"]["status"]) == (sharpe, drawdown)
    assert found["max_drawdown"]["note"].startswith("Buy and hold: -30.0%.")
    assert [found["max_drawdown"][name] for name in ("unit", "low", "high")] == ["share", None, None]


def test_a_level_that_buying_and_holding_reaches_is_trivial() -> None:
    rule = VerdictRule(wanted_performance={"sharpe": 0.5})
    (entry,) = judged(evaluation(), PROFIT, rule=rule)["wanted"]
    assert (entry["status"], entry["trivial"]) == ("WARNING", True)
    assert [entry[name] for name in ("name", "wanted", "found", "low", "high")] == [
        "Sharpe after costs",
        0.5,
        1.2,
        0.3,
        2.1,
    ]
    assert entry["note"] == (
        "Buy and hold: 0.70. Sharpe without drift 1.20 [0.30, 2.10]: the interval lies above 0. "
        "Trivial: buy and hold reaches this level too."
    )


def test_levels_after_costs_are_not_judged_without_a_backtest() -> None:
    assert [entry["metric"] for entry in judged(evaluation(), None)["wanted"]] == list(HOPED.wanted["classification"])


def test_a_level_of_an_unknown_metric_is_an_error() -> None:
    rule = VerdictRule(wanted={"classification": {"acuracy": 0.5}})
    with pytest.raises(ConfigurationError, match=r"verdict.wanted.classification: names metrics(.|\n)*found: acuracy"):
        judged(evaluation(), LUCK, rule=rule)


@pytest.mark.parametrize("model", ["nobody", "boosted (volatility only)"])
def test_a_primary_that_was_not_evaluated_is_an_error(model: str) -> None:
    with pytest.raises(ConfigurationError, match=r"primary.model: was not evaluated(.|\n)*one of boosted, class_prior"):
        judged(evaluation(), LUCK, Primary(head="signal", model=model))


@pytest.mark.parametrize("metric", ["accuracy", "ic"])
def test_a_primary_that_is_not_about_direction_is_an_error(metric: str) -> None:
    with pytest.raises(ConfigurationError, match=r"primary.metric: does not measure direction(.|\n)*direction_rank_ic"):
        judged(evaluation(), LUCK, Primary(head="signal", model="boosted", metric=metric))


def test_a_misspelt_parameter_is_an_error() -> None:
    with pytest.raises(ValidationError, match="max_plausable_ic"):
        VerdictRule(max_plausable_ic=0.2)


def simulated(seed: int, leak: float) -> Facts:
    """A model that knows volatility, and with ``leak`` also the return: the two ways to look good."""
    random = np.random.default_rng(seed)
    n = 1500
    volatility = np.exp(0.7 * np.sin(np.arange(n) / 40))
    returns = volatility * random.standard_normal(n)
    sides = np.clip(0.35 + 0.5 * (volatility - 0.8), 0.1, 0.9)
    tilt = sides / 2 * np.clip(0.2 * random.standard_normal(n) + leak * returns, -0.9, 0.9)
    p = np.stack([sides / 2 - tilt, 1 - sides, sides / 2 + tilt])
    rows = pl.DataFrame(
        {
            "model": "boosted",
            "entity": "index",
            "time": pl.datetime_range(
                pl.datetime(2020, 1, 1, time_zone="UTC"),
                pl.datetime(2020, 1, 1, time_zone="UTC") + pl.duration(hours=n - 1),
                interval="1h",
                eager=True,
            ),
            "fold": np.repeat(np.arange(1, 6), n // 5),
            "forward_return": returns,
            "y_true": np.where(np.abs(returns) > 1.0, np.sign(returns), 0),
            "y_pred": p.argmax(axis=0) - 1.0,
            **dict(zip(("p_short", "p_neutral", "p_long"), p, strict=True)),
        }
    )
    flat = rows.with_columns(model=pl.lit("class_prior"), y_pred=pl.lit(0.0), p_short=0.25, p_neutral=0.5, p_long=0.25)
    roles = {"boosted": "model", "class_prior": "baseline"}
    rule = EvaluationRule(replications=200)
    return evaluate(pl.concat([rows, flat]), kind="classification", roles=roles, horizon=1, rule=rule)


def test_volatility_skill_alone_is_no_evidence() -> None:
    facts = simulated(seed=4, leak=0.0)
    assert facts["skill"]["boosted"]["volatility"]["mcc"]["low"] > 0.05
    assert judged(facts, LUCK)["level"] == "no evidence"


def test_a_leak_is_implausible() -> None:
    found = judged(simulated(seed=4, leak=0.3), LUCK)
    assert found["level"] == "implausible"
    assert any(reason["said"].startswith("An IC beyond 0.15") for reason in found["reasons"])


@pytest.mark.parametrize(("coverage", "status"), [(0.016, "WARNING"), (0.35, "PASS")])
def test_few_calls_do_not_pass(coverage: float, status: str) -> None:
    hits = {"directional_accuracy_tradable": estimate(0.66, 0.63, 0.69), "coverage_tradable": estimate(coverage)}
    found = wanted_of(evaluation(**hits), "directional_accuracy_tradable")
    assert found["status"] == status
    assert f"On {coverage:.1%} of the rows." in found["note"]


def test_the_profit_is_told_with_the_capital_at_work() -> None:
    assert any("with 1.4% of the capital at work" in reason["said"] for reason in judged(evaluation(), LUCK)["reasons"])
