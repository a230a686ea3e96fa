"""What the verdict is drawn from."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Self

from assay.market.primary import Primary
from assay.market.trading import BUY_AND_HOLD
from assay.market.verdict.rule import VerdictRule

Facts = Mapping[str, Any]

UNDEFINED: Facts = {"value": None, "low": None, "high": None}
YEAR = timedelta(days=365.25)
FEW_ENTITIES = 2  # a named index or two is no selection among many


@dataclass(frozen=True)
class Backtest:
    """Net performance of the judged model, with ``sharpe`` and ``timing_sharpe`` as ``{value, low, high}``.

    Attributes:
        judged: Performance of the primary's model.
        held: Performance of buying and holding the same entities over the same time.
        episodes: Independent episodes in which the model held a position; None where nobody counted.
    """

    judged: Facts
    held: Facts
    episodes: int | None = None

    @classmethod
    def of(cls, books: Mapping[str, Facts], model: str) -> Self:
        """Read the books of a head.

        Args:
            books: By model, buying and holding among them, ``performance`` and, where counted, ``episodes``.
            model: The primary's model.
        """
        mine, held = books[model], books[BUY_AND_HOLD]
        return cls(mine["performance"], held["performance"], mine.get("episodes"))


@dataclass(frozen=True)
class Findings:
    """The documents that decide; one that is not there is None, is said, and never counts as passed.

    Attributes:
        evaluation: Result of ``evaluate`` for the primary's head.
        backtest: What the primary's model earned.
        significance: What the ledger of trials makes of the Sharpe ratios of the primary's head.
        seeds: How far the primary's IC depends on the seed.
        contests: By traded head how its models compare, those that were not contested left out.
    """

    evaluation: Facts
    backtest: Backtest | None = None
    significance: Facts | None = None
    seeds: Facts | None = None
    contests: Mapping[str, Facts] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """What was found, what was claimed, and the lines: everything a rule reads."""

    findings: Findings
    primary: Primary
    rule: VerdictRule

    @property
    def evaluation(self) -> Facts:
        """Every number about the primary's head."""
        return self.findings.evaluation

    @property
    def backtest(self) -> Backtest | None:
        """What the primary's model earned."""
        return self.findings.backtest

    @property
    def model(self) -> str:
        """Name of the judged model."""
        return self.primary.model

    @property
    def label(self) -> str:
        """What the primary's metric is called."""
        return str(self.evaluation["metric_info"][self.primary.metric]["label"])

    @property
    def ic(self) -> Facts:
        """The primary's information coefficient with its interval."""
        found: Facts = self.evaluation["models"][self.model]["metrics"][self.primary.metric]
        return found

    @property
    def sharpe(self) -> Facts:
        """The primary's Sharpe ratio per year after costs with its interval."""
        return self.backtest.judged["sharpe"] if self.backtest else UNDEFINED

    @property
    def timing(self) -> Facts:
        """What is left of it without drift."""
        return self.backtest.judged["timing_sharpe"] if self.backtest else UNDEFINED

    @property
    def years(self) -> float:
        """Years from the first judged timestamp to the last."""
        first, last = (datetime.fromisoformat(moment) for moment in self.evaluation["span"])
        return (last - first) / YEAR

    @property
    def capped(self) -> bool:
        """Whether survivors may have been picked."""
        return self.rule.universe == "unverified" and self.evaluation["entities"] > FEW_ENTITIES

    @property
    def directed(self) -> bool:
        """Whether the IC lies above 0."""
        return above_zero(self.ic)

    @property
    def profitable(self) -> bool:
        """Whether there is a profit after costs, and one that is not drift."""
        return above_zero(self.sharpe) and above_zero(self.timing)

    def deflated(self) -> dict[str, Any]:
        """What the ledger knows of the primary's Sharpe ratio; empty where there is none."""
        models = (self.findings.significance or {}).get("models", {})
        return dict(models.get(self.model) or {})


def above_zero(estimate: Facts) -> bool:
    """Whether the whole interval of an estimate lies above 0."""
    return estimate["low"] is not None and estimate["low"] > 0.0


def strongest(evaluation: Facts, rivals: Iterable[str], metric: str) -> str | None:
    """The rival with the best value of a metric; None where none of them has one."""
    sign = 1.0 if evaluation["metric_info"][metric]["better"] == "higher" else -1.0
    values = {name: evaluation["models"][name]["metrics"][metric]["value"] for name in rivals}
    return max((name for name, v in values.items() if v is not None), key=lambda n: sign * values[n], default=None)


def difference_to(evaluation: Facts, model: str, rival: str, metric: str) -> Facts:
    """How much larger a metric of a model is than that of a rival, with the interval of the difference."""
    entry = evaluation["models"][model]["versus"][rival][metric]
    return {"value": entry["difference"], "low": entry["low"], "high": entry["high"]}
