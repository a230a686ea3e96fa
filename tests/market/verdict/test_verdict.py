"""Levels, headline and reasons of the verdict."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from assay.market.errors import ConfigurationError
from assay.market.evaluation import EvaluationRule, evaluate
from assay.market.primary import Primary
from assay.market.significance import rows_needed
from assay.market.verdict import Backtest, Findings, VerdictRule, verdict

Facts = dict[str, Any]
Maker = SimpleNamespace

GOOD, CHANCE, BAD = (0.05, 0.01, 0.09), (0.01, -0.03, 0.05), (-0.05, -0.09, -0.01)
HUGE = (0.3, 0.2, 0.4)
PROFIT: tuple[Any, ...] = ((1.2, 0.3, 2.1),)
LUCK: tuple[Any, ...] = ((0.4, -0.5, 1.3),)
DRIFT: tuple[Any, ...] = ((1.2, 0.3, 2.1), (0.1, -0.6, 0.8))
LOSS: tuple[Any, ...] = ((-0.8, -1.5, -0.1), (1.2, 0.3, 2.1))  # timed well on a market that fell faster
NO_POSITION: tuple[Any, ...] = ((None,),)


@pytest.mark.parametrize(
    ("ic", "book", "level"),
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
        ((None,), LUCK, "no evidence"),
        (GOOD, NO_POSITION, "weak"),
        (HUGE, LUCK, "implausible"),
        ((-0.3, -0.4, -0.2), LUCK, "implausible"),
        ((0.3, -0.1, 0.7), LUCK, "no evidence"),
        ((0.3,), None, "implausible"),
        (CHANCE, ((9.0, 7.0, 11.0),), "implausible"),
        (CHANCE, ((-9.0, -11.0, -7.0),), "no evidence"),  # costs alone bring any loss
        (GOOD, ((9.0, -1.0, 19.0),), "weak"),
    ],
)
def test_the_level_follows_the_written_rules(make: Maker, ic: Any, book: Any, level: str) -> None:
    backtest = make.earned(*book) if book else None
    assert make.judged(make.evaluation(ic), backtest)["level"] == level


@pytest.mark.parametrize(
    ("ic", "book", "words"),
    [
        (GOOD, PROFIT, "boosted called the direction of the next 5 bars better than chance"),
        (GOOD, LUCK, "A hint, not proof: boosted leans the right way"),
        (CHANCE, PROFIT, "A hint, not proof: boosted earned more than drift after costs"),
        (CHANCE, LUCK, "There is no evidence that boosted knows"),
        (HUGE, LUCK, "treat this as a leak until proved otherwise"),
    ],
)
def test_the_headline_is_one_plain_sentence(make: Maker, ic: Any, book: Any, words: str) -> None:
    headline = make.judged(make.evaluation(ic), make.earned(*book))["headline"]
    assert words in headline
    assert headline.count(".") == 1


def reasons_of(make: Maker, ic: Any = CHANCE, book: Any = LUCK, **documents: Any) -> dict[str, str]:
    found = make.judged(make.evaluation(ic), make.earned(*book) if book else None, **documents)
    return {reason["about"]: reason["said"] for reason in found["reasons"]}


def test_reasons_give_number_interval_size_and_side(make: Maker) -> None:
    direction = reasons_of(make, GOOD)["Direction"]
    assert "is +0.050 [+0.010, +0.090] (95 % interval, overlap-aware t 2.4)" in direction
    assert "4,000 rows, worth about 500 independent ones; the interval lies above 0" in direction
    assert "the interval lies below 0" in reasons_of(make, BAD)["Direction"]
    assert "undefined" in reasons_of(make, (None,))["Direction"]


def test_the_t_of_another_metric_is_not_quoted(make: Maker) -> None:
    facts = make.evaluation(GOOD, direction_rank_ic=GOOD)
    primary = Primary(head="signal", model="boosted", metric="direction_rank_ic")
    found = make.judged(facts, make.earned(*LUCK), primary=primary)["reasons"][0]["said"]
    assert "rank IC of boosted is +0.050 [+0.010, +0.090] (95 % interval) on" in found


def test_reasons_hold_the_claim_against_the_strongest_baseline(make: Maker) -> None:
    assert "None of them has a direction" in reasons_of(make, GOOD)["Baselines"]
    facts = make.set_rival(make.evaluation(GOOD), "class_prior", "direction_ic", 0.03, (0.02, -0.01, 0.05))
    found = make.judged(facts, make.earned(*LUCK))["reasons"]
    assert "class_prior, reaches +0.030 [+0.010, +0.050]; the difference is +0.020 [-0.010, +0.050]" in found[1]["said"]


def test_reasons_name_the_profit_and_a_missing_backtest(make: Maker) -> None:
    assert "after the stated costs is 0.40 [-0.50, 1.30]" in reasons_of(make)["Profit"]
    assert "with 1.4% of the capital at work" in reasons_of(make)["Profit"]
    assert "without drift it is 0.10 [-0.60, 0.80]" in reasons_of(make, book=DRIFT)["Profit"]
    assert "nothing is left to measure" in reasons_of(make, book=((1.2, 0.3, 2.1), (None,)))["Profit"]
    assert "There is no backtest" in reasons_of(make, book=None)["Profit"]
    assert "no position was taken" in reasons_of(make, book=NO_POSITION)["Profit"]


def test_volatility_skill_is_told_and_called_no_evidence(make: Maker) -> None:
    facts, about = make.evaluation(), "Volatility skill, no evidence of direction"
    assert about not in reasons_of(make)
    facts["skill"]["boosted"]["volatility"] = {"accuracy": make.estimate((0.036, 0.03, 0.042))}
    found = make.judged(facts, make.earned(*LUCK))["reasons"][3]
    assert (found["about"], "gains +3.6 [+3.0, +4.2] points of accuracy over" in found["said"]) == (about, True)


def test_reasons_say_how_much_data_would_settle_it(make: Maker) -> None:
    """At the 2.5 % of the interval IC .05 takes 3,138 independent rows: 2,000 timestamps in 8 years are worth 500."""
    assert rows_needed(0.05, level=0.025) == 3138
    found = reasons_of(make)["What would settle it"]
    assert found.startswith("With 80% power at a one-sided 2.5%: an IC of 0.05 would show on 12,552 timestamps")
    assert "about 42 more years of them" in found
    assert "an IC of 0.02 would show on 78,480 timestamps" in found
    assert "one as large as the one found, 0.010, would show on 313,948 timestamps" in found
    assert found.endswith("A net Sharpe ratio as large as the one found takes a record of 12.3 years.")
    known = make.evaluation() | {"effective_rows": 5000.0, "confidence": 0.9}
    enough = str(make.judged(known, make.earned(*LUCK))["reasons"])
    assert "one-sided 5.0%: an IC of 0.05 would show on 989 timestamps, which are here" in enough


def test_only_what_is_not_settled_is_asked_for(make: Maker) -> None:
    assert "What would settle it" not in reasons_of(make, GOOD, PROFIT)
    assert "as the one found, 0.050" not in reasons_of(make, GOOD, LUCK)["What would settle it"]
    assert "as the one found, -0" not in reasons_of(make, BAD, LUCK)["What would settle it"]
    assert "takes a record" not in reasons_of(make, CHANCE, PROFIT)["What would settle it"]
    assert "takes a record" not in reasons_of(make, significance=None)["What would settle it"]


def test_reasons_end_with_what_was_declared(make: Maker) -> None:
    about, said = list(reasons_of(make, significance=None).items())[-1]
    assert about == "Claim"
    assert said.startswith("One claim is declared in the configuration of this run (signal, boosted, Direction IC);")
    assert said.endswith("nothing here checks that.")


def test_the_ledger_says_what_was_ever_declared(make: Maker) -> None:
    said = reasons_of(make)["Claim"]
    assert said.endswith("The ledger holds 14 configurations of this head; declared so far: boosted.")
    changed = reasons_of(make, significance=make.significance(claims=["boosted", "forest"]))["Claim"]
    assert changed.endswith("declared so far: boosted and forest. A claim changed after seeing results says less.")


@pytest.mark.parametrize("model", ["nobody", "boosted (volatility only)"])
def test_a_primary_that_was_not_evaluated_is_an_error(make: Maker, model: str) -> None:
    with pytest.raises(ConfigurationError, match=r"primary.model: was not evaluated(.|\n)*one of boosted, class_prior"):
        make.judged(make.evaluation(), None, primary=Primary(head="signal", model=model))


@pytest.mark.parametrize("metric", ["accuracy", "ic"])
def test_a_primary_that_is_not_about_direction_is_an_error(make: Maker, metric: str) -> None:
    with pytest.raises(ConfigurationError, match=r"primary.metric: does not measure direction(.|\n)*direction_rank_ic"):
        make.judged(make.evaluation(), None, primary=Primary(head="signal", model="boosted", metric=metric))


def test_a_misspelt_parameter_is_an_error() -> None:
    with pytest.raises(ValidationError, match="max_plausable_ic"):
        VerdictRule(max_plausable_ic=0.2)


def test_books_are_read_by_model() -> None:
    books = {"m": {"performance": {"sharpe": 1}, "episodes": 7}, "buy and hold": {"performance": {"sharpe": 2}}}
    assert Backtest.of(books, "m") == Backtest({"sharpe": 1}, {"sharpe": 2}, 7)
    assert Backtest.of({**books, "m": {"performance": {}}}, "m").episodes is None


def simulated(seed: int, leak: float) -> Facts:
    """A model that knows volatility, and with ``leak`` also the return: the two ways to look good."""
    random = np.random.default_rng(seed)
    n = 1500
    volatility = np.exp(0.7 * np.sin(np.arange(n) / 40))
    returns = volatility * random.standard_normal(n)
    sides = np.clip(0.35 + 0.5 * (volatility - 0.8), 0.1, 0.9)
    tilt = sides / 2 * np.clip(0.2 * random.standard_normal(n) + leak * returns, -0.9, 0.9)
    p = np.stack([sides / 2 - tilt, 1 - sides, sides / 2 + tilt])
    start = pl.datetime(2020, 1, 1, time_zone="UTC")
    hours = pl.datetime_range(start, start + pl.duration(hours=n - 1), interval="1h", eager=True)
    rows = pl.DataFrame(
        {
            "model": "boosted",
            "entity": "index",
            "time": hours,
            "fold": np.repeat(np.arange(1, 6), n // 5),
            "forward_return": returns,
            "scale": volatility,
            "y_true": np.where(np.abs(returns) > 1.0, np.sign(returns), 0),
            "y_pred": p.argmax(axis=0) - 1.0,
            **dict(zip(("p_short", "p_neutral", "p_long"), p, strict=True)),
        }
    )
    flat = rows.with_columns(model=pl.lit("class_prior"), y_pred=pl.lit(0.0), p_short=0.25, p_neutral=0.5, p_long=0.25)
    oos, rule = pl.concat([rows, flat]), EvaluationRule(replications=200)
    roles = {"boosted": "model", "class_prior": "baseline"}
    return evaluate(oos, kind="classification", roles=roles, horizon=1, rule=rule)


def judged(facts: Facts) -> Facts:
    return verdict(Findings(facts), primary=Primary(head="signal", model="boosted"), rule=VerdictRule())


def test_volatility_skill_alone_is_no_evidence() -> None:
    facts = simulated(seed=4, leak=0.0)
    assert facts["skill"]["boosted"]["volatility"]["mcc"]["low"] > 0.05
    assert judged(facts)["level"] == "no evidence"


def test_a_leak_is_implausible() -> None:
    found = judged(simulated(seed=4, leak=0.3))
    assert found["level"] == "implausible"
    assert any(reason["said"].startswith("An IC beyond 0.15") for reason in found["reasons"])
