"""The leak audit after the fits, and what it does to the verdict."""

from typing import Any

import pytest

from assay.market.audit.after_fits import complete, fit_scope_test, replay_test, temper

REPLAY = {"rows": 1200, "timestamps": 10, "features_equal": True, "predictions_equal": True}
VERDICT = {
    "level": "evidence",
    "headline": "It works.",
    "reasons": [{"about": "Direction", "said": "Up."}],
    "wanted": [],
}


def check(name: str, outcome: str = "pass", found: str = "nothing") -> dict[str, Any]:
    told = {"name": f"Test {name}", "procedure": "Look.", "detectable": None}
    return {"id": name, "outcome": outcome, "found": found} | told


def audit(verdict: str = "NONE FOUND", **told: Any) -> dict[str, Any]:
    tests = [check(name) for name in ("A1", "A10", "L")]
    return {"verdict": verdict, "said": "No leak found.", "allowed": False, "tests": tests, "features": []} | told


def head(seen: str = "2019-12-30T00:00:00+00:00") -> dict[str, Any]:
    fit = {"model": "m", "fold": 1, "what": "model", "last_time_seen": seen, "last_label_end": seen}
    return {"fits": [fit | {"test_start": "2020-01-01T00:00:00+00:00"}], "label_manifest": {"threshold_seen": None}}


def test_the_later_tests_take_their_place_and_are_told() -> None:
    whole = complete(audit(), replay=REPLAY, heads={"signal": head()})
    assert [test["id"] for test in whole["tests"]] == ["A1", "A4", "A7", "A10", "L"]
    assert whole["verdict"] == "NONE FOUND"
    assert whole["said"] == "No leak found. A4 and A7, run after the fits, passed."


@pytest.mark.parametrize(
    ("before", "replayed", "seen", "after"),
    [
        ("NONE FOUND", False, "2019-12-30T00:00:00+00:00", "SUSPECT"),
        ("NONE FOUND", True, "2020-01-01T00:00:00+00:00", "FAIL"),
        ("INCOMPLETE", False, "2019-12-30T00:00:00+00:00", "SUSPECT"),
        ("SUSPECT", True, "2019-12-30T00:00:00+00:00", "SUSPECT"),
        ("FAIL", False, "2019-12-30T00:00:00+00:00", "FAIL"),
    ],
)
def test_the_worst_outcome_is_that_of_the_whole(before: str, replayed: bool, seen: str, after: str) -> None:
    replay = REPLAY | {"features_equal": replayed}
    assert complete(audit(before), replay=replay, heads={"signal": head(seen)})["verdict"] == after


def test_a_later_alarm_is_told_with_what_was_found() -> None:
    whole = complete(audit(), replay=REPLAY | {"predictions_equal": False}, heads={"signal": head()})
    assert whole["said"] == (
        "A4, Replay: predictions differ from the batch on 1,200 rows at the 10 newest timestamps. "
        "No leak found. A7, run after the fits, passed."
    )


@pytest.mark.parametrize(
    ("differs", "said"),
    [("features_equal", "features differ"), ("predictions_equal", "predictions differ"), (None, "equal to the bit")],
)
def test_a_replay_that_differs_is_suspect(differs: str | None, said: str) -> None:
    record = replay_test(REPLAY | ({differs: False} if differs else {}))
    assert said in record["found"]
    assert record["outcome"] == ("suspect" if differs else "pass")


def test_the_fit_scope_of_every_head_counts() -> None:
    records = {
        "signal": check("A7"),
        "target": check("A7", "fail", "too far"),
        "other": check("A7", "incomplete", "silent"),
    }
    record = fit_scope_test(records)
    assert record["outcome"] == "fail"
    assert record["found"] == "signal: nothing; target: too far; other: silent"


def test_a_clean_audit_leaves_the_verdict_as_it_is() -> None:
    assert temper(VERDICT, audit(), model="m") == VERDICT


def test_after_a_fail_no_number_is_evidence() -> None:
    features = [{"name": "late", "verdict": "FAIL"}, {"name": "odd", "verdict": "SUSPECT"}]
    told = temper(VERDICT, audit("FAIL", allowed=True, features=features), model="m")
    assert told["level"] == "implausible"
    assert told["headline"].startswith("The leak audit failed: whatever m seems to know")
    assert told["reasons"] == [
        {
            "about": "Leak audit",
            "said": "It FAILED on late; allow_leaks let the run go on. "
            "The numbers alone would say evidence; they do not count.",
        },
        *VERDICT["reasons"],
    ]


def test_a_fail_after_the_fits_was_not_allowed() -> None:
    said = temper(VERDICT, audit("FAIL"), model="m")["reasons"][0]["said"]
    assert said == "It FAILED. The numbers alone would say evidence; they do not count."


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        ("SUSPECT", "SUSPECT: A8, Test A8: too good. Somebody has to look at this before the numbers count."),
        ("INCOMPLETE", "INCOMPLETE: not everything could be tested. A11, Test A11: nobody left."),
    ],
)
def test_less_than_a_fail_is_a_reason_without_a_cap(verdict: str, said: str) -> None:
    tests = [check("A1"), check("A8", "suspect", "too good"), check("A11", "incomplete", "nobody left")]
    told = temper(VERDICT, audit(verdict, tests=tests), model="m")
    assert (told["level"], told["headline"]) == ("evidence", "It works.")
    assert told["reasons"] == [{"about": "Leak audit", "said": said}, *VERDICT["reasons"]]
