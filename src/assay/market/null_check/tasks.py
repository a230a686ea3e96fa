"""Which runs there are."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from assay.market.null_check.rule import NullCheckRule, WorkloadCheck

SHIFT, TOGETHER, PLANTED = "shift", "together", "planted"


@dataclass(frozen=True)
class Task:
    """One repetition of the pipeline.

    Attributes:
        number: Its place among the runs of its kind of market: null runs and planted runs are counted apart.
        kind: ``shift``, a mechanism, ``together`` or ``planted``.
        seed: Seed of the shift or of the market.
        ic: Strength of the planted signal; 0 in a null run.
    """

    number: int
    kind: str
    seed: int
    ic: float = 0.0

    @property
    def name(self) -> str:
        """The runs that it is counted with: the kind, and the strength of a planted signal."""
        return f"{self.kind} {self.ic:g}" if self.kind == PLANTED else self.kind


def plan_runs(rule: NullCheckRule, check: WorkloadCheck) -> list[Task]:
    """All runs of a workload, null runs first; the kinds take turns.

    Args:
        rule: How many runs, and their seed.
        check: The mechanisms of the workload. A signal is planted where its tables can show it: perpetuals.
    """
    kinds = (SHIFT, *check.mechanisms, TOGETHER)
    null = [Task(n, kinds[n % len(kinds)], _seed(rule, n)) for n in range(rule.runs)]
    return [*null, *(_planted(rule) if check.tables == "perpetuals" else ())]


def _planted(rule: NullCheckRule) -> Iterator[Task]:
    for number in range(rule.planted.runs):
        for ic in rule.planted.ic:
            yield Task(number, PLANTED, _seed(rule, number, PLANTED), ic)  # the same shocks at every strength


def _seed(rule: NullCheckRule, number: int, kind: str = "") -> int:
    return int(np.random.SeedSequence([rule.seed, number, *kind.encode()]).generate_state(1)[0])
