"""What the ledger needs to know besides bars and decisions."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from assay.market.backtest.limits import Limits
from assay.market.costs import Costs, Funding
from assay.market.errors import ConfigurationError
from assay.market.execution import Execution

Holding = Literal["horizon", "label_end"]


@dataclass(frozen=True)
class BacktestSetup:
    """What the ledger needs to know besides bars and decisions.

    Attributes:
        horizon: Bars a tranche is held at most; that of the labels.
        execution: Delay and price field of fills; that of the labels.
        costs: Cost of trading.
        funding: Cost of holding.
        holding: ``horizon`` holds every tranche for so many bars, ``label_end`` until its ``exit`` if that comes first.
        limits: How much may be held.
        capital: Capital of the whole book in the quote currency, the same share for every entity. Impact and lots need
            it; None charges no impact.

    Raises:
        ConfigurationError: The capital is not positive, or there are lots and no capital.
    """

    horizon: int
    execution: Execution
    costs: Costs
    funding: Funding
    holding: Holding = "horizon"
    limits: Limits = field(default_factory=Limits)
    capital: float | None = None

    def __post_init__(self) -> None:
        if self.capital is not None and not 0 < self.capital < float("inf"):
            raise ConfigurationError("capital", "cannot be traded", expected="above 0", found=self.capital)
        if self.limits.lot is not None and self.capital is None:
            raise ConfigurationError(
                "limits.lot",
                "no capital is stated, so nobody knows how many units a position has",
                expected="a capital in the quote currency",
                do="state the capital, or leave the lot out",
            )

    @property
    def at_open(self) -> bool:
        """Whether bars are filled at their open; a row is then valued at the open of its bar."""
        return self.execution.price == "open"

    @property
    def charges_impact(self) -> bool:
        """Whether trades move the market."""
        return self.capital is not None and bool(self.costs.impact)

    @property
    def walk(self) -> npt.NDArray[np.int64]:
        """Bars to the fill, bars held, and whether fills are at the open, for the kernels."""
        return np.array([self.execution.delay, self.horizon, int(self.at_open)], dtype=np.int64)

    def share(self, entities: int) -> float:
        """Capital of one entity."""
        return (self.capital or 0.0) / entities
