"""What was chosen, why, and from which rows."""

from typing import Self

from pydantic import AwareDatetime, Field

from assay.market.parameters import Parameters


class Selection(Parameters):
    """The features of one training part.

    Attributes:
        rows: Rows it was fitted on: those of the training part before the early-stopping tail.
        last_time_seen: Newest decision time among them.
        last_label_end: When the newest label among them was known.
        kept: Chosen features, in table order.
        dropped: Why each other feature was left out.
        ranks: By method the rank of each feature that was ranked, from 1 = best; equal scores share a mean rank.
        consensus: Mean rank over the methods.
    """

    rows: int
    last_time_seen: AwareDatetime
    last_label_end: AwareDatetime
    kept: tuple[str, ...]
    dropped: dict[str, str]
    ranks: dict[str, dict[str, float]] = Field(default_factory=dict)
    consensus: dict[str, float] = Field(default_factory=dict)

    def summary(self) -> Self:
        """The same without the ranks, as bundles carry it."""
        return self.model_copy(update={"ranks": {}, "consensus": {}})
