"""Where the verdict draws its lines."""

from typing import Literal

from pydantic import Field

from assay.market.parameters import Parameters
from assay.market.trials import NAIVE
from assay.market.workload import Kind

Level = Literal["no evidence", "weak", "evidence", "implausible"]
Measure = Literal["sharpe", "max_drawdown", "win_rate", "annual_return"]


class Ceiling(Parameters):
    """The most that anybody can reach, known because the market was simulated.

    Attributes:
        ic: Information coefficient of the oracle.
        sharpe: Net Sharpe ratio per year of the oracle.
    """

    ic: float | None = Field(default=None, gt=0.0, lt=1.0)
    sharpe: float | None = Field(default=None, gt=0.0)


class VerdictRule(Parameters):
    """Where the verdict draws its lines.

    Attributes:
        max_plausible_ic: A larger IC, either sign, is taken for a leak; usual ones are .02 to .10.
        max_plausible_sharpe: A larger net Sharpe ratio per year is taken for a leak.
        ceiling: Raises these two limits on a simulated market. An estimate scatters around a known truth, so it is
            taken for a leak only where its whole interval lies beyond.
        min_deflated_sharpe: Least probability that the Sharpe ratio per bar beats the luckiest of all trials.
        min_episodes: Fewest independent active episodes that a claim rests on.
        min_seeds: Fewest seeds that have to agree.
        family_level: Chance, per report on nothing, that any model of any traded head is found better than zero.
        naive: Baselines that know nothing about the future; a level they reach too is trivial.
        min_coverage: A directional accuracy on a smaller share of the rows is at most a WARNING: few calls are easy.
        universe: ``fixed`` when the entities were named without knowing how they would fare; ``unverified`` when they
            are those that exist today: a claim on more than two of them is at most weak.
        wanted: Levels somebody hopes for, per kind of head and metric.
        wanted_performance: Levels somebody hopes for after costs; a drawdown is a negative share.
    """

    max_plausible_ic: float = Field(default=0.15, gt=0.0, lt=1.0)
    max_plausible_sharpe: float = Field(default=5.0, gt=0.0)
    ceiling: Ceiling = Ceiling()
    min_deflated_sharpe: float = Field(default=0.95, gt=0.5, lt=1.0)
    min_episodes: int = Field(default=30, ge=1)
    min_seeds: int = Field(default=3, ge=2)
    family_level: float = Field(default=0.05, gt=0.0, lt=0.5)
    naive: tuple[str, ...] = NAIVE
    min_coverage: float = Field(default=0.2, ge=0.0, le=1.0)
    universe: Literal["fixed", "unverified"] = "unverified"
    wanted: dict[Kind, dict[str, float]] = Field(default_factory=dict)
    wanted_performance: dict[Measure, float] = Field(default_factory=dict)
