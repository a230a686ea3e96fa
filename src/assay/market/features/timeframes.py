"""Several time frames: features of higher bars, each known only when its bar has closed.

Higher bars are aligned to Monday, 5 January 1970, 00:00 UTC, so that days begin at midnight and weeks on Monday.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.market.errors import ConfigurationError
from assay.market.features.compute import compute
from assay.market.features.feature import Array, Feature
from assay.market.tables import KEY, VOLUMES

FAMILY = "timeframes"
ORIGIN = datetime(1970, 1, 5, tzinfo=UTC)
TOTALS = tuple(name for name in VOLUMES if name != "vwap")
UNITS = (
    ("w", "week", timedelta(weeks=1)),
    ("d", "day", timedelta(days=1)),
    ("h", "hour", timedelta(hours=1)),
    ("m", "minute", timedelta(minutes=1)),
)
END = "__bucket_end__"

Rows = npt.NDArray[np.int64]


def bar_interval(panel: pl.DataFrame) -> timedelta | None:
    """Time between two bars of an entity: the middle one of all spacings; None where no entity has two bars.

    Args:
        panel: Sorted by entity and time.
    """
    spacing = panel.select(pl.col("time").diff().over("entity").drop_nulls().sort())["time"]
    return spacing[(len(spacing) - 1) // 2] if len(spacing) else None


def frame_label(frame: timedelta) -> str:
    """Suffix of the names of a frame's features: ``1w``, ``1d``, ``4h`` or ``30m``."""
    count, (letter, _) = _counted(frame)
    return f"{count}{letter}"


def higher_feature(feature: Feature, frame: timedelta, bar: timedelta) -> Feature:
    """The catalogue's entry for a feature of higher bars.

    Args:
        feature: A feature of the base bars.
        frame: Length of the higher bars.
        bar: Length of the base bars, see `bar_interval`.

    Returns:
        The feature under its name with the frame as suffix, in the family ``timeframes``. Window and warm-up count
        base bars; the warm-up is an upper bound (it contains the dropped first bucket and the wait for a close).

    Raises:
        ConfigurationError: The frame is no longer than a bar, or not a whole multiple of it.
    """
    bars = _bars_per_bucket(frame, bar)
    count, (_, word) = _counted(frame)
    return dataclasses.replace(
        feature,
        name=f"{feature.name}_{frame_label(frame)}",
        family=FAMILY,
        definition=f"{feature.definition}, of bars of {count} {word}{'s' if count > 1 else ''}",
        window=feature.window * bars,
        warm_up=(feature.warm_up + 2) * bars,
    )


def resample(panel: pl.DataFrame, frame: timedelta) -> pl.DataFrame:
    """Higher bars of a panel.

    A row whose close falls on a boundary belongs to the bucket that ends there. An entity's first bucket is dropped,
    because rows before its first one may be missing from it, and so are buckets that end after the newest time of the
    panel: they are still forming.

    Args:
        panel: Sorted by entity and time.
        frame: Length of a higher bar.

    Returns:
        The panel's columns, one row per entity and closed bucket with at least one row, sorted; ``time`` is the end of
        the bucket, which is when it is known. First open, highest high, lowest low, summed volumes, vwap weighted by
        volume, last close and last value of every feed; a jump where one row has one. A highest, lowest or summed value
        is null when one of its rows has none.
    """
    ends = _bucket_ends(panel["time"], frame)
    starts, stops = _buckets(panel["entity"], ends)
    bars = panel[stops - 1].with_columns(ends[stops - 1].alias("time"), *_summaries(panel, starts))
    return bars.filter(pl.col("entity").is_first_distinct().not_() & (pl.col("time") <= panel["time"].max()))


def on_higher_bars(
    panel: pl.DataFrame,
    frames: Mapping[timedelta, Sequence[Feature]],
    *,
    min_entities: int,
    since: datetime | None = None,
) -> pl.DataFrame:
    """Evaluate features on higher bars and bring them to the rows that may know them.

    Each row gets the values of its entity's newest higher bar that closed at or before the row's time, however long ago
    that was: the first rows after a pause see the last bar before it.

    Args:
        panel: Sorted by entity and time, from the beginning of each entity's history.
        frames: Features of the base bars to evaluate, by length of the higher bars.
        min_entities: Fewest entities that make a market or a ranking.
        since: Rows before it are left out; the others have the same bits as without it.

    Returns:
        ``entity``, ``time`` and a Float32 column ``<name>_<frame>`` per feature and frame (``rsi_14_1d``), one row per
        row of the panel from ``since`` on; null before the first higher bar has closed and inside the warm-up.
    """
    rows = panel.select(KEY) if since is None else panel.select(KEY).filter(pl.col("time") >= since)
    for frame, features in frames.items():
        bars = resample(panel, frame)
        names = {feature.name: f"{feature.name}_{frame_label(frame)}" for feature in features}
        if bars.is_empty():
            rows = rows.with_columns(pl.lit(None, pl.Float32).alias(name) for name in names.values())
        else:
            cut = None if since is None else _first_needed(rows, bars)
            values = compute(bars, features, min_entities=min_entities, since=cut)
            rows = _newest(rows, values.rename(names))
    return rows


def _newest(rows: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Bring to each row what was known of its entity at or before the row's time, the newest."""
    return rows.join_asof(known, on="time", by="entity", strategy="backward", check_sortedness=False)


def _counted(frame: timedelta) -> tuple[int, tuple[str, str]]:
    for letter, word, unit in UNITS:
        if frame % unit == timedelta(0):
            return frame // unit, (letter, word)
    return frame // timedelta(seconds=1), ("s", "second")


def _bars_per_bucket(frame: timedelta, bar: timedelta) -> int:
    if frame <= bar or frame % bar != timedelta(0):
        raise ConfigurationError(
            f"time frame {frame}",
            "does not consist of whole bars",
            expected=f"a multiple of {bar}, at least two bars",
            found=frame,
            do="correct the frame under timeframes of the features",
        )
    return frame // bar


def _bucket_ends(times: pl.Series, frame: timedelta) -> pl.Series:
    since_origin = (times - ORIGIN).cast(pl.Duration("us")).to_physical().to_numpy()
    length = frame // timedelta(microseconds=1)
    ends = -(-since_origin // length) * length
    return (pl.Series("time", ends).cast(pl.Duration("us")) + ORIGIN).cast(times.dtype)


def _buckets(entities: pl.Series, ends: pl.Series) -> tuple[Rows, Rows]:
    """First row of each bucket, and the row after its last one."""
    lengths = pl.DataFrame([entities, ends]).select(pl.struct(pl.all()).rle().struct.field("len")).to_series()
    stops = lengths.cast(pl.Int64).cum_sum().to_numpy()
    return np.r_[np.zeros(1, np.int64), stops[:-1]], stops


def _summaries(panel: pl.DataFrame, starts: Rows) -> list[pl.Series]:
    """Columns that are not the last value of their bucket; NaN, which spreads within a bucket only, stands for null."""
    found = {"open": _numbers(panel, "open")[starts]} if "open" in panel.columns else {}
    for name, summary in {"high": np.maximum, "low": np.minimum, **dict.fromkeys(TOTALS, np.add)}.items():
        if name in panel.columns:
            found[name] = summary.reduceat(_numbers(panel, name), starts)
    if {"vwap", "volume"} <= {*panel.columns}:
        found["vwap"] = _weighted(_numbers(panel, "vwap"), _numbers(panel, "volume"), starts)
    summaries = [pl.Series(name, values, nan_to_null=True) for name, values in found.items()]
    if "jump" in panel.columns:
        jumped = np.logical_or.reduceat(panel["jump"].fill_null(value=False).to_numpy(), starts)
        summaries.append(pl.Series("jump", jumped))
    return summaries


def _numbers(panel: pl.DataFrame, name: str) -> Array:
    values: Array = panel[name].cast(pl.Float64).to_numpy()
    return values


def _weighted(values: Array, weights: Array, starts: Rows) -> Array:
    """Weighted mean per bucket; a row without weight needs no value."""
    parts = np.where(weights == 0, 0.0, values * weights)
    total = np.add.reduceat(weights, starts)
    return np.divide(np.add.reduceat(parts, starts), total, where=total > 0, out=np.full_like(total, np.nan))


def _first_needed(rows: pl.DataFrame, bars: pl.DataFrame) -> datetime | None:
    """Oldest higher bar that one of the rows still looks back to."""
    oldest = _newest(rows, bars.select(*KEY, pl.col("time").alias(END)))[END].min()
    return oldest if isinstance(oldest, datetime) else None
