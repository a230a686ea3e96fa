"""Labels with a fixed horizon: the return of a position that is left after so many bars."""

from typing import Literal

import numpy as np
from pydantic import Field

from assay.market.execution import Execution
from assay.market.labels.rule import Market, Outcomes, ThresholdRule, pick


class FixedHorizon(ThresholdRule):
    """Enter after ``delay`` bars, leave ``horizon`` bars later.

    A move is LONG or SHORT when ``|r| > threshold * sigma_t * sqrt(horizon)``: the volatility-scaled three-class label
    of Lopez de Prado, *Advances in Financial Machine Learning* (2018), chapter 3.

    Attributes:
        horizon: Bars between entry and exit.
    """

    kind: Literal["fixed_horizon"] = "fixed_horizon"
    horizon: int = Field(default=5, ge=1)

    @property
    def longest(self) -> int:
        """The horizon."""
        return self.horizon

    def outcomes(self, market: Market, execution: Execution) -> Outcomes:
        """The simple return between both fills."""
        price, entry = market.values(execution.price), market.ahead(execution.delay)
        leave = market.ahead(execution.delay + self.horizon)
        r = pick(price, leave) / pick(price, entry) - 1
        return Outcomes(
            start=market.times(entry),
            end=leave,
            forward_return=r,
            side=np.sign(np.nan_to_num(r)).astype(np.int8),
            strength=np.abs(r),
            unit=market.scale.to_numpy(),
        )
