"""The leak audit: which tests ran, what they found, how large a leak they would have seen."""

from collections.abc import Mapping, Sequence
from typing import Any

from assay.report.elements import Block, Cell, Column, Drawer, Figure, Table, value_cell
from assay.report.facts import ReportFacts
from assay.report.figures.audit import Scored, ic_band
from assay.report.format import MISSING, counted, is_number, number, opening, prose, quantity, spelled

_LEDE = (
    "A leak is a number that was not yet known at its row's time. It cannot be proved absent; these tests change or "
    "remove the future and look whether the past notices. A FAIL stops the run before the first fit, unless "
    "allow_leaks is set; then it is shown here in red and no level above implausible is given."
)
_MARKS = {"pass": "pass", "informative": "unknown", "incomplete": "warning", "suspect": "warning", "fail": "fail"}
_BADGES = {"NONE FOUND": "pass", "INCOMPLETE": "warning", "SUSPECT": "warning", "FAIL": "fail"}
_MOST = 20  # features named outside the drawer
_TONES = {"FAIL": "alarm", "SUSPECT": "caution"}
_CAPTION = (
    "Dots: rank IC of every feature, sorted. Band: where all features together stay by chance, in 99 % of circular "
    "shifts, each with its own level. Outside it (blue) is information, not a fault. Large: features that fail (red) "
    "or are suspect (hollow)."
)


def banner(audit: Mapping[str, Any]) -> tuple[str, str] | None:
    """Say above everything else that the audit failed: a heading and a sentence; ``None`` if it did not."""
    if audit["verdict"] != "FAIL":
        return None
    known = "allow_leaks is set, so the run went on." if audit["allowed"] else "Found after the fits."
    return "The leak audit failed.", f"{known} Nothing on this page is evidence of skill."


def audit_block(facts: ReportFacts) -> Block:
    """Show the outcome of the audit, every test and the features that did not pass.

    Args:
        facts: The facts of the report.

    Returns:
        The block, with an alarm after a FAIL.
    """
    audit = facts.audit
    verdict, features = audit["verdict"], audit["features"]
    found = [feature for feature in features if feature["verdict"] in _TONES]
    return Block(
        "audit",
        "Leak audit",
        _LEDE,
        reading=_reading(audit),
        figures=_figures(features),
        tables=[*([_faulty(found)] if found else []), _tests(facts)],
        more=[Drawer(f"Every audited feature ({quantity(len(features))})", [_features(features)])] if features else (),
        tone=_TONES.get(verdict, ""),  # type: ignore[arg-type]
        badge=Cell(_spelled(verdict), mark=_BADGES[verdict]),
    )


def _spelled(verdict: str) -> str:
    return "none found" if verdict == "NONE FOUND" else verdict


def _reading(audit: Mapping[str, Any]) -> str:
    said = prose(audit["said"])
    if audit["verdict"] == "FAIL" and audit["allowed"]:
        return f"Failed, and allowed by allow_leaks. {said}"
    return said


def _tests(facts: ReportFacts) -> Table:
    columns = [
        Column("Test", mark="text"),
        Column("Outcome", mark="text"),
        Column("What it did", mark="text"),
        Column("Found", mark="text"),
        Column("Would have seen", mark="text", hint="how large a leak must be for this test to find it"),
    ]
    rows = [
        [
            Cell(test["name"], test["id"], mark="text"),
            Cell(_word(test["outcome"]), mark=f"text status {_MARKS[test['outcome']]}"),
            Cell(prose(test["procedure"]), mark="text prose"),
            Cell(spelled(_sentence(test["found"]), facts.heads), mark="text prose"),
            Cell(_sentence(test["detectable"]) if test["detectable"] else MISSING, mark="text prose"),
        ]
        for test in facts.audit["tests"]
    ]
    return Table("Tests", columns, rows)


def _sentence(text: str) -> str:
    """Start with a capital letter, unless the first word is the name of a feature or a parameter."""
    first = text.split(maxsplit=1)[0]
    return prose(text) if "_" in first or any(map(str.isdigit, first)) else opening(prose(text))


def _word(outcome: str) -> str:
    return outcome if outcome == "informative" else outcome.upper()


def _faulty(features: Sequence[Mapping[str, Any]]) -> Table:
    columns = [Column("Feature", mark="text"), Column("Judgement", mark="text"), Column("Why", mark="text")]
    rows = [
        [_name(feature), _judgement(feature), Cell(_why(feature["failures"]), mark="text prose")]
        for feature in sorted(features, key=lambda feature: (feature["verdict"] != "FAIL", feature["name"]))
    ]
    more = len(rows) - _MOST
    note = f"And {quantity(more)} more, in the drawer below." if more > 0 else ""
    return Table("Features that did not pass", columns, rows[:_MOST], note=note)


def _why(failures: Sequence[Mapping[str, Any]]) -> str:
    return "; ".join(f"{failure['test']}: {prose(failure['said'])}" for failure in failures) or MISSING


def _features(features: Sequence[Mapping[str, Any]]) -> Table:
    columns = [
        Column("Feature", mark="text"),
        Column("Judgement", mark="text"),
        Column("IC", hint="rank correlation with the outcome, of the head where it is largest"),
        Column("IC one bar later", hint="IC of the same feature when it is one bar older"),
        Column("IC by chance", hint="all features together stay below their levels in 99 % of circular shifts"),
        Column("Warm-up needed", hint="bars of history after which the value no longer changes"),
    ]
    rows = [
        [
            _name(feature),
            _judgement(feature),
            *(value_cell(feature[score]) for score in ("ic", "delayed_ic", "null_ic")),
            Cell(number(feature["needed_warm_up"], "bars")),
        ]
        for feature in features
    ]
    return Table("Audited features", columns, rows)


def _name(feature: Mapping[str, Any]) -> Cell:
    return Cell(feature["name"], mark="text code")


def _judgement(feature: Mapping[str, Any]) -> Cell:
    verdict, why = feature["verdict"], _why(feature["failures"]) if feature["failures"] else ""
    return Cell(
        _spelled(verdict), hint=why, mark=f"text status {_BADGES[verdict]}" if verdict in _TONES else "text quiet"
    )


def _figures(features: Sequence[Mapping[str, Any]]) -> list[Figure]:
    scored = [
        Scored(feature["name"], feature["ic"], feature["null_ic"], feature["verdict"])
        for feature in features
        if is_number(feature["ic"]) and is_number(feature["null_ic"]) and feature["null_ic"] > 0
    ]
    if not scored:
        return []
    wide, narrow = (ic_band(scored, wide=w, slug=f"audit-ic-{w}") for w in (True, False))
    title = f"IC of {counted(len(scored), 'feature')}, in units of what chance reaches"
    return [Figure(title, wide, narrow, _CAPTION, "whole")]
