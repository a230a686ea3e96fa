"""What the audit says, and whom it lets through; what fits declare."""

from typing import Any

import pytest

from assay.market.audit import admit, check_fit_scope
from assay.market.audit.document import FAIL, INCOMPLETE, NONE_FOUND, SUSPECT, names, worst
from assay.market.errors import LeakError

FIT = {
    "model": "ridge",
    "fold": 1,
    "what": "model",
    "last_time_seen": "2024-01-01T00:00:00+00:00",
    "last_label_end": "2024-01-02T00:00:00+00:00",
    "test_start": "2024-01-03T00:00:00+00:00",
}
FIXED: dict[str, Any] = {"threshold": 0.5, "threshold_seen": None}


def document(verdict: str, *, allowed: bool = False) -> dict[str, Any]:
    test = {"id": "A1", "name": "Truncation", "outcome": "fail", "found": "1 features change: peek"}
    quiet = test | {"id": "A2", "outcome": "pass"}
    why = [{"test": "A1", "said": "changes"}]
    guilty = [
        {"name": "peek", "verdict": verdict, "failures": why},
        {"name": "honest", "verdict": NONE_FOUND, "failures": []},
    ]
    return {"verdict": verdict, "allowed": allowed, "tests": [test, quiet], "features": guilty}


def test_a_failed_audit_stops_training_and_says_whom_what_and_how() -> None:
    with pytest.raises(
        LeakError, match=r"(?s)know the future.*peek; by A1 Truncation.*leak_audit.allow_leaks=true"
    ) as told:
        admit(document(FAIL))
    assert "honest" not in str(told.value)
    assert "A2" not in str(told.value)
    assert str(told.value).count("peek") == 1


def test_a_failed_test_that_accuses_no_feature_says_what_it_found() -> None:
    audit = document(FAIL)
    audit["tests"].append({"id": "A6", "name": "Feeds", "outcome": "fail", "found": "3 facts of vix came too early"})
    with pytest.raises(LeakError, match=r"peek; by A1 Truncation; A6 Feeds: 3 facts of vix came too early\n"):
        admit(audit)


@pytest.mark.parametrize("verdict", [SUSPECT, INCOMPLETE, NONE_FOUND])
def test_anything_less_lets_training_go_on(verdict: str) -> None:
    admit(document(verdict))


def test_leaks_that_are_allowed_let_training_go_on() -> None:
    admit(document(FAIL, allowed=True))


def test_a_failure_without_a_guilty_feature_is_told_as_such() -> None:
    with pytest.raises(LeakError, match=r"(?s)leak audit: failed.*no single feature"):
        admit(document(FAIL) | {"features": []})


def test_the_worst_verdict_counts() -> None:
    assert worst([NONE_FOUND, INCOMPLETE, SUSPECT]) == SUSPECT
    assert worst([INCOMPLETE, FAIL, SUSPECT]) == FAIL
    assert worst([]) == NONE_FOUND


def test_long_lists_are_counted() -> None:
    assert names(["a", "b"]) == "a, b"
    assert names([str(number) for number in range(11)]) == "0, 1, 2, 3, 4, 5, 6, 7 and 3 more"


def test_fits_that_end_before_their_test_fold_pass() -> None:
    record = check_fit_scope([FIT, FIT | {"what": "selection", "last_label_end": None}], FIXED)
    assert (record["id"], record["outcome"]) == ("A7", "pass")
    assert record["found"] == "2 declarations (model, selection), all before their test folds"


@pytest.mark.parametrize("key", ["last_time_seen", "last_label_end"])
def test_a_fit_that_has_seen_its_test_fold_fails(key: str) -> None:
    record = check_fit_scope([FIT, FIT | {key: FIT["test_start"], "fold": 2, "what": "winsor limits"}], FIXED)
    assert record["outcome"] == "fail"
    assert f"winsor limits of ridge in fold 2: {key.replace('_', ' ')}" in record["found"]


def test_a_threshold_that_has_seen_the_first_test_fold_fails() -> None:
    before, within = "2024-01-02T23:59:59+00:00", "2024-01-03T00:00:00+00:00"
    later = FIT | {"fold": 2, "test_start": "2024-06-01T00:00:00+00:00"}
    assert check_fit_scope([later, FIT], FIXED | {"threshold_seen": before})["outcome"] == "pass"
    assert "threshold of the labels" in check_fit_scope([later, FIT], FIXED | {"threshold_seen": within})["found"]


@pytest.mark.parametrize("fits", [[], [FIT | {"last_time_seen": None}]])
def test_what_nobody_declares_is_incomplete(fits: list[dict[str, Any]]) -> None:
    assert check_fit_scope(fits, FIXED)["outcome"] == "incomplete"
