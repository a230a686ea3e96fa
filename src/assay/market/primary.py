"""What a run sets out to show, declared before it."""

from assay.market.parameters import Parameters

DIRECTION_METRICS = ("direction_ic", "direction_rank_ic", "ic", "rank_ic")


class Primary(Parameters):
    """The one claim declared before the run; everything else is exploratory.

    Attributes:
        head: Head that is judged.
        model: Model, or ensemble, that is judged.
        metric: How its direction is scored: ``direction_ic``, ``direction_rank_ic``, ``ic`` or ``rank_ic``.
        partner: Model that decides beside it in the other heads; None = one of the same name.
    """

    head: str
    model: str
    metric: str = "direction_ic"
    partner: str | None = None

    def decides(self, head: str) -> str:
        """The model that decides in a head."""
        return self.model if head == self.head else self.partner or self.model
