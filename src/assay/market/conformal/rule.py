"""How intervals around forecasts of a return are made."""

from pydantic import Field

from assay.market.significance import BootstrapRule


class IntervalRule(BootstrapRule):
    """How intervals are made; resampling of their coverage as in `BootstrapRule`.

    Attributes:
        coverage: Share of outcomes that shall lie inside.
        rate: Step of the adaptive level (gamma of Gibbs & Candes 2021) per label span: a timestamp moves the level by
            ``rate / horizon``, for overlapping labels miss together, and a full step for each would swing the level
            below 0, where intervals are infinite. 0: it stays, which is split conformal over a rolling window.
        window: Timestamps, back from the newest one of which a label is known, whose known scores set the width.
        min_rows: Known scores that the first interval waits for.
    """

    coverage: float = Field(default=0.9, gt=0, lt=1)
    rate: float = Field(default=0.02, ge=0, lt=1)
    window: int = Field(default=1000, ge=10)
    min_rows: int = Field(default=100, ge=1)
    replications: int = Field(default=200, ge=50)
