"""Groups of rows by what was known when they were decided: volatility, trend, entity, hour."""

import math

import polars as pl

from assay.market.evaluation.rule import EvaluationRule
from assay.market.metrics.forecasts import Mask
from assay.market.tables import KEY

Groups = dict[str, list[tuple[str, Mask]]]

ENTITIES = 30  # those with the most rows
FLAT = 0.43  # standard deviations on either side of zero: a third of a random walk
THIRDS = ("low", "medium", "high")
TRENDS = ("down", "flat", "up")


def with_trend(oos: pl.DataFrame, bars: pl.DataFrame, rule: EvaluationRule) -> pl.DataFrame:
    """Predictions with the ``trend`` that each was made in.

    The trend is the log return over the last ``trend_bars`` bars up to the decision, in units of its standard
    deviation as the same bars tell it.

    Args:
        oos: Out-of-sample predictions.
        bars: ``entity, time`` (close of the bar) and ``close``, of the same entities.
        rule: How long a trend is.

    Returns:
        The same rows in the same order; ``trend`` is null where there are too few bars before a decision, or none at
        its time.
    """
    log, length = pl.col("close").log(), rule.trend_bars
    moved = (log - log.shift(length)).over("entity")
    spread = log.diff().rolling_std(length).over("entity") * math.sqrt(length)
    measured = bars.sort(*KEY).select(*KEY, trend=pl.when(spread > 0).then(moved / spread))
    return oos.join(measured, on=list(KEY), how="left", maintain_order="left")


def groups_of(frame: pl.DataFrame) -> Groups:
    """Split rows in several ways.

    - ``volatility``: thirds of the ``scale`` of the label, which is known at the decision, for each entity apart; the
      thirds are those of these rows.
    - ``trend``: down, flat or up; flat is what lies within 0.43 of zero, a third of a random walk.
    - ``entity``: the 30 with the most rows.
    - ``hour``: UTC hour of the decision.

    A row whose regime is not known is in none of its groups. A way to split for which there is no column, or that
    leaves a single group, is left out; entities are always told.

    Args:
        frame: ``entity, time`` and, where known, ``scale`` and ``trend`` of the rows.

    Returns:
        By way to split the name and the rows (n,) of each group, in the order in which they are told.
    """
    split: Groups = {"hour": _hours(frame)}
    if "scale" in frame.columns:
        split["volatility"] = _groups(_cut(_place(frame), (1 / 3, 2 / 3), THIRDS), THIRDS)
    if "trend" in frame.columns:
        split["trend"] = _groups(_cut(frame["trend"], (-FLAT, FLAT), TRENDS), TRENDS)
    groups = {way: split[way] for way in ("volatility", "trend", "hour") if len(split.get(way, ())) > 1}
    return groups | {"entity": _entities(frame)}


def _groups(mark: pl.Series, names: tuple[str, ...]) -> list[tuple[str, Mask]]:
    masks = [(name, (mark == name).fill_null(False).to_numpy()) for name in names]
    return [(name, mask) for name, mask in masks if mask.any()]


def _entities(frame: pl.DataFrame) -> list[tuple[str, Mask]]:
    counted = frame["entity"].value_counts().sort(["count", "entity"], descending=[True, False]).head(ENTITIES)
    return _groups(frame["entity"], tuple(counted["entity"].sort()))


def _hours(frame: pl.DataFrame) -> list[tuple[str, Mask]]:
    return _groups(frame["time"].dt.strftime("%H"), tuple(f"{hour:02d}" for hour in range(24)))


def _place(frame: pl.DataFrame) -> pl.Series:
    """Place of each row among the scales of its entity, between 0 and 1."""
    scale = pl.col("scale")
    return frame.select(place=scale.rank("average").over("entity") / (scale.count().over("entity") + 1))["place"]


def _cut(values: pl.Series, limits: tuple[float, float], names: tuple[str, str, str]) -> pl.Series:
    low, high = limits
    value = pl.col("value")
    mark = pl.when(value < low).then(pl.lit(names[0])).when(value <= high).then(pl.lit(names[1]))
    named = mark.when(value > high).then(pl.lit(names[2]))
    return values.alias("value").to_frame().select(mark=named)["mark"]
