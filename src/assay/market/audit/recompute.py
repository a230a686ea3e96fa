"""A0, A1, A2 and the listing test: compute the features again with another future, and compare every row before it."""

from collections.abc import Iterable, Mapping
from datetime import datetime

import polars as pl

from assay.market.audit.change import KINDS, until, with_other_future
from assay.market.audit.compare import Difference, aligned
from assay.market.audit.cuts import Positions, spread
from assay.market.audit.document import Check, Outcome, changed_features
from assay.market.audit.odds import seen_share
from assay.market.audit.subject import Subject
from assay.market.progress import Track, silent
from assay.market.tables import KEY

Accused = dict[str, str]
NEWCOMER = "!newcomer"  # sorts before any other name


def check_determinism(subject: Subject, stored: pl.DataFrame | None = None) -> Check:
    """A0: the same panel gives the same features, to the last bit.

    Args:
        subject: What is audited.
        stored: Features that were saved earlier and must be what the function says now.
    """
    shuffled = subject.panel.sample(fraction=1, shuffle=True, seed=subject.rule.seed).sort(KEY)
    others = {"computed again from shuffled rows": subject.features(shuffled)}
    if stored is not None:
        others["as they were stored"] = aligned(stored, subject.panel.select(KEY))
    accused: Accused = {}
    for how, other in others.items():
        changed = [name for name in subject.names if not _equal(subject.full, other, name)]
        accused = dict.fromkeys(changed, f"another value {how}") | accused
    return Check(
        id="A0",
        name="Determinism",
        procedure=f"The features are compared to the last bit with those {', and those '.join(others)}.",
        outcome=_outcome(accused),
        found=_found(accused, "every value is the same to the last bit"),
        accused=accused,
    )


def check_truncation(subject: Subject, track: Track = silent) -> Check:
    """A1: with all rows after a cut taken away, no row up to it changes."""
    cuts = _cut_times(subject, spread(subject.rule.cuts, len(subject.times), subject.rng(1)))
    found = {cut: subject.differences(until(subject.panel, cut), cut) for cut in track(cuts, "truncation")}
    accused = accusations(found)
    return Check(
        id="A1",
        name="Truncation",
        procedure=f"The panel ends at each of {len(cuts)} times; every row up to the cut, of every entity, must keep "
        "its value.",
        outcome=_outcome(accused),
        found=_found(accused, f"no value changed at {len(cuts)} cuts"),
        detectable="any look-ahead on every row; one bar ahead on "
        f"{seen_share(len(cuts)):.0%} of the rows or more (95 % sure)",
        accused=accused,
    )


def check_perturbation(subject: Subject, track: Track = silent) -> Check:
    """A2: with other values after a cut, no row up to it changes."""
    rng, rule = subject.rng(2), subject.rule
    cuts = _cut_times(subject, spread(rule.perturbations, len(subject.times), rng))
    kinds = [KINDS[number % len(KINDS)] for number in range(len(cuts))]
    found = {}
    for cut, kind in track(list(zip(cuts, kinds, strict=True)), "other futures"):
        found[cut] = subject.differences(with_other_future(subject.panel, cut, kind, rng), cut)
    accused = accusations(found)
    return Check(
        id="A2",
        name="Other futures",
        procedure=f"All source columns after each of {len(cuts)} times are {', '.join(dict.fromkeys(kinds))}; every "
        "row up to the cut must keep its value.",
        outcome=_outcome(accused),
        found=_found(accused, f"no value changed under {len(cuts)} other futures"),
        detectable=f"as A1, and extremes of the future; on {seen_share(len(cuts)):.0%} of the rows or more (95 % sure)",
        accused=accused,
    )


def check_listing(subject: Subject) -> Check:
    """L: entities that come later change nothing before they come."""
    starts = subject.panel.group_by("entity").agg(pl.col("time").min()).sort("time", "entity")
    middle: datetime = subject.times[len(subject.times) // 2]
    late = starts.filter(pl.col("time") > subject.times[0])
    cuts = {middle, *late["time"].tail(1).to_list()} - {subject.times[0]}
    found = {cut: _with_other_newcomers(subject, cut) for cut in sorted(cuts)}
    accused = accusations(found)
    return Check(
        id="L",
        name="Later listings",
        procedure="Entities that start at a time or later are taken away and another one is added there; every row "
        "before must keep its value.",
        outcome=_outcome(accused),
        found=_found(accused, f"no value changed; {late.height} of {starts.height} entities start after the panel"),
        accused=accused,
    )


def _with_other_newcomers(subject: Subject, start: datetime) -> dict[str, Difference]:
    """Features that change before ``start`` when other entities are listed from then on."""
    panel = subject.panel
    there = panel.filter(pl.col("time") < start)["entity"].unique()
    newcomer = panel.filter((pl.col("time") >= start) & (pl.col("entity") == there.sort()[0]))
    newcomer = newcomer.with_columns(entity=pl.lit(NEWCOMER))
    before, known = pl.col("time") < start, pl.col("entity").is_in(there.implode())
    other = subject.features(pl.concat([newcomer, panel.filter(known)]).sort(KEY))
    return subject.compare(subject.full.filter(before), other.filter(before))


def accusations(found: Mapping[datetime, Mapping[str, Difference]]) -> Accused:
    """For every feature that changed: at which cut first, how, and at how many."""
    told: Accused = {}
    counts: dict[str, int] = {}
    for cut, changed in found.items():
        for name, difference in changed.items():
            counts[name] = counts.get(name, 0) + 1
            told.setdefault(name, f"without what follows {cut}: {difference}")
    return {name: f"{said} ({counts[name]} of {len(found)} cuts)" for name, said in told.items()}


def _cut_times(subject: Subject, positions: Positions) -> list[datetime]:
    return subject.times[positions].to_list()


def _equal(left: pl.DataFrame, right: pl.DataFrame, name: str) -> bool:
    return name in right.columns and left[name].equals(right[name], null_equal=True)


def _outcome(accused: Iterable[str]) -> Outcome:
    return "fail" if list(accused) else "pass"


def _found(accused: Mapping[str, str], otherwise: str) -> str:
    return changed_features(list(accused)) if accused else otherwise
