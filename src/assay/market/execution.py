"""When and at which price a decision is filled: the one object that labels and ledger share."""

from typing import Literal

from pydantic import Field

from assay.market.parameters import Parameters


class Execution(Parameters):
    """A decision made at the close of bar t is filled at ``price`` of bar t + ``delay``.

    Attributes:
        price: Price field of the filling bar. ``close`` with ``delay: 1`` is the *next close*.
        delay: Bars between decision and fill. 0 would trade at a price that was already used to decide.
    """

    price: Literal["open", "close"] = "close"
    delay: int = Field(default=1, ge=1)
