"""A3: cuts at everything that happens, many in one pass.

Taking a few rows away after a time changes no honest value up to that time. It does change what comes after it, for as
long as a feature remembers. So many times can be tested in one computation, each further away from the one before than
the features remember; and what then looks guilty is put on trial alone, by a plain truncation at that time.
"""

from bisect import bisect, insort
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from assay.market.audit.change import until
from assay.market.audit.compare import Difference, changes, column
from assay.market.audit.cuts import Positions, events, sample
from assay.market.audit.document import Check, changed_features
from assay.market.audit.odds import miss_probability
from assay.market.audit.recompute import accusations
from assay.market.audit.subject import Subject
from assay.market.audit.warm_up import BEYOND, Memory
from assay.market.progress import Track, silent

MARGIN = 1.25  # entities that lack bars remember longer than the bars say
USUAL_MEMORY = 0.8  # quantile of the features' memories that the times of one pass are apart
RARE = 1 / 500
NOWHERE: Positions = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class Comb:
    """Times tested in one pass, as positions, sorted and far apart."""

    teeth: Positions
    reach: int

    def removed(self) -> Positions:
        """Positions of the rows that are taken away."""
        return (self.teeth[:, None] + np.arange(1, self.reach + 1)).ravel()

    def segments(self, positions: Positions) -> tuple[Positions, Positions]:
        """Number of the tooth at or after each position, and bars since the rows taken away before that."""
        tooth = np.searchsorted(self.teeth, positions)
        before = np.concatenate([[-BEYOND // 2], self.teeth + self.reach])
        return tooth, positions - before[tooth]

    def tested(self, memory: int) -> int:
        """Number of teeth that a feature of such a memory is tested at."""
        return int((self.segments(self.teeth)[1] > _forgotten(memory)).sum())


def check_events(subject: Subject, memory: Memory, *, convicted: Collection[str] = (), track: Track = silent) -> Check:
    """A3: with the rows after an event taken away, no row up to it changes.

    Args:
        subject: What is audited.
        memory: How much history each feature reads, measured.
        convicted: Features that other tests have found guilty; they are not tried again.
        track: Shows the progress.
    """
    rng, rule = subject.rng(3), subject.rule
    classes = events(subject.panel, subject.times)
    chosen = sample(classes, rule.event_cuts, rng)
    if rule.random_cuts:
        everywhere = np.arange(len(subject.times) - 1)
        chosen["random times"] = sample({"": everywhere}, rule.random_cuts, rng)[""]
    combs = [Comb(teeth, rule.reach) for teeth in pack(in_turns(chosen, rng), _apart(memory) + rule.reach, rule.passes)]
    cut = np.concatenate([NOWHERE, *(comb.teeth for comb in combs)])
    suspects: dict[int, set[str]] = {}
    for comb in track(combs, "event cuts"):
        for tooth, name in _suspicious(subject, comb, memory):
            if name in convicted:
                continue
            suspects.setdefault(tooth, set()).add(name)
    accused = accusations(_try(subject, suspects, track))
    return Check(
        id="A3",
        name="Event cuts",
        procedure=_procedure(classes, chosen, cut, rule.reach),
        outcome="fail" if accused else "pass",
        found=changed_features(list(accused)) if accused else "no value changed",
        detectable=_detectable(combs, memory, len(subject.times)),
        accused=accused,
    )


def in_turns(classes: Mapping[str, Positions], rng: np.random.Generator) -> Positions:
    """One position of each class in random order, then another one of each, and so on; every position once."""
    shuffled = [rng.permutation(positions) for positions in classes.values()]
    longest = max((len(positions) for positions in shuffled), default=0)
    turns = [positions[turn] for turn in range(longest) for positions in shuffled if turn < len(positions)]
    return np.array(list(dict.fromkeys(turns)), dtype=np.int64)


def pack(positions: Positions, apart: int, passes: int) -> list[Positions]:
    """Put positions into as few passes as their distance allows, first come, first served.

    Args:
        positions: In order of importance.
        apart: Positions of one pass are further from each other than this.
        passes: Most passes; a position that fits into none of them is left out.

    Returns:
        Sorted positions of each pass.
    """
    rows: list[list[int]] = []
    for position in positions.tolist():
        row = next((row for row in rows if _fits(row, position, apart)), None)
        if row is not None:
            insort(row, position)
        elif len(rows) < passes:
            rows.append([position])
    return [np.array(row, dtype=np.int64) for row in rows]


def _fits(row: list[int], position: int, apart: int) -> bool:
    after = bisect(row, position)
    return all(abs(position - other) > apart for other in row[max(after - 1, 0) : after + 1])


def _apart(memory: Memory) -> int:
    """Bars after which most features have forgotten what was taken away."""
    known = [bars for bars in memory.exact.values() if bars != BEYOND]
    return int(MARGIN * float(np.quantile(known, USUAL_MEMORY))) if known else memory.longest


def _forgotten(memory: int) -> float:
    """Bars after which a feature of such a memory has forgotten what was taken away."""
    return MARGIN * memory if memory != BEYOND else BEYOND // 4


def _suspicious(subject: Subject, comb: Comb, memory: Memory) -> list[tuple[int, str]]:
    """Features that changed between what they remember of one tooth and the next one."""
    removed = comb.removed()
    gone = subject.times[removed[removed < len(subject.times)]]
    at = subject.times.search_sorted(subject.panel["time"]).to_numpy().astype(np.int64)
    kept = ~np.isin(at, removed)
    after = subject.features(subject.panel.filter(~pl.col("time").is_in(gone.implode())))
    tooth, since = comb.segments(at[kept])
    tested, here = tooth < len(comb.teeth), np.flatnonzero(kept)
    found = []
    for bars in set(memory.exact.values()):
        rows = np.flatnonzero(tested & (since > _forgotten(bars)))
        then, those = pl.Series(here[rows], dtype=pl.UInt32), pl.Series(rows, dtype=pl.UInt32)
        for name in (name for name, remembered in memory.exact.items() if remembered == bars):
            before, now = subject.full[name].gather(then), column(after, name).gather(those)
            changed = changes(before, now, subject.scale.get(name, 0.0), tolerance=subject.rule.tolerance)
            found += [(int(comb.teeth[number]), name) for number in np.unique(tooth[rows[changed]])]
    return found


def _try(subject: Subject, suspects: Mapping[int, set[str]], track: Track) -> dict[datetime, Mapping[str, Difference]]:
    """Truncate where most features that are not yet convicted look guilty, until the trials are used up.

    A feature that remembers longer than measured looks guilty almost everywhere. Each acquittal halves what its next
    charge counts, so that such features leave trials for those that look guilty once.
    """
    open_cases, convicted, acquitted = dict(suspects), set[str](), Counter[str]()
    found: dict[datetime, Mapping[str, Difference]] = {}

    def weight(position: int) -> float:
        return sum(0.5 ** acquitted[name] for name in open_cases[position] - convicted)

    for _ in track(range(min(subject.rule.trials, len(suspects))), "suspicions"):
        cut = max(open_cases, key=lambda position: (weight(position), -position))
        charged = open_cases.pop(cut) - convicted
        if not charged:
            break
        time: datetime = subject.times[cut]
        found[time] = subject.differences(until(subject.panel, time), time)
        convicted |= found[time].keys()
        acquitted.update(charged - convicted)
    return found


def _procedure(classes: Mapping[str, Positions], chosen: Mapping[str, Positions], cut: Positions, reach: int) -> str:
    tested = {name: len(np.intersect1d(cut, positions)) for name, positions in chosen.items()}
    told = ", ".join(
        f"{name} {count}" + (f" of {len(classes[name]):,}" if name in classes and len(classes[name]) > count else "")
        for name, count in tested.items()
    )
    return (
        f"The {reach} timestamps that follow are taken away at {len(cut)} times ({told}); what changes before them is "
        "tried again by truncation."
    )


def _detectable(combs: Sequence[Comb], memory: Memory, times: int) -> str:
    tested = sorted(sum(comb.tested(bars) for comb in combs) for bars in memory.exact.values())
    usual = tested[len(tested) // 2]
    missed = miss_probability(RARE, usual, times=times)
    return (
        f"one bar ahead at the events tested. Half of the features were tested at {usual:,} or more of {times:,} "
        f"times, all at {tested[0]:,} or more: a leak on one row in 500 away from these events is missed with "
        f"probability {missed:.0%}"
    )
