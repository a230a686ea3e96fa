"""Evaluate features over a sorted panel; null inside the warm-up and where a value is not finite."""

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from assay.market.features.feature import Array, Arrays, Expression, Feature
from assay.market.features.universe import MARKET_SOURCES, rank_in_universe, with_market
from assay.market.tables import KEY

PRICES = frozenset({"open", "high", "low", "close", "vwap"})
ROW = "__row__"  # position of a row within its entity


def compute(panel: pl.DataFrame, features: Sequence[Feature], *, min_entities: int) -> pl.DataFrame:
    """Evaluate features.

    Args:
        panel: Sorted by entity and time, with all columns that the features read.
        features: What to compute.
        min_entities: Fewest entities that make a market or a ranking.

    Returns:
        ``entity``, ``time`` and one Float32 column per feature, one row per row of the panel.
    """
    panel = panel.with_columns(pl.int_range(pl.len()).over("entity").alias(ROW))
    if any(not MARKET_SOURCES.keys().isdisjoint(feature.compute.columns) for feature in features):
        panel = with_market(panel, min_entities)
    within = panel.select(*KEY, *[_within_entity(feature, panel).alias(feature.name) for feature in features])
    ranks = [rank_in_universe(_finite(pl.col(f.name)), min_entities) for f in features if _is_ranked(f)]
    return within.with_columns(ranks).with_columns(_finite(pl.col(f.name).cast(pl.Float32)) for f in features)


def _is_ranked(feature: Feature) -> bool:
    return isinstance(feature.compute, Expression) and feature.compute.ranked


def _finite(values: pl.Expr) -> pl.Expr:
    return pl.when(values.is_finite()).then(values)


def _within_entity(feature: Feature, panel: pl.DataFrame) -> pl.Expr:
    """Values from the entity's own rows, null inside the warm-up."""
    if isinstance(feature.compute, Arrays):
        return pl.lit(_by_entity(panel, feature.compute, feature.warm_up))
    return pl.when(pl.col(ROW) >= feature.warm_up).then(feature.compute.expression.over("entity"))


def _by_entity(panel: pl.DataFrame, arrays: Arrays, warm_up: int) -> pl.Series:
    """Call a function on the complete rows of each entity and put its values back on these rows."""
    columns = panel.select(pl.col(arrays.columns).cast(pl.Float64)).to_numpy().T
    complete = ~np.isnan(columns).any(axis=0)
    result = np.full(panel.height, np.nan)
    for start, stop in _entities(panel):
        rows = start + np.flatnonzero(complete[start:stop])
        if len(rows) > warm_up:
            inputs = _relative([column[rows] for column in columns], arrays.columns)
            with np.errstate(divide="ignore", invalid="ignore"):
                result[rows[warm_up:]] = arrays.function(*inputs)[warm_up:]
    return pl.Series(result)


def _relative(inputs: list[Array], names: Sequence[str]) -> list[Array]:
    """Prices as multiples of the first one: thresholds inside a library then mean the same at any price."""
    first = next((values[0] for values, name in zip(inputs, names, strict=True) if name in PRICES), 1.0)
    return [values / first if name in PRICES else values for values, name in zip(inputs, names, strict=True)]


def _entities(panel: pl.DataFrame) -> Iterator[tuple[int, int]]:
    lengths = panel["entity"].rle().struct.field("len").to_list()
    ends = np.cumsum(lengths).tolist()
    return zip([0, *ends[:-1]], ends, strict=True)
