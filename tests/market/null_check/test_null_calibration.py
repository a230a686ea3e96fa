"""Counts and rates of the null check, against scipy's exact test."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from scipy.stats import binomtest

from assay.market.costs import Costs
from assay.market.evaluation import EvaluationRule
from assay.market.null_check import calibration, rules_digest
from assay.market.null_check.calibration import rate
from assay.market.trading import BacktestRule
from assay.market.verdict import VerdictRule

BACKTEST = BacktestRule(costs=Costs(fee_bp=1.0, half_spread_bp=1.0))


RAN: dict[str, Any] = {"rules": {}, "rows": 100, "seconds": 2.0}


def record(level: str = "no evidence", kind: str = "shift", **changed: Any) -> dict[str, Any]:
    return {"kind": kind, "number": 0, "seed": 1, "level": level, "ic": {"value": 0.01}} | RAN | changed


@pytest.mark.parametrize(("hits", "runs"), [(0, 20), (1, 20), (16, 200), (199, 200), (200, 200)])
def test_the_interval_is_that_of_the_exact_test(hits: int, runs: int) -> None:
    interval = binomtest(hits, runs).proportion_ci(0.95, method="exact")
    assert rate(hits, runs) == pytest.approx({"value": hits / runs, "low": interval.low, "high": interval.high})


def test_nothing_is_known_without_runs() -> None:
    assert rate(0, 0) == {"value": None, "low": None, "high": None}
    found = calibration([record() | {"failed": "DataError: too short"}], level=0.05)
    assert (found["runs"], found["total"]["seconds"], found["holds"]) == (0, None, None)
    assert found["failed"] == [{"kind": "shift", "seed": 1, "failed": "DataError: too short"}]
    assert found["said"].startswith("No null run came to a verdict")


def test_runs_are_counted_by_kind_and_level() -> None:
    runs = [record(), record("evidence"), record("weak", "season"), record("implausible", "season", seconds=9.0)]
    found = calibration([*runs, record("evidence", "planted 0.1")], level=0.05)
    assert found["runs"] == found["total"]["runs"] == 4
    assert found["kinds"]["season"]["levels"] == {"no evidence": 0, "weak": 1, "evidence": 0, "implausible": 1}
    assert found["kinds"]["shift"]["evidence"]["value"] == 0.5
    assert found["total"]["evidence"]["value"] == 0.25
    assert found["kinds"]["season"]["seconds"] == 5.5
    assert "1 more were called implausible" in found["said"]
    json.dumps(found, allow_nan=False)


def test_planted_runs_are_power_and_no_false_alarm() -> None:
    planted = [
        record("evidence", "planted 0.1", rows=9_000, ic={"value": 0.08}),
        record("weak", "planted 0.05", ic={"value": None}),
    ]
    found = calibration([record(), *planted], level=0.05)
    assert found["total"]["evidence"]["value"] == 0.0
    assert found["power"]["kinds"]["planted 0.1"]["evidence"]["value"] == 1.0
    assert found["power"]["kinds"]["planted 0.1"]["rows"] == 9_000
    assert found["power"]["kinds"]["planted 0.1"]["ic"] == 0.08
    assert "of strength 0.05 in 0 of 1 (0.0%" in found["power"]["said"]
    assert "an IC of 0.080 in the median" in found["power"]["said"]
    assert "an IC of none" in found["power"]["said"]
    assert calibration([record()], level=0.05)["power"] is None


def test_rules_that_could_not_be_asked_count_for_nothing() -> None:
    rules = [{"Direction": True, "Seeds": None}, {"Direction": False, "Seeds": None}]
    found = calibration([record(rules=each) for each in rules], level=0.05)["total"]["rules"]
    assert found == {"Direction": {"held": 1, "asked": 2}, "Seeds": {"held": 0, "asked": 0}}


@pytest.mark.parametrize(
    ("alarms", "level", "holds", "said"),
    [
        (0, 0.05, True, "below the level of 5%"),
        (5, 0.05, None, "in keeping with the level of 5%"),
        (8, 0.05, None, "in keeping with the level of 5%"),
        (20, 0.05, False, "ABOVE the level of 5%"),
        (20, 0.2, None, "in keeping with the level of 20%"),
    ],
)
def test_the_rate_is_held_against_the_level(alarms: int, level: float, holds: bool | None, said: str) -> None:
    runs = [record("evidence")] * alarms + [record()] * (100 - alarms)
    found = calibration(runs, level=level)
    assert (found["holds"], found["level"]) == (holds, level)
    assert said in found["said"]
    assert f"{alarms} of 100" in found["said"]


CHANGES: tuple[Callable[[], str], ...] = (
    lambda: rules_digest(VerdictRule(max_plausible_ic=0.2), EvaluationRule(), BACKTEST),
    lambda: rules_digest(VerdictRule(), EvaluationRule(seed=99), BACKTEST),
    lambda: rules_digest(VerdictRule(), EvaluationRule(), BACKTEST.model_copy(update={"seed": 99})),
)


def test_the_digest_stands_for_the_rules() -> None:
    same = rules_digest(VerdictRule(), EvaluationRule(), BACKTEST)
    assert same == rules_digest(VerdictRule(), EvaluationRule(), BACKTEST)
    assert len({same, *(change() for change in CHANGES)}) == 4
