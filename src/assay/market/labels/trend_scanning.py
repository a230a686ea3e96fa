"""Trend scanning: the direction of the clearest straight line that starts at the entry."""

from typing import Any, Literal, Self

import numpy as np
import polars as pl
from pydantic import Field, model_validator

from assay.market.execution import Execution
from assay.market.features.announce import announced
from assay.market.labels.rule import Floats, Index, Market, Mask, Outcomes, ThresholdRule, pick

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


class TrendScanning(ThresholdRule):
    """The clearest trend: of all windows after the entry the one whose slope of log prices has the largest |t|.

    Windows have ``min_length`` to ``max_length`` bars. ``t`` is the slope over its standard error in an ordinary
    least-squares fit of the log prices at the entry and at each bar of the window on the number of the bar (Lopez de
    Prado, *Machine Learning for Asset Managers* (2020), chapter 5); the label is its sign when ``|t| > threshold``.
    Prices wander, and the best of many windows is taken, so that |t| is no test statistic: 5 and more is usual without
    any trend. The return runs to the end of the chosen window. The choice has looked at all windows, though, so the
    label is known, and ends, with the longest one.

    Attributes:
        min_length: Bars of the shortest window; the t-value of fewer than 5 is noise.
        max_length: Bars of the longest window.
        threshold: In units of |t|.
    """

    kind: Literal["trend_scanning"] = "trend_scanning"
    min_length: int = Field(default=5, ge=5)
    max_length: int = Field(default=20, ge=5)
    threshold: float = Field(default=0.0, ge=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_length > self.max_length:
            raise ValueError(f"min_length {self.min_length} is larger than max_length {self.max_length}")
        return self

    @property
    def longest(self) -> int:
        """Bars of the longest window."""
        return self.max_length

    def outcomes(self, market: Market, execution: Execution) -> Outcomes:
        """The simple return over the window of the largest |t|; the label ends with the longest window."""
        price, entry = market.values(execution.price), market.ahead(execution.delay)
        length, t = self._scan(market, execution)
        leave = np.where(length > 0, np.arange(len(length)) + execution.delay + length, -1)
        return Outcomes(
            start=market.times(entry),
            end=market.ahead(execution.delay + self.max_length),
            forward_return=pick(price, leave) / pick(price, entry) - 1,
            side=np.sign(t).astype(np.int8),
            strength=np.abs(t),
            unit=np.ones(len(t)),
            details={"length": length},
        )

    def told(self, outcomes: Outcomes, kept: Mask) -> dict[str, Any]:
        """Quantiles of |t| and of the chosen lengths."""
        found = {"t_values": outcomes.strength[kept], "lengths": outcomes.details["length"][kept]}
        return {
            name: {f"q{round(100 * q):02d}": float(np.quantile(values, q)) for q in QUANTILES}
            for name, values in found.items()
        }

    def _scan(self, market: Market, execution: Execution) -> tuple[Index, Floats]:
        with announced("the kernels of labels"):
            from assay.market.labels.kernels import strongest_trend
        values = market.panel.select(pl.col(execution.price).cast(pl.Float64).log()).to_series().to_numpy(writable=True)
        length, t = np.zeros(len(values), dtype=np.int64), np.zeros(len(values))
        walk = np.array([execution.delay, self.min_length, self.max_length])
        strongest_trend(values, market.stop, walk, length, t)
        return length, t
