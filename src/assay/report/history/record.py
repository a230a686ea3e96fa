"""One run of a workload, as pages about several runs see it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Estimate = Mapping[str, float | None]
UNKNOWN: Estimate = {"value": None, "low": None, "high": None}


@dataclass(frozen=True)
class Scores:
    """What one model reached in one head: its direction, and its net Sharpe ratio where the head is traded."""

    direction: Estimate = field(default_factory=lambda: UNKNOWN)
    sharpe: Estimate = field(default_factory=lambda: UNKNOWN)


@dataclass(frozen=True)
class Record:
    """What a run was made of and what it found.

    Attributes:
        id: Id of the run: when it was started, in UTC.
        status: complete, failed, running or killed; and of what, if not of the whole.
        seconds: How long it took.
        size: Bytes it wrote.
        facts: What decides its numbers: the block ``facts`` of its manifest.
        level: Level of the verdict; None if the run judged nothing.
        headline: The verdict in a sentence.
        primary: The declared claim: ``head``, ``model``, ``metric``.
        label: Name of the primary's metric.
        scores: By head and model.
        rows: Test rows of the primary's head.
        span: First and last of their times.
        report: Where its report lies, relative to the index page; None without one.
    """

    id: str
    status: str
    seconds: float
    size: int
    facts: Mapping[str, Any]
    level: str | None = None
    headline: str = ""
    primary: Mapping[str, Any] = field(default_factory=dict)
    label: str = ""
    scores: Mapping[str, Mapping[str, Scores]] = field(default_factory=dict)
    rows: int | None = None
    span: tuple[str, ...] = ()
    report: str | None = None

    @property
    def inputs(self) -> str:
        """Hash of all inputs: equal for the same data."""
        return hashlib.sha256(json.dumps(self.facts.get("inputs"), sort_keys=True).encode()).hexdigest()

    @property
    def judged(self) -> Scores:
        """What the primary's model reached."""
        head = self.scores.get(str(self.primary.get("head")), {})
        return head.get(str(self.primary.get("model")), Scores())
