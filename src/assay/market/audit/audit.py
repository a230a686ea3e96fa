"""The leak audit in whole: every test, and what they say together."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from assay.market.audit.canaries import CANARIES, check_canaries, with_canaries
from assay.market.audit.document import (
    FAIL,
    INCOMPLETE,
    NONE_FOUND,
    SUSPECT,
    VERDICT_OF,
    Check,
    Document,
    changed_features,
    names,
    worst,
)
from assay.market.audit.joins import check_joins
from assay.market.audit.rare import check_events
from assay.market.audit.recompute import check_determinism, check_listing, check_perturbation, check_truncation
from assay.market.audit.rule import AuditRule
from assay.market.audit.skill import Skill, check_delay, check_skill, measure_skill
from assay.market.audit.stamps import check_stamps
from assay.market.audit.subject import FeatureFunction, Subject
from assay.market.audit.universe import check_universe
from assay.market.audit.warm_up import BEYOND, Memory, check_warm_up, measure_memory
from assay.market.progress import Track, silent
from assay.market.tables import KEY
from assay.market.workload import Workload


@dataclass(frozen=True)
class Evidence:
    """What is known beside the panel; what is missing leaves a test incomplete.

    Attributes:
        features: Features as they were stored, to be the same as those computed now.
        catalogue: ``features`` with ``name``, ``sources`` and ``warm_up`` each.
        labels: Labels tables by head.
        feeds: Feed tables by name.
    """

    features: pl.DataFrame | None = None
    catalogue: Mapping[str, Any] = field(default_factory=dict)
    labels: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    feeds: Mapping[str, pl.DataFrame] = field(default_factory=dict)

    def declared(self, what: str) -> dict[str, Any]:
        """One property of each feature of the catalogue, by name."""
        return {each["name"]: each[what] for each in self.catalogue.get("features", ()) if what in each}


def gather(known: Mapping[str, Any], workload: Workload) -> Evidence:
    """Sort the datasets of a workload into evidence.

    Args:
        known: ``features``, ``catalogue``, the feeds by name, and labels by name of the head.
        workload: Which names are feeds and which are heads.
    """
    return Evidence(
        features=known["features"],
        catalogue=known["catalogue"],
        labels={head.name: known[head.name] for head in workload.heads if head.traded},
        feeds={feed: known[feed] for feed in workload.feeds},
    )


def audit_features(
    panel: pl.DataFrame,
    function: FeatureFunction,
    *,
    rule: AuditRule | None = None,
    evidence: Evidence | None = None,
    track: Track = silent,
) -> Document:
    """Audit any function that makes features from a panel.

    Args:
        panel: One row per ``entity`` and ``time`` (UTC, when the row is known), and the columns that the function
            reads.
        function: Takes such a panel, returns ``entity``, ``time`` and one column per feature; a value that is NaN or
            null is undefined.
        rule: Budget and limits.
        evidence: Stored features, catalogue, labels and feeds, for the tests that need them.
        track: Shows the progress.

    Returns:
        The document, ready for JSON: ``verdict``, ``said``, ``allowed``, ``tests`` and ``features``; see
        ``docs/contracts.md``. The verdict is FAIL if a recomputation, a feed, a fit scope or a canary fails; SUSPECT
        if skill, delay or stamps are too good; INCOMPLETE if a test could not be done; else NONE FOUND, which is a
        statement about the tests that were run and the sizes they can see.

    Raises:
        DataError: The function returns rows that cannot be told apart.
    """
    rule, evidence = rule or AuditRule(), evidence or Evidence()
    panel = panel.sort(KEY)
    subject = Subject(panel, with_canaries(panel, function), rule)
    checks, memory = _recomputed(subject, evidence, track)
    skill = measure_skill(subject.full.drop(CANARIES), evidence.labels, rule, memory=memory.furthest)
    sources = evidence.declared("sources")
    checks += [
        check_joins(panel, evidence.feeds, sources),
        check_stamps(panel, rule, sources),
        check_skill(skill, rule),
        check_delay(skill, rule),
        check_universe(panel, rule),
    ]
    kept = [name for name in subject.names if name not in CANARIES]
    return _document(checks, _features(kept, checks, skill, memory), allowed=rule.allow_leaks)


def _recomputed(subject: Subject, evidence: Evidence, track: Track) -> tuple[list[Check], Memory]:
    """All tests that compute the features again, the canaries' verdict last."""
    stored, memory = evidence.features, measure_memory(subject, track)
    if stored is not None:
        stored = stored.join(subject.full.select(*KEY, *CANARIES), on=list(KEY), how="left")
    checks: list[Check] = []
    steps: Sequence[Callable[[], Check]] = (
        lambda: check_determinism(subject, stored),
        lambda: check_truncation(subject, track),
        lambda: check_perturbation(subject, track),
        lambda: check_events(subject, memory, convicted=_accused(checks), track=track),
        lambda: check_listing(subject),
        lambda: check_warm_up(_without_canaries(memory), evidence.declared("warm_up")),
    )
    for step in track(steps, "tests"):
        checks.append(step())  # noqa: PERF401 (A3 reads what A1 and A2 found)
    canaries = check_canaries({check.id: check.accused for check in checks})
    return [*map(_acquitted, checks), canaries], memory


def _accused(checks: Sequence[Check]) -> set[str]:
    return {name for check in checks for name in check.accused}


def _without_canaries(memory: Memory) -> Memory:
    kept = {name: bars for name, bars in memory.settled.items() if name not in CANARIES}
    return replace(memory, settled=kept)


def _acquitted(check: Check) -> Check:
    """A test without what it said of the canaries."""
    if not set(CANARIES) & check.accused.keys():
        return check
    accused = {name: said for name, said in check.accused.items() if name not in CANARIES}
    found = changed_features(list(accused)) if accused else "no value changed"
    return replace(check, outcome="fail" if accused else "pass", found=found, accused=accused)


def _features(kept: Sequence[str], checks: Sequence[Check], skill: Skill, memory: Memory) -> list[Document]:
    told = []
    for name in kept:
        against = [check for check in checks if name in check.accused]
        bars = memory.settled[name]
        told.append(
            {
                "name": name,
                "verdict": worst(VERDICT_OF[check.outcome] for check in against),
                "failures": [{"test": check.id, "said": check.accused[name]} for check in against],
                "ic": skill.ic.get(name),
                "delayed_ic": skill.delayed.get(name),
                "null_ic": _finite(skill.null.get(name)),
                "needed_warm_up": None if bars == BEYOND else bars,
            }
        )
    return told


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _document(checks: Sequence[Check], features: list[Document], *, allowed: bool) -> Document:
    verdict = worst(VERDICT_OF[check.outcome] for check in checks if check.outcome in VERDICT_OF)
    return {
        "verdict": verdict,
        "said": _said(verdict, checks, features),
        "allowed": allowed,
        "tests": [check.to_dict() for check in checks],
        "features": features,
    }


def _said(verdict: str, checks: Sequence[Check], features: Sequence[Document]) -> str:
    by = {check.id: check for check in checks}
    passed = sorted(
        (check.id for check in checks if check.outcome == "pass"), key=lambda test: (test[0] != "A", len(test), test)
    )
    none = f"No leak found by tests {', '.join(passed)}; they would see {by['A1'].detectable}; {by['A3'].detectable}."
    accused = [each["name"] for each in features if each["verdict"] == verdict]
    tests = [check.id for check in checks if VERDICT_OF.get(check.outcome) == verdict]
    if verdict == NONE_FOUND:
        return none
    if verdict == INCOMPLETE:
        return f"{none} Not known: " + "; ".join(f"{test} {by[test].found}" for test in tests) + "."
    what = {FAIL: "Leaks found", SUSPECT: "Suspicious"}[verdict]
    whom = f": {names(accused)} ({len(accused)} of {len(features)} features)" if accused else ""
    return f"{what} by {', '.join(tests)}{whom}."
