"""Evaluate features over a sorted panel; null inside the warm-up and where a value is not finite.

A feature that is not recursive depends on the rows of its window alone, to the last bit. So values of new rows need
only as much history as the warm-up says, and features that look back about as far share a piece of history.
"""

from bisect import bisect_left
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

import numpy as np
import polars as pl

from assay.market.features.arrays import by_entity, in_one_call
from assay.market.features.entities import Mask, Rows, Spans, spans_of
from assay.market.features.feature import Arrays, Batch, Expression, Feature
from assay.market.features.row_wise import is_row_wise
from assay.market.features.universe import MARKET_SOURCES, rank_in_universe, with_market
from assay.market.features.windows import with_windows
from assay.market.tables import KEY

ROW = "__row__"  # position of a row within its entity
REACHES = (16, 64, 256)  # rows of history that features share: the many short ones do not pay for the few long ones

BLOCK = 100_000  # rows whose expressions are evaluated at a time


def compute(
    panel: pl.DataFrame,
    features: Sequence[Feature],
    *,
    min_entities: int,
    since: datetime | None = None,
    threads: int | None = None,
) -> pl.DataFrame:
    """Evaluate features.

    Args:
        panel: Sorted by entity and time, with all columns that the features read.
        features: What to compute.
        min_entities: Fewest entities that make a market or a ranking.
        since: Time of the first rows to return; their values are those of a computation of all rows, to the last bit.
        threads: Most threads of the kernels; no value depends on it.

    Returns:
        ``entity``, ``time`` and one Float32 column per feature, one row per row of the panel (since then).
    """
    wanted = None if since is None else (panel["time"] >= since).to_numpy()
    engine = _Engine(panel, spans_of(panel["entity"], wanted), min_entities, threads)
    groups: dict[Hashable, list[Feature]] = {}
    for feature in features:
        groups.setdefault(_group(feature, everything=since is None), []).append(feature)
    values = panel.select(KEY)[engine.spans.wanted()]
    values = values.hstack([column for together in groups.values() for column in engine.evaluate(together)])
    ranks = [rank_in_universe(pl.col(f.name), min_entities).cast(pl.Float32) for f in features if _is_ranked(f)]
    return values.with_columns(ranks).select(*KEY, *[feature.name for feature in features])


def _group(feature: Feature, *, everything: bool) -> Hashable:
    """What the features have in common that are evaluated together."""
    match feature.compute:
        case Batch():
            what: Hashable = feature.compute
        case Arrays(columns=columns):
            what = tuple(columns)
        case Expression(columns=columns):
            what = _of_market(columns)
    if everything:
        return what
    return what, feature.recursive, bisect_left(REACHES, feature.warm_up)


def _is_ranked(feature: Feature) -> bool:
    return isinstance(feature.compute, Expression) and feature.compute.ranked


def _of_market(columns: Sequence[str]) -> bool:
    return not MARKET_SOURCES.keys().isdisjoint(columns)


@dataclass(frozen=True)
class _Engine:
    panel: pl.DataFrame
    spans: Spans
    min_entities: int
    threads: int | None

    def evaluate(self, features: Sequence[Feature]) -> list[pl.Series]:
        """Columns of a group of features with the wanted rows."""
        match features[0].compute:
            case Batch() as batch:
                return in_one_call(self.panel, self.spans, features, batch)
            case Arrays() as arrays:
                return by_entity(self.panel, self.spans, features, arrays)
            case Expression(columns=columns):
                return self._by_expression(features, of_market=_of_market(columns))

    def _by_expression(self, features: Sequence[Feature], *, of_market: bool) -> list[pl.Series]:
        reach = self.panel.height if features[0].recursive else max(feature.warm_up for feature in features)
        if of_market:
            return self._on_rows(self._whole_times(reach), features, of_market=True)
        blocks = self._blocks(self.spans.reaching_back(reach)[0])
        found = [self._on_rows(rows, features, of_market=False) for rows in blocks]
        if len(found) == 1:
            return found[0]
        return [pl.concat([columns.pop() for columns in found], rechunk=True) for _ in features]

    def _on_rows(self, rows: Rows, features: Sequence[Feature], *, of_market: bool) -> list[pl.Series]:
        sources = {*KEY}.union(*(feature.sources for feature in features))
        table = self.panel.select(sorted(sources))[rows]
        table = table.with_columns(pl.selectors.float().fill_nan(None), pl.Series(ROW, self.spans.positions(rows)))
        if of_market:
            table = with_market(table, self.min_entities)
        return self._columns(table, self._wanted_among(rows), features)

    def _blocks(self, rows: Rows) -> list[Rows]:
        """The rows in pieces of about `BLOCK`, each some whole entities: columns of windows take eight bytes a row."""
        entity = np.searchsorted(self.spans.stops, rows, side="right")
        begins = np.flatnonzero(np.diff(entity, prepend=-1))
        bounds = begins[np.flatnonzero(np.diff(begins // BLOCK, prepend=-1))]
        return np.split(rows, bounds[1:])

    def _columns(self, table: pl.DataFrame, wanted: Mask, features: Sequence[Feature]) -> list[pl.Series]:
        """Values of expressions; those that look at their own row alone are evaluated on the wanted rows alone."""
        still = [feature for feature in features if is_row_wise(_expression(feature))]
        moving = [feature for feature in features if feature not in still]
        spans = spans_of(table["entity"], wanted)
        table = with_windows(table, _reads(moving), spans.everywhere(), threads=self.threads)
        moved = _select(table, [_value(feature, within="entity") for feature in moving])
        table = with_windows(table, _reads(still), spans, threads=self.threads)
        if wanted.all():
            return moved + _select(table, [_value(feature) for feature in still])
        return [column.filter(wanted) for column in moved] + _select(
            table.filter(wanted), [_value(feature) for feature in still]
        )

    def _whole_times(self, reach: int) -> Rows:
        """All entities' rows from the earliest time that a wanted row looks back to, and from the time before it."""
        rows, _ = self.spans.reaching_back(reach)
        if not len(rows):
            return rows
        time = self.panel["time"]
        earliest = time[rows].min()
        neighbour = time.filter(time < earliest).max()
        return np.flatnonzero(time >= (neighbour or earliest))

    def _wanted_among(self, rows: Rows) -> Mask:
        wanted = np.zeros(self.panel.height, dtype=bool)
        wanted[self.spans.wanted()] = True
        return wanted[rows]


def _expression(feature: Feature) -> pl.Expr:
    return cast("Expression", feature.compute).expression


def _reads(features: Sequence[Feature]) -> set[str]:
    return {name for feature in features for name in _expression(feature).meta.root_names()}


def _select(table: pl.DataFrame, columns: Sequence[pl.Expr]) -> list[pl.Series]:
    """Evaluate lazily, which does what the columns share once."""
    return table.lazy().select(columns).collect().get_columns()


def _value(feature: Feature, *, within: str | None = None) -> pl.Expr:
    """Finite values, null inside the warm-up; in full precision if they are to be ranked."""
    values = _expression(feature) if within is None else _expression(feature).over(within)
    values = values.cast(pl.Float64 if _is_ranked(feature) else pl.Float32)
    return pl.when((pl.col(ROW) >= feature.warm_up) & values.is_finite()).then(values).alias(feature.name)
