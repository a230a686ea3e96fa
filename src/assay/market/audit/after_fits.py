"""What the leak audit learns after the fits, and what it does to the verdict.

Two tests can only run after the models are fitted: A4, the replay of the serving path, and A7, what every fit has seen.
They join the others here, and the worst outcome of all is the outcome of the audit. The verdict then takes it into
account: after a FAIL no number can be evidence, so the level is *implausible* whatever was found; anything less than
"none found" is told as a reason and leaves the level alone.
"""

import re
from collections.abc import Mapping
from typing import Any

from assay.market.audit.document import FAIL, NONE_FOUND, SUSPECT, VERDICT_OF, names, worst
from assay.market.audit.fits import check_fit_scope

Document = Mapping[str, Any]

_LEAKED = "The leak audit failed: whatever {} seems to know about direction may come from the future."


def complete(audit: Document, *, replay: Document, heads: Mapping[str, Document]) -> dict[str, Any]:
    """Add the tests that could not run before the fits.

    Args:
        audit: The audit document of the stage ``leak_audit``.
        replay: The replay document, for A4.
        heads: ``fits`` and ``label_manifest`` of every head, for A7; at least one.

    Returns:
        The document with all tests in order of their ids, ``verdict`` the worst of all outcomes, and ``said`` saying
        what the later tests found.
    """
    scopes = {name: check_fit_scope(head["fits"], head["label_manifest"]) for name, head in heads.items()}
    later = [replay_test(replay), fit_scope_test(scopes)]
    verdicts = [audit["verdict"], *(VERDICT_OF.get(test["outcome"], NONE_FOUND) for test in later)]
    tests = sorted([*audit["tests"], *later], key=lambda test: _place(test["id"]))
    alarms = [f"{_called(test)}: {test['found']}." for test in later if test["outcome"] in VERDICT_OF]
    passed = " and ".join(test["id"] for test in later if test["outcome"] == "pass")
    after = [f"{passed}, run after the fits, passed."] if passed else []
    return {**audit, "verdict": worst(verdicts), "said": " ".join([*alarms, audit["said"], *after]), "tests": tests}


def _place(test: str) -> int:
    """Number of a test, A10 after A9; tests without a number come last."""
    digits = re.search(r"\d+", test)
    return int(digits[0]) if digits else 1_000


def _called(test: Document) -> str:
    return f"{test['id']}, {test['name']}"


def replay_test(replay: Document) -> dict[str, Any]:
    """A4: whether the path that serves decisions gives what the batch gave.

    Args:
        replay: The replay document: ``rows``, ``timestamps``, ``features_equal``, ``predictions_equal``.

    Returns:
        The record of the test; SUSPECT where they differ.
    """
    differ = " and ".join(name for name in ("features", "predictions") if not replay[f"{name}_equal"])
    where = f"{replay['rows']:,} rows at the {replay['timestamps']:,} newest timestamps"
    return {
        "id": "A4",
        "name": "Replay",
        "procedure": "The newest rows are computed again, one time after the other, from what was known then, by the "
        "code that serves decisions.",
        "outcome": "suspect" if differ else "pass",
        "found": f"{differ} differ from the batch on {where}" if differ else f"{where}, equal to the bit",
        "detectable": "any difference on these rows",
    }


def fit_scope_test(found: Mapping[str, Document]) -> dict[str, Any]:
    """A7: one record out of those of every head, with the worst outcome.

    Args:
        found: Record of the fit-scope test per head; at least one.
    """
    gravest = worst(VERDICT_OF.get(test["outcome"], NONE_FOUND) for test in found.values())
    record = next(test for test in found.values() if VERDICT_OF.get(test["outcome"], NONE_FOUND) == gravest)
    return {**record, "found": "; ".join(f"{head}: {test['found']}" for head, test in found.items())}


def temper(verdict: Document, audit: Document, *, model: str) -> dict[str, Any]:
    """Let the audit speak in the verdict.

    Args:
        verdict: What the numbers alone amount to.
        audit: The audit in whole.
        model: Name of the judged model.

    Returns:
        The verdict. After a FAIL its level is *implausible* and its headline says why; a FAIL, SUSPECT or INCOMPLETE
        audit is its first reason.
    """
    if audit["verdict"] == NONE_FOUND:
        return dict(verdict)
    first = {"about": "Leak audit", "said": reason(audit, verdict["level"])}
    told = {**verdict, "reasons": [first, *verdict["reasons"]]}
    if audit["verdict"] == FAIL:
        told |= {"level": "implausible", "headline": _LEAKED.format(model)}
    return told


def reason(audit: Document, level: str) -> str:
    """What the outcome of an audit means for the verdict, in words.

    Args:
        audit: The audit in whole, with anything but "none found".
        level: What the numbers alone amount to.
    """
    failing = [feature["name"] for feature in audit["features"] if feature["verdict"] == FAIL]
    if audit["verdict"] == FAIL:
        known = "; allow_leaks let the run go on" if audit["allowed"] else ""
        where = f" on {names(failing)}" if failing else ""
        return f"It FAILED{where}{known}. The numbers alone would say {level}; they do not count."
    open_ones = [test for test in audit["tests"] if VERDICT_OF.get(test["outcome"]) == audit["verdict"]]
    found = "; ".join(f"{_called(test)}: {test['found']}" for test in open_ones)
    if audit["verdict"] == SUSPECT:
        return f"SUSPECT: {found}. Somebody has to look at this before the numbers count."
    return f"INCOMPLETE: not everything could be tested. {found}."
