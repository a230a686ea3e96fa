"""Forecast targets: the relative change of a column of the panel, a price or e.g. the open interest."""

from datetime import timedelta
from typing import Literal

import numpy as np
import polars as pl
from pydantic import Field

from assay.market.execution import Execution
from assay.market.labels.rule import Market, Outcomes, ThresholdRule, pick

AFTER = timedelta(microseconds=1)  # the smallest step of time there is


class Forecast(ThresholdRule):
    """``target[t + horizon] / target[t] - 1`` between the values known at both decisions; nothing is bought or sold.

    There is no execution to wait for: the outcome counts from just after the decision at t. The three classes are made
    as for a fixed horizon, from the past changes of the target itself. Values that are not positive count as missing.

    Attributes:
        horizon: Bars ahead.
        target: Column of the panel, e.g. ``close`` or ``open_interest_amount``.
        optional: Whether data without a value of the target are no error: then nothing is labelled, and the head takes
            no part.
    """

    kind: Literal["forecast"] = "forecast"
    horizon: int = Field(default=5, ge=1)
    target: str = "close"
    optional: bool = False

    fills = False

    def absent(self, panel: pl.DataFrame) -> str | None:
        """The data hold no value of the target."""
        held = self.target in panel.columns and panel[self.target].null_count() < panel.height
        return None if held or not self.optional else f"these data have no {self.target}"

    @property
    def longest(self) -> int:
        """The horizon."""
        return self.horizon

    def target_of(self, execution: Execution) -> str:  # noqa: ARG002
        """The target."""
        return self.target

    def reads(self, execution: Execution) -> tuple[str, ...]:  # noqa: ARG002
        """The target, on whose own changes sigma is measured."""
        return (self.target,)

    def outcomes(self, market: Market, execution: Execution) -> Outcomes:  # noqa: ARG002
        """The relative change of the target over the horizon."""
        values, end = market.values(self.target), market.ahead(self.horizon)
        values = np.where(values > 0, values, np.nan)
        r = pick(values, end) / values - 1
        return Outcomes(
            start=market.panel.select(start=pl.col("time") + AFTER).to_series(),
            end=end,
            forward_return=r,
            side=np.sign(np.nan_to_num(r)).astype(np.int8),
            strength=np.abs(r),
            unit=market.scale.to_numpy(),
        )
