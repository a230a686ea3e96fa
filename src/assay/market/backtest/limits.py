"""How much a book may hold."""

from collections.abc import Mapping
from typing import Annotated

import numpy as np
from pydantic import Field

from assay.market.backtest.tape import Floats, Index, Tape
from assay.market.errors import ConfigurationError
from assay.market.parameters import Parameters

Lot = Annotated[float, Field(gt=0, allow_inf_nan=False)]

WHOLE = 1e-9  # lots; a position that misses a whole number of lots by less is whole


class Limits(Parameters):
    """How much a book may hold.

    The first two look at the position that a decision will lead to, valued at the close of the decision, and scale what
    is held from its fill on; until the next fill prices may carry a position beyond its limit.

    Attributes:
        max_position: Largest net position of an entity, long or short, as a share of its capital.
        max_gross: Largest sum of all positions, long plus short, as a share of the whole capital; all entities are
            scaled alike.
        lot: Smallest quantity that can be held, in units (coins, shares), the same for all entities or by entity.
            Positions are rounded towards zero.
    """

    max_position: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    max_gross: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    lot: Lot | dict[str, Lot] | None = None

    @property
    def scales(self) -> bool:
        """Whether positions are scaled."""
        return self.max_position is not None or self.max_gross is not None


def scale_of(tape: Tape, planned: Floats, limits: Limits, delay: int) -> Floats:
    """The share of its tranches that a book may hold after each row.

    Args:
        tape: Bars of the ledger.
        planned: Position that each decision will lead to, as a share of the entity's capital.
        limits: Limits per entity and of the whole book.
        delay: Bars from the decision to the fill.

    Returns:
        Factor from 0 to 1 by row of the fill; without meaning before the first fill of an entity.
    """
    size = np.abs(planned)
    most = limits.max_position or np.inf
    scale = np.divide(most, size, out=np.ones_like(size), where=size > most)
    if limits.max_gross is not None:
        scale *= _of_the_book(tape, size * scale, limits.max_gross * len(tape.first))
    fills = np.ones(len(scale))
    fills[delay:] = scale[: len(scale) - delay]
    return fills


def whole_lots(tape: Tape, quantity: Floats, limits: Limits, *, capital: float) -> Floats:
    """Round quantities towards zero to whole lots.

    Args:
        tape: Bars of the ledger.
        quantity: Units per unit of the entity's capital, by row.
        limits: The lots.
        capital: Capital of one entity.

    Raises:
        ConfigurationError: Lots are given by entity, and one is missing.
    """
    sizes = limits.lot if isinstance(limits.lot, Mapping) else dict.fromkeys(tape.entities, limits.lot)
    lots = [sizes.get(name) for name in tape.entities]
    for name, lot in zip(tape.entities, lots, strict=True):
        if lot is None:
            raise ConfigurationError(
                "limits.lot",
                f"unknown for {name}",
                expected="a positive number of units for every entity",
                found=limits.lot,
                do="add the entity, or give one lot for all",
            )
    lot = tape.by_row(np.array(lots, dtype=np.float64))
    rounded: Floats = np.trunc(quantity * capital / lot * (1 + WHOLE)) * lot / capital
    return rounded


def _of_the_book(tape: Tape, size: Floats, most: float) -> Floats:
    from assay.market.backtest.kernels import share_out

    numbers: Index = np.arange(len(tape.first))
    scale = np.ones(len(size))
    rows = np.stack([tape.times, tape.by_row(numbers)])
    share_out(np.argsort(tape.times, kind="stable"), rows, size, most, scale)
    return scale
