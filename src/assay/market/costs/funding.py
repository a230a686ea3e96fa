"""What holding costs: funding at its settlement times."""

from datetime import timedelta
from typing import Literal

import polars as pl
from pydantic import Field, model_validator

from assay.market.errors import DataError
from assay.market.parameters import Parameters
from assay.market.tables import TIME

SETTLEMENT_COLUMNS = ("entity", "event_time", "rate")
MAX_HOLE = 3  # a gap of more than this many usual spacings is a hole in the settlements
NAMED_HOLES = 5


class Funding(Parameters):
    """Whether positions pay funding, and what is done where a settlement is not known.

    Attributes:
        kind: ``required`` stops when settlements are missing, ``assumed`` puts ``rate`` in their place, ``none``
            charges nothing.
        rate: Assumed rate per settlement; longs pay it when positive. Read for ``assumed`` only.
        interval: Time between assumed settlements. Read for ``assumed`` only.
    """

    kind: Literal["required", "assumed", "none"] = "required"
    rate: float | None = Field(default=None, allow_inf_nan=False)
    interval: timedelta | None = Field(default=None, gt=timedelta(0))

    @model_validator(mode="after")
    def _assumption_is_complete(self) -> "Funding":
        if self.kind == "assumed" and (self.rate is None or self.interval is None):
            raise ValueError(
                "funding.kind is 'assumed': give funding.rate (per settlement, e.g. 0.0001) "
                "and funding.interval (e.g. PT8H)"
            )
        return self


def check_funding(bars: pl.DataFrame, settlements: pl.DataFrame | None, funding: Funding) -> str:
    """Say in one sentence how funding is charged, for display beside every net figure.

    Args:
        bars: Bars of the span asked for, e.g. those of the ledger (``traded_bars``).
        settlements: See ``funding_schedule``.
        funding: What to do where settlements are missing.

    Raises:
        DataError: See ``funding_schedule``.
    """
    if funding.kind == "none":
        return "No funding is charged."
    schedule = funding_schedule(bars, settlements, funding)
    everyone, assumed = bars["entity"].n_unique(), schedule.filter("assumed")
    if assumed.is_empty():
        return f"Funding is charged at the known settlements of {everyone} of {everyone} entities."
    hours = (funding.interval or timedelta(0)) / timedelta(hours=1)
    return (
        f"Funding is assumed to be {(funding.rate or 0) * 1e4:g} bp every {hours:g} h for "
        f"{assumed.height / schedule.height:.0%} of the settlements ({assumed['entity'].n_unique()} of {everyone} "
        "entities); known settlements are charged as they were."
    )


def funding_schedule(bars: pl.DataFrame, settlements: pl.DataFrame | None, funding: Funding) -> pl.DataFrame:
    """List every settlement that is charged to a position.

    An entity is covered when its settlements leave no hole of more than three times their usual (median) spacing
    between its first and its last bar. Under ``assumed`` the assumed rate fills holes only, on a grid of ``interval``
    counted from 1970-01-01 00:00 UTC, at least half an interval away from every known settlement.

    Args:
        bars: Bars of the span asked for.
        settlements: Feed of funding settlements with ``entity, event_time`` (when it was settled, to the minute) and
            ``rate`` (a share of the notional); of several revisions of one settlement the last counts; null rates are
            not known. Market-wide rows (entity ``*``) are nobody's settlement. None when there is no such feed.
        funding: What to do where settlements are missing.

    Returns:
        One row per settlement, sorted: ``entity, time, rate, assumed``.

    Raises:
        DataError: Under ``required``, an entity is not covered; or a column is missing.
    """
    known = _known(bars, settlements)
    if funding.kind == "none":
        return known.clear()
    holes, known = _holes(bars, known), _inside(bars, known)
    if funding.kind == "assumed":
        return pl.concat([known, _assumed(bars, known, holes, funding)]).sort("entity", "time")
    if holes.height:
        raise DataError(
            "funding settlements",
            "required, but not known for all bars",
            expected=f"no hole of more than {MAX_HOLE} usual spacings between first and last bar of each entity",
            found=_describe(holes),
            do="load the missing settlements, or state an assumption with --params "
            "<workload>.backtest.funding.kind=assumed (and its rate and interval), or =none to charge no funding",
        )
    return known


def _known(bars: pl.DataFrame, settlements: pl.DataFrame | None) -> pl.DataFrame:
    if settlements is None:
        settlements = pl.DataFrame(schema={"entity": pl.String, "event_time": TIME, "rate": pl.Float64})
    if missing := [name for name in SETTLEMENT_COLUMNS if name not in settlements.columns]:
        raise DataError(
            "funding settlements",
            f"columns {missing} are missing",
            expected=list(SETTLEMENT_COLUMNS),
            found=settlements.columns,
            do="map the columns of the funding source to these names",
        )
    revision = ["available_time"] if "available_time" in settlements.columns else []
    return (
        settlements.join(bars.select("entity").unique(), on="entity", how="semi")
        .filter(pl.col("rate").is_finite())
        .sort("entity", "event_time", *revision)
        .unique(["entity", "event_time"], keep="last", maintain_order=True)
        # Exchanges stamp a settlement some milliseconds late; it belongs to the bar that ends at its minute.
        .select("entity", time=pl.col("event_time").dt.truncate("1m"), rate="rate", assumed=pl.lit(value=False))
    )


def _inside(bars: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Keep the settlements from the first to the last bar of each entity."""
    span = bars.group_by("entity").agg(first=pl.col("time").min(), last=pl.col("time").max())
    inside = known.join(span, on="entity", maintain_order="left").filter(pl.col("time").is_between("first", "last"))
    return inside.drop("first", "last")


def _holes(bars: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Find the parts of each entity's span without settlements: ``entity, start, end``, sorted."""
    spacing = known.group_by("entity").agg(spacing=pl.col("time").diff().median())
    edges = bars.group_by("entity").agg(pl.col("time").min(), last=pl.col("time").max())
    posts = pl.concat(
        [_inside(bars, known).select("entity", "time"), edges.drop("last"), edges.select("entity", time="last")]
    )
    return (
        posts.unique()
        .sort("entity", "time")
        .select("entity", start=pl.col("time").shift().over("entity"), end="time")
        .drop_nulls()
        .join(spacing, on="entity", how="left", maintain_order="left")
        .filter(((pl.col("end") - pl.col("start")) > MAX_HOLE * pl.col("spacing")).fill_null(value=True))
        .drop("spacing")
    )


def _assumed(bars: pl.DataFrame, known: pl.DataFrame, holes: pl.DataFrame, funding: Funding) -> pl.DataFrame:
    """Place assumed settlements on their grid inside the holes, half an interval away from known ones."""
    step, first, last = funding.interval or timedelta(0), pl.col("time").min(), pl.col("time").max()
    micros = step // timedelta(microseconds=1)
    grid = bars.group_by("entity", maintain_order=True).agg(
        start=((first.to_physical() // micros + 1) * micros).cast(TIME), stop=last
    )
    times = (
        grid.filter(pl.col("start") <= pl.col("stop"))
        .select("entity", time=pl.datetime_ranges("start", "stop", interval=step))
        .explode("time")
        .join_asof(holes, left_on="time", right_on="start", by="entity", check_sortedness=False)
        .filter(pl.col("time") <= pl.col("end"))
    )
    near = known.select("entity", "time", known=pl.lit(value=True))
    clear = times.join_asof(
        near, on="time", by="entity", strategy="nearest", tolerance=step / 2, check_sortedness=False
    )
    return clear.filter(pl.col("known").is_null()).select(
        "entity", "time", rate=pl.lit(funding.rate, dtype=pl.Float64), assumed=pl.lit(value=True)
    )


def _describe(holes: pl.DataFrame) -> str:
    named = "; ".join(
        f"{entity} {start:%Y-%m-%d} to {end:%Y-%m-%d}" for entity, start, end in holes.head(NAMED_HOLES).rows()
    )
    more = holes.height - NAMED_HOLES
    return f"not covered: {named}" + (f"; and {more} more" if more > 0 else "")
