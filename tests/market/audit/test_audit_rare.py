"""Suspicions of the event cuts: who gets the few trials there are."""

from typing import Any

import polars as pl

from assay.market.audit import AuditRule
from assay.market.audit.rare import check_events
from assay.market.audit.subject import Subject
from assay.market.audit.warm_up import Memory

close, time = pl.col("close"), pl.col("time")
HONEST = [f"sum {number}" for number in range(20)]


def test_features_that_are_suspected_everywhere_leave_trials_for_one_that_is_suspected_once(market: Any) -> None:
    panel = market(0, entities=1)
    middle, late = panel["time"][300], panel["time"][450]

    def function(table: pl.DataFrame) -> pl.DataFrame:
        early = pl.when(time < middle).then(close.cum_sum()).otherwise(0.0)
        following = pl.when(time == late).then(close.shift(-1)).otherwise(0.0)
        return table.select("entity", "time", *(early.alias(name) for name in HONEST), leak=following)

    rule = AuditRule(event_cuts=600, random_cuts=600, reach=1, trials=8)
    forgets = Memory({}, dict.fromkeys([*HONEST, "leak"], 2), 2)  # wrong for sums over all rows before
    found = check_events(Subject(panel, function, rule), forgets)
    assert {*found.accused} == {"leak"}
