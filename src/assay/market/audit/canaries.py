"""A12: two leaks of our own, which the audit must find; otherwise it is the audit that is broken."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import polars as pl

from assay.market.audit.compare import aligned
from assay.market.audit.cuts import EXTREME, moves, value_column
from assay.market.audit.document import Check, names
from assay.market.audit.subject import FeatureFunction
from assay.market.tables import KEY

NEXT, RARE = CANARIES = ("__canary_next_bar__", "__canary_rare__")
ONE_IN = round(1 / (1 - EXTREME))


@dataclass(frozen=True)
class WithCanaries:
    """The function under test, with two features more that know the next bar.

    Attributes:
        function: The function under test.
        column: Column whose next change they know.
        large: The rare one knows it only after a move of this size or more.
    """

    function: FeatureFunction
    column: str
    large: float

    def __call__(self, panel: pl.DataFrame) -> pl.DataFrame:
        """Features of a panel, canaries last."""
        following = (pl.col(self.column).shift(-1) - pl.col(self.column)).over("entity")
        rare = pl.when(moves(panel) >= self.large).then(following).otherwise(0.0)
        sung = panel.select(*KEY, following.alias(NEXT), rare.alias(RARE))
        return aligned(self.function(panel), sung.select(KEY)).hstack(sung.drop(KEY))


def with_canaries(panel: pl.DataFrame, function: FeatureFunction) -> FeatureFunction:
    """Add a leak on every row, and one on the rows after the largest moves, one in 500."""
    return WithCanaries(function, value_column(panel), moves(panel).quantile(EXTREME) or 0.0)


def check_canaries(accused: Mapping[str, Collection[str]]) -> Check:
    """A12: both planted leaks were found.

    Args:
        accused: By test, the names it accuses.
    """
    seen = {canary: [test for test, found in accused.items() if canary in found] for canary in CANARIES}
    missed = [name.strip("_").replace("_", " ") for name, tests in seen.items() if not tests]
    return Check(
        id="A12",
        name="Canaries",
        procedure=f"Two leaks are planted: the next bar's change on every row, and only after the largest moves, "
        f"one row in {ONE_IN}; both must be found.",
        outcome="fail" if missed else "pass",
        found=f"missed: {names(missed)}; the audit itself cannot be trusted on these data"
        if missed
        else f"found by {', '.join(seen[NEXT])} and, the rare one, by {', '.join(seen[RARE])}",
    )
