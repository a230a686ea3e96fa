"""A6: every joined fact was known at its decision, and no newer one was; checked without the code that joins."""

from collections.abc import Mapping, Sequence

import polars as pl

from assay.market.audit.document import Check, names
from assay.market.tables import EVERYONE, FEED

HOUR = 3_600_000_000  # in microseconds
WRONG = {
    "unknown": "values that the feed never held for that event",
    "early": "used before they were known",
    "stale": "although a newer fact was known",
}


def check_joins(panel: pl.DataFrame, feeds: Mapping[str, pl.DataFrame], sources: Mapping[str, Sequence[str]]) -> Check:
    """A6: hold the panel's columns of each feed against the feed's own table.

    Args:
        panel: With ``<feed>_<value>`` and ``<feed>_age`` (hours since the event) of each feed that has rows.
        feeds: By name: ``entity, event_time, available_time``, values.
        sources: Panel columns that each feature reads, to say whom a wrong join concerns.

    Returns:
        ``fail`` with one violation; ``incomplete`` when the panel holds the columns of a feed whose table is missing.
    """
    joined = {name: feed for name, feed in feeds.items() if len(feed) and f"{name}_age" in panel.columns}
    told = [column for column in panel.columns if column.endswith("_age")]
    unknown = [column for column in told if column.removesuffix("_age") not in joined]
    wrong = {name: violations(panel, feed, name) for name, feed in joined.items()}
    said = [_say(name, found) for name, found in wrong.items() if any(found.values())]
    bad = tuple(f"{name}_" for name, found in wrong.items() if any(found.values()))
    accused = {
        name: f"reads a feed that is joined wrongly: {said[0]}"
        for name, columns in sources.items()
        if bad and any(column.startswith(bad) for column in columns)
    }
    rows = sum(int(panel[f"{name}_age"].is_not_null().sum()) for name in joined)
    otherwise = f"{rows:,} joined facts of {names(list(joined))} were known and the newest" if joined else "no feeds"
    missing = f"no table of the feed behind {names(unknown)}"
    return Check(
        id="A6",
        name="Availability of feeds",
        procedure="Each joined fact is looked up in its feed: same values, known at the decision or before, and no "
        "newer event or revision known earlier.",
        outcome="fail" if said else "incomplete" if unknown else "pass",
        found="; ".join(said) or (missing if unknown else otherwise),
        detectable="every row; a source that is wrong about when it knew is not seen",
        accused=accused,
    )


def violations(panel: pl.DataFrame, feed: pl.DataFrame, name: str) -> dict[str, int]:
    """Count the rows whose joined fact is unknown to the feed, was not yet known, or was not the newest."""
    values = [column for column in feed.columns if column not in FEED and f"{name}_{column}" in panel.columns]
    rows = _rows(panel, name, values, wide=feed["entity"][0] == EVERYONE)
    facts = feed.rename({column: f"{name}_{column}" for column in values})
    facts = facts.rename({"entity": "of", "available_time": "known"})
    pairs = rows.join(facts, on=["of", "event_time"], how="left", suffix="_told")
    same = pl.all_horizontal(
        pl.col(f"{name}_{column}").eq_missing(pl.col(f"{name}_{column}_told")) for column in values
    )
    same = same & pl.col("known").is_not_null()
    judged = pairs.group_by("row").agg(
        held=same.any(),
        had=pl.col("known").filter(same & (pl.col("known") <= pl.col("time"))).max(),
        revised=pl.col("known").filter(pl.col("known") < pl.col("time")).max(),
        event=pl.col("event_time").first(),
    )
    newest = _newest_known(rows, facts)
    judged = judged.join(newest, on="row", how="left")
    outdated = (pl.col("revised") > pl.col("had")) | (pl.col("newest") > pl.col("event"))
    return judged.select(
        unknown=(~pl.col("held")).sum(),
        early=(pl.col("held") & pl.col("had").is_null()).sum(),
        stale=(pl.col("had").is_not_null() & outdated.fill_null(value=False)).sum(),
    ).row(0, named=True)


def _rows(panel: pl.DataFrame, name: str, values: Sequence[str], *, wide: bool) -> pl.DataFrame:
    """Rows with a fact, and when its event was."""
    age = (pl.col(f"{name}_age") * HOUR).round().cast(pl.Int64)
    of = pl.lit(EVERYONE) if wide else pl.col("entity")
    return (
        panel.with_row_index("row")
        .filter(pl.col(f"{name}_age").is_not_null())
        .select("row", "time", of.alias("of"), *(f"{name}_{column}" for column in values), age.alias("age"))
        .with_columns(event_time=pl.col("time") - pl.duration(microseconds=pl.col("age")))
    )


def _newest_known(rows: pl.DataFrame, facts: pl.DataFrame) -> pl.DataFrame:
    """The latest event that was known strictly before each decision."""
    arrivals = facts.sort("known").select("of", "known", newest=pl.col("event_time").cum_max().over("of"))
    found = rows.sort("time").join_asof(
        arrivals,
        left_on="time",
        right_on="known",
        by="of",
        allow_exact_matches=False,
        check_sortedness=False,
    )
    return found.select("row", "newest")


def _say(name: str, found: Mapping[str, int]) -> str:
    return f"{name}: " + ", ".join(f"{count:,} rows {WRONG[kind]}" for kind, count in found.items() if count)
