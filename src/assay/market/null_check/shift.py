"""Real data without a signal: features moved in a circle against bars and labels."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from assay.market.errors import DataError
from assay.market.tables import KEY

FAR = 5  # a shift is further than so many label horizons


def shift_features(features: pl.DataFrame, *, horizon: int, memory: int, seed: int) -> pl.DataFrame:
    """Move the features in a circle, all entities by one offset in timestamps, so that none knows its label.

    The volatility of bars and labels, their overlap and the correlation of entities stay as they are; what features
    knew of any of it is lost with the direction, so this null cannot show whether volatility skill deceives the rules
    (simulated markets can).

    Args:
        features: Features table.
        horizon: Longest label of the workload, in bars.
        memory: Bars that features look back. A feature moved into the past by fewer bars would have seen the label; so
            offsets keep away from it, as far as half of the history allows.
        seed: Draws the offset.

    Returns:
        The same rows at other times, sorted by entity and time. Where an entity did not trade at the time from which
        features come, there is no row.

    Raises:
        DataError: The history is too short.
    """
    times = features["time"].unique().sort()
    least, most = FAR * horizon + 1, len(times) - max(FAR * horizon + 1, min(memory, len(times) // 2))
    if most <= least:
        raise DataError(
            "features",
            "have too short a history to be shifted",
            expected=f"more than {2 * least} timestamps",
            found=len(times),
            do="run the workload on a longer history first, or raise null_check.workloads.<workload>.newest",
        )
    offset = int(np.random.default_rng(seed).integers(least, most))
    moved = pl.concat([times.tail(len(times) - offset), times.head(offset)])
    return features.with_columns(pl.col("time").replace_strict(times, moved)).sort(KEY)


def shortened(tables: Mapping[str, Any], newest: int | None) -> dict[str, Any]:
    """Tables of a workload, those with a row per entity and time cut to the newest timestamps of its bars.

    Args:
        tables: By name; ``bars`` among them. Feeds, which have times of their own, and documents stay whole.
        newest: How many timestamps; None: all.
    """
    if newest is None:
        return dict(tables)
    kept = tables["bars"].select(pl.col("time").unique().sort()).tail(newest)
    return {name: _of_times(table, kept) for name, table in tables.items()}


def _of_times(table: Any, times: pl.DataFrame) -> Any:  # noqa: ANN401
    if not isinstance(table, pl.DataFrame) or not set(KEY) <= set(table.columns):
        return table
    return table.join(times, on="time", how="semi", maintain_order="left")
