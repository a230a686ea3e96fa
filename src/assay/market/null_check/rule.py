"""How often the whole pipeline is repeated without a signal, and on what."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from assay.market.parameters import Parameters
from assay.market.simulator import MarketRule

Mechanism = Literal["clustering", "season", "correlation", "overlap"]
Tables = Literal["perpetuals", "indices"]


class Planted(Parameters):
    """Runs on markets with a planted signal and no other mechanism: the power of the same rules.

    Attributes:
        runs: How many for each strength.
        ic: Strengths: correlation of the signal with the next return in units of its volatility.
        bars: Length of these markets; all bars are independent, and labels do not overlap.
        overrides: Parameters of the workload that differ in these runs, beside those of all runs.
    """

    runs: int = Field(default=0, ge=0)
    ic: tuple[float, ...] = Field(default=(0.05, 0.1), min_length=1)
    bars: int = Field(default=7_000, ge=100)
    overrides: dict[str, Any] = Field(default_factory=dict)


class WorkloadCheck(Parameters):
    """What the runs of one workload look at.

    Attributes:
        tables: The form of the simulated raw tables: what the workload's ingestion reads.
        market: Size of the simulated markets, and how strong each mechanism is where it is on.
        mechanisms: What may deceive the rules, each alone and all together: ``clustering`` of volatility, intraday
            ``season``, ``correlation`` of the symbols, ``overlap`` of labels (the workload's own horizons; else 1 bar).
        newest: So many newest timestamps of the workload's own history are looked at in a shifted run; None: all.
        overrides: Parameters of the workload that differ in all runs, for a run of seconds.
    """

    tables: Tables
    market: MarketRule = MarketRule(symbols=4, bars=1_500, ic=0.0, listings=0, delistings=0)
    mechanisms: tuple[Mechanism, ...] = ("clustering", "season", "correlation", "overlap")
    newest: int | None = Field(default=None, ge=100)
    overrides: dict[str, Any] = Field(default_factory=dict)


class NullCheckRule(Parameters):
    """The null check of all workloads.

    Attributes:
        runs: Null runs of each workload, dealt out over the kinds in turn.
        seed: Seed of all of them. Run number n is the same whatever ``runs`` is, so more can be added later.
        processes: Runs at a time, each in a process with its share of the threads.
        level: Share of the null runs of which the rules may say "evidence".
        planted: Runs with a signal.
        workloads: By name what the runs of each workload look at.
    """

    runs: int = Field(default=20, ge=1)
    seed: int = Field(default=7, ge=0)
    processes: int = Field(default=1, ge=1)
    level: float = Field(default=0.05, gt=0, lt=1)
    planted: Planted = Planted()
    workloads: dict[str, WorkloadCheck]

    @model_validator(mode="after")
    def _plants_where_it_is_seen(self) -> Self:
        if self.planted.runs and not any(check.tables == "perpetuals" for check in self.workloads.values()):
            raise ValueError("planted.runs: a signal is planted in markets of perpetuals, and no workload has them")
        return self
