"""Triple barrier: a position is left at a profit, at a loss, or when its time is up, whichever comes first."""

from typing import Any, Literal, NamedTuple

import numpy as np
import polars as pl
from pydantic import Field

from assay.market.execution import Execution
from assay.market.features.announce import announced
from assay.market.labels.rule import BEYOND, Floats, Index, KindRule, Market, Mask, Outcomes, Sides, pick

HOW = ("vertical", "inside", "open", "both")  # as numbered in the kernel


class _Touches(NamedTuple):
    """Row and price of each exit, the side of its barrier, and the number of ``HOW``."""

    end: Index
    leave: Floats
    side: Sides
    how: Sides


class TripleBarrier(KindRule):
    """Leave at ``entry * (1 + profit_take * scale)``, ``entry * (1 - stop_loss * scale)``, or after ``horizon`` bars.

    ``scale`` is ``sigma_t * sqrt(horizon)`` as for a fixed horizon: a barrier at 1 lies one standard deviation of the
    whole holding time away. The position is a long one: LONG means that its profit came first, SHORT its loss (Lopez de
    Prado, *Advances in Financial Machine Learning* (2018), chapter 3).

    Touches are looked for in the bars after the entry; with ``price: open`` the bar of the entry is one of them. An
    open at or beyond a barrier fills at that open, so a gap through the loss costs more than the barrier. Otherwise a
    barrier fills at its own price. Both touched by high and low of one bar count as the loss: which came first is not
    known. A missing high or low is taken to be the close. Where opens repeat the last close, gaps do not show in them,
    and a loss is filled too well.

    Attributes:
        horizon: Bars from the entry to the vertical barrier.
        profit_take: Distance of the upper barrier; null = none.
        stop_loss: Distance of the lower barrier; null = none.
        vertical: Label of a position whose time is up: NEUTRAL (``zero``) or the ``sign`` of its return.
    """

    kind: Literal["triple_barrier"] = "triple_barrier"
    horizon: int = Field(default=10, ge=1)
    profit_take: float | None = Field(default=1.0, gt=0, allow_inf_nan=False)
    stop_loss: float | None = Field(default=1.0, gt=0, allow_inf_nan=False)
    vertical: Literal["zero", "sign"] = "zero"

    @property
    def longest(self) -> int:
        """Bars to the vertical barrier."""
        return self.horizon

    def reads(self, execution: Execution) -> tuple[str, ...]:
        """Close, fill, and what shows a touch."""
        return (*super().reads(execution), "open", "high", "low")

    def outcomes(self, market: Market, execution: Execution) -> Outcomes:
        """The simple return realised at the first touch; the label ends when the touching bar closes."""
        entry = market.ahead(execution.delay)
        end, leave, side, how = self._touches(market, execution)
        r = leave / pick(market.values(execution.price), entry) - 1
        if self.vertical == "sign":
            side = np.where(how == HOW.index("vertical"), np.sign(np.nan_to_num(r)), side).astype(np.int8)
        whole = np.ones(len(r))
        return Outcomes(market.times(entry), end, r, side, strength=whole, unit=whole, details={"how": how})

    def told(self, outcomes: Outcomes, kept: Mask) -> dict[str, Any]:
        """How many positions were left at which barrier, and what was special about it."""
        how, side = outcomes.details["how"][kept], outcomes.side[kept]
        touched = how != HOW.index("vertical")
        return {
            "touches": {
                "profit": int((touched & (side > 0)).sum()),
                "loss": int((touched & (side < 0)).sum()),
                "vertical": int((~touched).sum()),
                "gap_through": int((how == HOW.index("open")).sum()),
                "both_in_one_bar": int((how == HOW.index("both")).sum()),
            }
        }

    def _touches(self, market: Market, execution: Execution) -> _Touches:
        with announced("the kernels of labels"):
            from assay.market.labels.kernels import first_touch
        rows = market.panel.height
        leave, found = np.full(rows, np.nan), np.stack([np.full(rows, BEYOND), *np.zeros((2, rows), dtype=np.int64)])
        live = 0 if execution.price == "open" else 1  # after a fill at the close, its bar is over
        walk = np.array([execution.delay, self.horizon, live])
        bars = np.stack([*_bars(market, execution), *self._barriers(market)])
        first_touch(bars, market.stop, walk, leave, found)
        end, side, how = found
        return _Touches(end, leave, side.astype(np.int8), how.astype(np.int8))

    def _barriers(self, market: Market) -> tuple[Floats, Floats]:
        scale = market.scale.to_numpy()
        none = np.full(len(scale), np.nan)
        return (
            none if self.profit_take is None else 1 + self.profit_take * scale,
            none if self.stop_loss is None else 1 - self.stop_loss * scale,
        )


def _bars(market: Market, execution: Execution) -> tuple[Floats, ...]:
    extremes = market.panel.select(high=pl.max_horizontal("high", "close"), low=pl.min_horizontal("low", "close"))
    reach = (extremes[name].cast(pl.Float64).to_numpy() for name in ("high", "low"))
    return (market.values(execution.price), market.values("open"), *reach)
