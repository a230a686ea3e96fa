"""A5: how much history a feature needs before it says what it says with all of it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from assay.market.audit.compare import changes, column
from assay.market.audit.document import Check, names
from assay.market.audit.subject import Subject
from assay.market.progress import Track, silent

SHORTEST = 2
LAST = 4  # newest times at which values are compared
SETTLED = 1e-6  # relative difference at which a recursion counts as settled
BEYOND = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Memory:
    """How many bars of history a feature reads, by name; ``BEYOND`` when none of the lengths tried was enough.

    Attributes:
        settled: Until it agrees with the full history within 1e-6.
        exact: Until it agrees within the tolerance of the audit.
        longest: Longest history that was tried.
    """

    settled: Mapping[str, int]
    exact: Mapping[str, int]
    longest: int

    @property
    def furthest(self) -> int:
        """Longest memory of all features that settle."""
        return max((bars for bars in self.settled.values() if bars != BEYOND), default=0)


def measure_memory(subject: Subject, track: Track = silent) -> Memory:
    """Compute the newest rows from ever longer histories, each twice as long as the last."""
    total = len(subject.times)
    lengths = [SHORTEST << step for step in range(total.bit_length()) if SHORTEST << step <= total // 2 + 1]
    settled, exact = (dict.fromkeys(subject.names, BEYOND) for _ in range(2))
    for length in track(lengths[::-1], "shorter histories"):
        agree = _agreeing(subject, length)
        for needed, close in zip((settled, exact), agree, strict=True):
            longer = length * 2 if length * 2 <= lengths[-1] else BEYOND
            needed |= {name: length for name in close if needed[name] == longer}
    return Memory(settled, exact, lengths[-1] if lengths else 0)


def check_warm_up(memory: Memory, declared: Mapping[str, int]) -> Check:
    """A5: what the measured memory says about the declared warm-up; informs only."""
    endless = [name for name, bars in memory.settled.items() if bars == BEYOND]
    short = [
        name
        for name, bars in memory.settled.items()
        if name in declared and bars != BEYOND and bars // 2 - (LAST - 1) > declared[name]
    ]
    found = f"{len(memory.settled) - len(endless)} features settle within {memory.longest} bars"
    found += f"; not {names(endless)}" if endless else ""
    found += f"; longer than declared: {names(short)}" if short else ""
    return Check(
        id="A5",
        name="Warm-up",
        procedure=f"The newest {LAST} rows are computed from the last {SHORTEST}, {SHORTEST * 2}, ... {memory.longest} "
        "bars alone and compared with those of the full history, within 1e-6.",
        outcome="informative",
        found=found,
    )


def _agreeing(subject: Subject, length: int) -> tuple[list[str], list[str]]:
    """Features whose newest values need no more than ``length`` bars, to 1e-6 and to the tolerance."""
    times = subject.times
    newest = pl.col("time") >= times[max(len(times) - min(LAST, length // 2), 0)]
    recent = subject.panel.filter(pl.col("time") >= times[max(len(times) - length, 0)])
    after, before = subject.features(recent).filter(newest), subject.full.filter(newest)
    found: tuple[list[str], list[str]] = ([], [])
    for name in subject.names:
        for close, limit in zip(found, (SETTLED, subject.rule.tolerance), strict=True):
            if not changes(before[name], column(after, name), subject.scale.get(name, 0.0), tolerance=limit).any():
                close.append(name)
    return found
