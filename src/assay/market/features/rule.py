"""Which features a workload asks for."""

from datetime import timedelta

from pydantic import Field

from assay.market.parameters import Parameters


class FeatureRule(Parameters):
    """Families to compute and the limits they work under.

    Attributes:
        families: Names of the families to compute, in the order of the columns.
        exclude: Names of single features to leave out, those of higher bars included.
        timeframes: Names of features, of any family, to compute on higher bars too, by length of these bars (ISO 8601,
            e.g. ``P7D`` or ``PT4H``). Each becomes a column of its own, ``rsi_14_1w``.
        max_stale_open_share: Features that read the open are disabled when a larger share of rows has an open equal to
            the previous close: such opens are no prices.
        min_entities: Features of the market and ranks are null while fewer entities trade.
    """

    families: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    timeframes: dict[timedelta, tuple[str, ...]] = Field(default={})
    max_stale_open_share: float = Field(default=0.2, ge=0, le=1)
    min_entities: int = Field(default=5, ge=2)
