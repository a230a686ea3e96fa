"""Which runs there are, and what each is made of."""

import copy
from typing import Any

import pytest
from pydantic import ValidationError

from assay.market.errors import ConfigurationError
from assay.market.null_check import NullCheckRule, Planted, Task, WorkloadCheck, longest_label, plan_runs
from assay.market.null_check.settings import market_rule, settings_of
from assay.market.simulator import MarketRule

OWN = MarketRule(symbols=3, bars=500, listings=0, delistings=0, ic=0.2, season=0.4, correlation=0.5, volatility_sd=0.6)
CHECK = WorkloadCheck(tables="perpetuals", market=OWN, overrides={"learning": {"splits": {"folds": 3}}})
PLANTED = Planted(runs=2, ic=(0.05, 0.1), bars=900, overrides={"verdict": {"max_plausible_ic": 0.9}})
RULE = NullCheckRule(runs=13, planted=PLANTED, workloads={"toy": CHECK})
KINDS = ("shift", "clustering", "season", "correlation", "overlap", "together")
BLOCK = {
    "heads": {
        "signal": {"kind": "fixed_horizon", "horizon": 5, "max_gap": "P1D"},
        "trend": {"kind": "trend_scanning", "max_length": 12, "max_gap": "P1D"},
    },
    "learning": {"seed": 7, "splits": {"folds": 5, "embargo": 2}},
    "verdict": {"universe": "unverified", "max_plausible_ic": 0.15},
}


def tasks(**changed: Any) -> list[Task]:
    return plan_runs(RULE.model_copy(update=changed), CHECK)


def test_the_kinds_take_turns_and_planted_runs_come_last() -> None:
    found = tasks()
    assert [task.kind for task in found[:13]] == [*KINDS, *KINDS, "shift"]
    assert [task.name for task in found[13:]] == ["planted 0.05", "planted 0.1"] * 2
    assert [task.ic for task in found] == [0.0] * 13 + [0.05, 0.1] * 2


def test_more_runs_leave_those_before_as_they_were() -> None:
    assert tasks(runs=40)[:13] == tasks()[:13]
    assert len({task.seed for task in tasks(runs=200)[:200]}) == 200


def test_another_seed_gives_other_runs() -> None:
    assert {task.seed for task in tasks()}.isdisjoint(task.seed for task in tasks(seed=8))


def test_strengths_are_compared_on_the_same_shocks() -> None:
    planted = tasks()[13:]
    assert planted[0].seed == planted[1].seed != planted[2].seed == planted[3].seed
    assert {task.seed for task in planted}.isdisjoint(task.seed for task in tasks()[:13])


def test_a_signal_is_planted_only_where_tables_show_it() -> None:
    indices = CHECK.model_copy(update={"tables": "indices"})
    assert len(plan_runs(RULE, indices)) == 13
    with pytest.raises(ValidationError, match="a signal is planted in markets of perpetuals"):
        NullCheckRule(planted=PLANTED, workloads={"toy": indices})


@pytest.mark.parametrize("kind", KINDS[1:])
def test_a_null_market_has_no_signal_and_the_mechanism_of_its_kind_alone(kind: str) -> None:
    market = market_rule(Task(0, kind, seed=11), RULE, CHECK)
    assert (market.ic, market.seed, market.bars, market.symbols) == (0.0, 11, 500, 3)
    strength = {"clustering": market.volatility_sd, "season": market.season, "correlation": market.correlation}
    own = {"clustering": 0.6, "season": 0.4, "correlation": 0.5}
    assert strength == {name: own[name] if kind in (name, "together") else 0.0 for name in own}


def test_a_planted_market_has_the_signal_and_no_mechanism() -> None:
    market = market_rule(tasks()[13], RULE, CHECK)
    assert (market.ic, market.bars) == (0.05, 900)
    assert (market.volatility_sd, market.season, market.correlation) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("kind", [*KINDS, "planted"])
def test_labels_overlap_in_their_kinds_alone(kind: str) -> None:
    heads = settings_of(Task(0, kind, 1), BLOCK, RULE, CHECK)["heads"]
    assert heads["signal"]["horizon"] == (5 if kind in ("shift", "overlap", "together") else 1)
    assert heads["trend"] == BLOCK["heads"]["trend"]


def test_overrides_change_what_they_name_and_the_universe_counts_as_fixed() -> None:
    before = copy.deepcopy(BLOCK)
    found = settings_of(Task(0, "together", 1), BLOCK, RULE, CHECK)
    assert found["learning"] == {"seed": 7, "splits": {"folds": 3, "embargo": 2}}
    assert found["verdict"] == {"universe": "fixed", "max_plausible_ic": 0.15}
    assert before == BLOCK


def test_limits_are_raised_only_where_a_signal_is_planted() -> None:
    assert settings_of(Task(0, "planted", 1, 0.1), BLOCK, RULE, CHECK)["verdict"]["max_plausible_ic"] == 0.9


def test_a_block_that_the_workload_does_not_have_is_refused() -> None:
    wrong = CHECK.model_copy(update={"overrides": {"learnin": {"seed": 1}}})
    with pytest.raises(ConfigurationError, match=r"overrides 'learnin'"):
        settings_of(Task(0, "together", 1), BLOCK, RULE, wrong)


def test_the_longest_label_counts_trend_scans_too() -> None:
    assert longest_label(BLOCK) == 12
    assert longest_label({"heads": {"signal": BLOCK["heads"]["signal"]}}) == 5
