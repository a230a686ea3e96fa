"""How thoroughly the leak audit looks, and where it draws its lines."""

from datetime import timedelta
from typing import Literal

from pydantic import Field

from assay.market.parameters import Parameters


class AuditRule(Parameters):
    """Budget, tolerances and seed of the leak audit.

    Attributes:
        cuts: Times, drawn from equal shares of the history, at which the panel is truncated (A1).
        perturbations: Times after which everything is replaced: rescaled, permuted and noisy in turn (A2).
        event_cuts: Most times per class of events at which the rows that follow are taken away (A3).
        random_cuts: Further times without an event that are tested in the same way (A3).
        reach: Timestamps after an event that are taken away (A3). A rare look-ahead that counts rows is seen however
            far it goes; one that goes by the clock, only so far.
        passes: Most recomputations that A3 may spend on its cuts; cuts beyond are left out and counted.
        trials: Most truncations that suspicions of A3 may cost, all features together; one is enough for all that look
            guilty at the same time.
        tolerance: Largest difference, in units of the value or of how far the values of the column usually lie apart,
            whichever is larger.
        skill_rows: Newest rows that A8 and A10 look at.
        shifts: Circular shifts of the outcome that make the null of A8; each further away than five label horizons.
        max_plausible_ic: A rank correlation with the outcome above this and above the null is too good (A8, stamps).
        delay_ic: A feature with a larger rank correlation must keep a quarter of it when it is one bar older (A10).
        dead_after: An entity counts as dead when its data end this long before those of the panel (A11).
        universe: ``fixed`` when the entities were named without knowing how they would fare; ``unverified`` when they
            are those that exist today (A11).
        seed: Seed of cuts, perturbations and shifts.
        allow_leaks: Whether training goes on although leaks were found; the report shows it in red.
    """

    cuts: int = Field(default=20, ge=1)
    perturbations: int = Field(default=3, ge=1)
    event_cuts: int = Field(default=50, ge=1)
    random_cuts: int = Field(default=1500, ge=0)
    reach: int = Field(default=3, ge=1)
    passes: int = Field(default=30, ge=1)
    trials: int = Field(default=16, ge=1)
    tolerance: float = Field(default=1e-9, ge=0)
    skill_rows: int = Field(default=200_000, ge=1000)
    shifts: int = Field(default=200, ge=100)
    max_plausible_ic: float = Field(default=0.15, gt=0, le=1)
    delay_ic: float = Field(default=0.1, gt=0, le=1)
    dead_after: timedelta = Field(default=timedelta(days=7), gt=timedelta(0))
    universe: Literal["fixed", "unverified"] = "unverified"
    seed: int = Field(default=7, ge=0)
    allow_leaks: bool = False
