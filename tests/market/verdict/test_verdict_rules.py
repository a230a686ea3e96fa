"""Each written rule by itself: what it asks for, what it says, and that it can keep a claim from being evidence."""

from types import SimpleNamespace
from typing import Any

import pytest

from assay.market.verdict import Ceiling, Findings, VerdictRule, verdict
from assay.market.verdict.rules import family_p

Facts = dict[str, Any]
Maker = SimpleNamespace

GOOD, HUGE = (0.05, 0.01, 0.09), (0.3, 0.2, 0.4)
PROFIT = (1.2, 0.3, 2.1)
NAMES = [
    "Direction",
    "Naive forecasts",
    "Profit",
    "Timing",
    "Trials",
    "Episodes",
    "Seeds",
    "Whole report",
    "Universe",
    "Plausibility",
]


def rules_of(found: Facts) -> dict[str, Facts]:
    return {rule["name"]: rule for rule in found["rules"]}


def judged(make: Maker, facts: Facts | None = None, rule: VerdictRule | None = None, **documents: Any) -> Facts:
    found: Facts = make.judged(facts or make.evaluation(GOOD), make.earned(PROFIT), rule or make.hoped, **documents)
    return found


def test_all_rules_are_told_in_their_order(make: Maker) -> None:
    found = judged(make)
    assert list(rules_of(found)) == NAMES
    assert all(rule["holds"] is True for rule in found["rules"])
    assert all(set(rule) == {"name", "said", "holds"} and rule["said"].endswith(".") for rule in found["rules"])
    assert found["level"] == "evidence"


def test_what_is_not_there_never_counts_as_passed(make: Maker) -> None:
    found = verdict(Findings(make.evaluation(GOOD)), primary=make.primary, rule=make.hoped)
    unknown = ["Profit", "Timing", "Trials", "Seeds", "Whole report"]
    assert [name for name, rule in rules_of(found).items() if rule["holds"] is None] == unknown
    assert found["level"] == "weak"


@pytest.mark.parametrize(
    ("documents", "name", "holds", "said", "headline"),
    [
        ({"significance": None}, "Trials", None, "there is no ledger", "what was tried before is not known"),
        ({"dsr": None}, "Trials", None, "it has no Sharpe ratio", "what was tried before is not known"),
        ({"dsr": 0.949}, "Trials", False, "luckiest of 14 configurations ever tried on this head is 0.949", "luckiest"),
        ({"seeds": None}, "Seeds", None, "No other seed was tried", "nobody knows whether another seed agrees"),
        ({"ics": (0.1, 0.2)}, "Seeds", None, "2 seeds are known, 3 are needed. Said.", "another seed agrees"),
        (
            {"ics": (0.1, 0.2, -0.001)},
            "Seeds",
            False,
            "to +0.200 (sd 0.010, apart from the 0.080 that",
            "not with every seed",
        ),
        ({"ics": (0.1, 0.2, None)}, "Seeds", False, "With some seeds the forecast never", "every seed"),
        ({"contests": {}}, "Whole report", None, "were not contested", "not held against the luck of all models"),
        ({"p": 0.026}, "Whole report", False, "p 0.052 (needed: 0.05), and boosted is among", "by chance"),
        (
            {"better": ("forest",)},
            "Whole report",
            False,
            "boosted is not among those that stand out",
            "it does not stand out",
        ),
        (
            {"episodes": 29},
            "Episodes",
            False,
            "in 29 and held a position in 40 independent episodes; needed: 30",
            "on 29 occ",
        ),
        ({"held": 7}, "Episodes", False, "leaned to a side in 120 and held a position in 7", "on 7 occasions"),
    ],
)
def test_a_rule_that_does_not_hold_makes_it_weak(
    make: Maker, documents: Facts, name: str, holds: bool | None, said: str, headline: str
) -> None:
    found = judged_with(make, documents)
    rule = rules_of(found)[name]
    assert (rule["holds"], found["level"]) == (holds, "weak")
    assert said in rule["said"]
    assert found["headline"].startswith("A hint, not proof: boosted called the direction and profited, but ")
    assert headline in found["headline"]
    assert found["headline"].count(".") == 1


def judged_with(make: Maker, changed: Facts) -> Facts:
    """A verdict in which everything holds but for what is changed."""
    facts, book = make.evaluation(GOOD), make.earned(PROFIT, episodes=changed.get("held", 40))
    facts["skill"]["boosted"]["episodes"] = changed.get("episodes", 120)
    documents = {name: changed[name] for name in ("significance", "seeds", "contests") if name in changed}
    if "dsr" in changed:
        documents["significance"] = make.significance(changed["dsr"])
    if "ics" in changed:
        documents["seeds"] = make.seeds(*changed["ics"])
    if "p" in changed or "better" in changed:
        own = make.contest(changed.get("p", 0.01), changed.get("better", ("boosted",)))
        documents["contests"] = {"signal": own, "forward_return": make.contest(0.4, ())}
    found: Facts = make.judged(facts, book, **documents)
    return found


def test_nobody_counted_episodes(make: Maker) -> None:
    facts = make.evaluation(GOOD)
    del facts["skill"]["boosted"]["episodes"]
    found = make.judged(facts, make.earned(PROFIT))
    assert (rules_of(found)["Episodes"]["holds"], found["level"]) == (None, "weak")
    assert "nobody counted on how many occasions" in found["headline"]


def test_what_fails_is_named_before_what_is_unknown(make: Maker) -> None:
    found = judged(make, significance=None, seeds=make.seeds(0.1, 0.2, -0.1))
    assert "but not with every seed" in found["headline"]


def test_the_seeds_of_another_model_do_not_count(make: Maker) -> None:
    found = judged(make, seeds=make.seeds(0.1, 0.2, 0.3, model="forest"))
    assert rules_of(found)["Seeds"]["holds"] is None
    nothing = judged(make, seeds=make.seeds(model=None, sd=None))
    assert rules_of(nothing)["Seeds"]["said"] == "0 seeds are known, 3 are needed. Said."


@pytest.mark.parametrize(
    ("difference", "holds"), [((0.02, 0.001, 0.05), True), ((0.02, -0.001, 0.05), False), ((0.02, None, None), None)]
)
def test_the_lead_over_naive_forecasts_counts(make: Maker, difference: Any, holds: bool | None) -> None:
    facts = make.set_rival(make.evaluation(GOOD), "class_prior", "direction_ic", 0.03, difference)
    rule = rules_of(judged(make, facts))["Naive forecasts"]
    assert rule["holds"] is holds
    assert "above that of class_prior, the best of them" in rule["said"]


def test_naive_forecasts_without_a_direction_leave_zero_to_compare_with(make: Maker) -> None:
    assert "class_prior give no direction" in rules_of(judged(make))["Naive forecasts"]["said"]
    below = make.evaluation((0.01, -0.03, 0.05))
    assert rules_of(judged(make, below))["Naive forecasts"]["holds"] is False


def test_learned_baselines_are_not_naive(make: Maker) -> None:
    rule = make.hoped.model_copy(update={"naive": ("drift",)})
    found = judged(make, rule=rule)
    assert (rules_of(found)["Naive forecasts"]["holds"], found["level"]) == (None, "weak")
    assert "no naive forecast was there" in found["headline"]


def test_a_value_without_an_interval_is_not_known_to_be_above_zero(make: Maker) -> None:
    found = make.judged(make.evaluation((0.05,)), make.earned((1.2,)))
    held = {name: rule["holds"] for name, rule in rules_of(found).items()}
    assert [held[name] for name in ("Direction", "Profit", "Timing")] == [None, None, None]
    assert found["level"] == "no evidence"


def test_what_is_undefined_does_not_hold(make: Maker) -> None:
    found = make.judged(make.evaluation((None,)), make.earned((None,)))
    held = {name: rule["holds"] for name, rule in rules_of(found).items()}
    assert [held[name] for name in ("Direction", "Profit", "Timing")] == [False, False, False]


def test_profit_and_timing_are_two_rules(make: Maker) -> None:
    drift = rules_of(make.judged(make.evaluation(GOOD), make.earned(PROFIT, (0.1, -0.6, 0.8))))
    assert [drift[name]["holds"] for name in ("Profit", "Timing")] == [True, False]
    assert (
        drift["Timing"]["said"] == "Without the drift of the market it is 0.10 [-0.60, 0.80] a year; needed: above 0."
    )


@pytest.mark.parametrize(
    ("limit", "level"),
    [
        ({"max_plausible_ic": 0.04}, "implausible"),
        ({"max_plausible_sharpe": 1.0}, "implausible"),
        ({"min_deflated_sharpe": 0.98}, "weak"),
        ({"min_episodes": 121}, "weak"),
        ({"min_seeds": 4}, "weak"),
        ({"family_level": 0.01}, "weak"),
        ({"naive": ()}, "weak"),
        ({}, "evidence"),
    ],
)
def test_the_lines_of_the_rule_count(make: Maker, limit: Facts, level: str) -> None:
    assert judged(make, rule=VerdictRule(**limit))["level"] == level


@pytest.mark.parametrize(
    ("ic", "sharpe", "ceiling", "level"),
    [
        (HUGE, PROFIT, {"ic": 0.25}, "evidence"),  # half of all estimates of a ceiling lie above it
        (HUGE, PROFIT, {"ic": 0.19}, "implausible"),
        (GOOD, (9.0, 7.0, 11.0), {"sharpe": 8.0}, "evidence"),
        (GOOD, (9.0, 7.0, 11.0), {"sharpe": 6.0}, "implausible"),
        ((-0.3, -0.4, -0.2), PROFIT, {"ic": 0.19}, "implausible"),
        ((0.05, 0.04, 0.06), PROFIT, {"ic": 0.01}, "evidence"),  # a ceiling raises the line and never lowers it
    ],
)
def test_a_known_ceiling_raises_the_lines(make: Maker, ic: Any, sharpe: Any, ceiling: Facts, level: str) -> None:
    rule = VerdictRule(ceiling=Ceiling(**ceiling))
    found = make.judged(make.evaluation(ic), make.earned(sharpe), rule)
    assert found["level"] == level
    assert rules_of(found)["Plausibility"]["holds"] is (level == "evidence")


def test_an_alarm_names_what_is_too_large(make: Maker) -> None:
    found = make.judged(make.evaluation(HUGE), make.earned((9.0, 7.0, 11.0)))
    said = rules_of(found)["Plausibility"]["said"]
    assert said == (
        "Too large, and not by chance: IC and Sharpe ratio. The lines are an IC of 0.15 or a net Sharpe ratio of 5."
    )
    alarms = [reason["said"] for reason in found["reasons"] if reason["about"] == "Alarm"]
    assert [alarm[:30] for alarm in alarms] == ["An IC beyond 0.15 is far more ", "A net Sharpe ratio beyond 5 a "]


def many_entities(make: Maker, ic: Any) -> Facts:
    facts: Facts = make.evaluation(ic) | {"entities": 3}
    return facts


@pytest.mark.parametrize(
    ("entities", "ic", "universe", "level"),
    [
        (3, GOOD, "unverified", "weak"),
        (3, GOOD, "fixed", "evidence"),
        (2, GOOD, "unverified", "evidence"),
        (3, HUGE, "unverified", "implausible"),
    ],
)
def test_entities_that_were_not_verified_are_at_most_weak(
    make: Maker, entities: int, ic: Any, universe: Any, level: str
) -> None:
    facts = make.evaluation(ic) | {"entities": entities}
    found = judged(make, facts, VerdictRule(universe=universe))
    assert found["level"] == level
    assert rules_of(found)["Universe"]["holds"] is (universe == "fixed" or entities == 2)
    assert ("Survivorship" in str(found["reasons"])) == (universe == "unverified" and entities == 3)


def test_universes_are_unverified_unless_they_are_said_to_be_fixed(make: Maker) -> None:
    assert judged(make, many_entities(make, GOOD), VerdictRule())["level"] == "weak"


def test_a_capped_verdict_says_why_and_more_rows_would_not_settle_it(make: Maker) -> None:
    found = judged(make, many_entities(make, GOOD))
    told = {reason["about"]: reason["said"] for reason in found["reasons"]}
    assert told["Survivorship"].startswith("The 3 entities are those that exist today")
    assert "What would settle it" not in told
    assert "only on entities that exist today" in found["headline"]
    assert found["headline"].count(".") == 1


@pytest.mark.parametrize(
    ("ps", "expected"),
    [((0.02,), 0.02), ((0.02, 0.5), 0.04), ((0.6, 0.7, 0.9), 1.0), ((None, 0.02), 0.04), ((None,), None), ((), None)],
)
def test_the_p_of_a_report_counts_its_heads(make: Maker, ps: Any, expected: float | None) -> None:
    """Bonferroni: m p-values of worthless heads give a smallest one below a / m with a chance of at most a."""
    assert family_p([make.contest(p) for p in ps]) == pytest.approx(expected)


def test_heads_without_a_contest_do_not_count(make: Maker) -> None:
    contests = {"signal": make.contest(0.04), "forward_return": {"spa": None, "said": "No varying score."}}
    rule = rules_of(judged(make, contests=contests))["Whole report"]
    assert rule["holds"] is True
    assert rule["said"].startswith("Were all 6 models of 1 head worthless, the best would look as good with p 0.040")
    elsewhere = judged(make, contests={"forward_return": make.contest(0.01)})
    assert rules_of(elsewhere)["Whole report"]["holds"] is None
