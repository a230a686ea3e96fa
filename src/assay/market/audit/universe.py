"""A11: did anything ever die?"""

from datetime import timedelta

import polars as pl

from assay.market.audit.document import Check, names
from assay.market.audit.rule import AuditRule

LONG = timedelta(days=730)


def check_universe(panel: pl.DataFrame, rule: AuditRule) -> Check:
    """A11: in two years some entity should have left; if none did, the survivors may have been picked afterwards.

    Args:
        panel: With ``entity`` and ``time``.
        rule: Whether the universe was named beforehand, and how long before the end data stop for a dead entity.
    """
    start, end = panel.select(pl.col("time").min(), end=pl.col("time").max()).row(0)
    ends = panel.group_by("entity").agg(pl.col("time").max()).sort("entity")
    dead = ends.filter(pl.col("time") < end - rule.dead_after)["entity"].to_list()
    fixed, young = rule.universe == "fixed", end - start < LONG
    count = f"{len(dead)} of {ends.height} entities end before the panel does" + (f": {names(dead)}" if dead else "")
    why = "named beforehand" if fixed else "less than two years" if young else "survivorship: unverified"
    return Check(
        id="A11",
        name="Universe",
        procedure=f"Entities whose data end more than {rule.dead_after.days} days before the panel's end count as "
        "dead; two years without one are not believed unless the universe is fixed.",
        outcome="pass" if dead or fixed or young else "incomplete",
        found=count if dead else f"{count}; {why}",
    )
