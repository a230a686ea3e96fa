"""Columns that describe all entities at once, for features to read like columns of the panel.

Two bars are neighbours when no entity has a bar between them: a return across a gap belongs to no market. The market
at t is the equal weight of the entities with bars at t and at the time before, without the entity in question. Nothing
is filled forward.
"""

import polars as pl

OWN_RETURN, OTHERS_RETURN, OTHERS_RISING = "market.own_return", "market.others_return", "market.others_rising"
MARKET_SOURCES = dict.fromkeys((OWN_RETURN, OTHERS_RETURN, OTHERS_RISING), ("close", "time"))


def with_market(panel: pl.DataFrame, min_entities: int) -> pl.DataFrame:
    """Add the market columns.

    Args:
        panel: Sorted by entity and time, with ``close``.
        min_entities: Fewest entities with a return, the one in question included, that make a market.

    Returns:
        The panel with the simple return since the neighbouring bar (null at an entity's first bar and after a gap), the
        mean of that of the others, and the share of the others where it is positive (both null without a market).
    """
    own = pl.col(OWN_RETURN)
    present = own.count().over("time")
    market = pl.when(own.is_not_null() & (present >= min_entities))
    rising = (own > 0).cast(pl.Float64)
    return panel.with_columns(_own_return(panel)).with_columns(
        market.then((own.sum().over("time") - own) / (present - 1)).alias(OTHERS_RETURN),
        market.then((rising.sum().over("time") - rising) / (present - 1)).alias(OTHERS_RISING),
    )


def rank_in_universe(values: pl.Expr, min_entities: int) -> pl.Expr:
    """Rank less one half, over the count of entities at one time; null where fewer than ``min_entities`` count."""
    present = values.count().over("time")
    return pl.when(present >= min_entities).then((values.rank("average").over("time") - 0.5) / present)


def _own_return(panel: pl.DataFrame) -> pl.Series:
    position = pl.col("time").rank("dense").cast(pl.Int64)
    steps = pl.col("position").diff().over("entity")
    change = (pl.col("close") / pl.col("close").shift(1) - 1).over("entity")
    return (
        panel.with_columns(position.alias("position"))
        .select(pl.when(steps == 1).then(change).alias(OWN_RETURN))
        .to_series()
    )
