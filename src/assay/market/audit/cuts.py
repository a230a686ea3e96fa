"""Where the panel is cut: by chance, and at everything that happens in it."""

from collections.abc import Mapping
from typing import cast

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.market.errors import DataError
from assay.market.tables import BARS, KEY, OPTIONAL_BARS

Positions = npt.NDArray[np.int64]
LARGEST = 0.99  # a move beyond this quantile of an entity's moves is an event
EXTREME = 0.998  # and one beyond this quantile of all moves is another
FIRST = (pl.int_range(pl.len()) == 0).over("entity")
SLOW = 0.6  # a column that changes in a smaller share of rows changes at events
WIDE = 1.5  # a spacing of more than this many usual ones is a gap


def value_column(panel: pl.DataFrame) -> str:
    """``close``, or the first column of numbers where there is none.

    Raises:
        DataError: The panel has no column of numbers.
    """
    numbers = [name for name, kind in panel.schema.items() if kind.is_float()]
    if not numbers:
        raise DataError("panel", "has no column of numbers", expected="close, or any other", found=panel.columns)
    return "close" if "close" in numbers else numbers[0]


def moves(panel: pl.DataFrame) -> pl.Series:
    """Size of the relative change of ``close`` from one row of an entity to the next; of the first number without it.

    NaN and infinity are left undefined.
    """
    value = pl.col(value_column(panel))
    found = panel.select((value / value.shift(1) - 1).abs().over("entity").alias("move"))
    return found.select(pl.when(pl.col("move").is_finite()).then("move")).to_series()


def spread(count: int, positions: int, rng: np.random.Generator) -> Positions:
    """One random position from each of ``count`` equal shares of the positions that have a later one."""
    edges = np.linspace(0, positions - 1, min(count, positions - 1) + 1).astype(np.int64)
    return rng.integers(edges[:-1], np.maximum(edges[1:], edges[:-1] + 1))


def events(panel: pl.DataFrame, times: pl.Series) -> dict[str, Positions]:
    """Where something happens, as positions in ``times``, by class of event.

    A class holds the times at which an error would sit: the row before a feed is updated and the row of the update, the
    last and the first row of a day, week and month (a bar that closes at midnight is the first of its date and the last
    of its day), both rows around a gap and where a value vanishes or returns, the first and last row of each entity,
    the largest moves.

    Args:
        panel: Sorted by entity and time.
        times: Its unique times, sorted.

    Returns:
        Sorted unique positions, each with at least one later time; empty classes are left out.
    """
    flags = {**_updates(panel), **_calendar(panel, times), **_of_bars(panel)}
    at = panel["time"]
    found = {}
    for name, rows in flags.items():
        positions = times.search_sorted(at.filter(rows.fill_null(value=False)).unique().sort()).to_numpy()
        positions = positions[positions < len(times) - 1].astype(np.int64)
        if len(positions):
            found[name] = positions
    return found


def sample(classes: Mapping[str, Positions], most: int, rng: np.random.Generator) -> dict[str, Positions]:
    """At most so many positions of each class."""
    return {
        name: positions if len(positions) <= most else np.sort(rng.choice(positions, most, replace=False))
        for name, positions in classes.items()
    }


def _updates(panel: pl.DataFrame) -> dict[str, pl.Series]:
    """Rows at and just before new facts of feeds, and changes of other columns that change rarely."""
    known = {*BARS, *OPTIONAL_BARS}
    ages = [name for name in panel.columns if name.endswith("_age")]
    fed = tuple(name.removesuffix("age") for name in ages)
    slow = [name for name in panel.columns if name not in known and not name.startswith(fed)]
    told = {f"updates of {name.removesuffix('_age')}": pl.col(name).diff().over("entity") < 0 for name in ages}
    moves = {name: pl.col(name).ne_missing(pl.col(name).shift(1)).over("entity") & ~FIRST for name in slow}
    shares = panel.select(expression.mean().alias(name) for name, expression in moves.items())
    told |= {f"changes of {name}": moves[name] for name in slow if 0 < shares[name].item() < SLOW}
    return {name: _and_before(panel, expression) for name, expression in told.items()}


def _calendar(panel: pl.DataFrame, times: pl.Series) -> dict[str, pl.Series]:
    """Last and first rows of calendar periods longer than the bars, and both rows around a gap."""
    found = {}
    for name, every in (("day ends", "1d"), ("week ends", "1w"), ("month ends", "1mo")):
        period = times.dt.truncate(every)
        ends = (period != period.shift(-1)).fill_null(value=False)
        if ends.sum() < SLOW * len(ends):
            around = ends | ends.shift(1, fill_value=False)
            found[name] = around.gather(times.search_sorted(panel["time"]))
    spacing = panel.select(pl.col("time").diff().over("entity")).to_series().dt.total_microseconds()
    usual = cast("float", spacing.median() or 0)
    return found | {"edges of gaps": _and_before(panel, pl.lit(spacing > WIDE * usual))}


def _of_bars(panel: pl.DataFrame) -> dict[str, pl.Series]:
    last = (pl.int_range(pl.len()) == pl.len() - 1).over("entity")
    flags = {"first rows": FIRST, "last rows": last}
    holes = [name for name in panel.columns if name not in KEY and panel[name].null_count()]
    if holes:
        gone = (pl.col(name).is_null() for name in holes)
        turns = [(hole != hole.shift(1)).over("entity") & ~FIRST for hole in gone]
        flags["edges of missing values"] = pl.any_horizontal(turns)
    if "jump" in panel.columns:
        flags["flagged jumps"] = pl.col("jump")
    move = pl.col("__move__")
    flags["largest moves of an entity"] = (move > 0) & (move >= move.quantile(LARGEST)).over("entity")
    flags["largest moves of all"] = (move > 0) & (move >= move.quantile(EXTREME))
    found = panel.with_columns(moves(panel).alias("__move__")).select(flag.alias(name) for name, flag in flags.items())
    return {name: found[name] for name in flags}


def _and_before(panel: pl.DataFrame, event: pl.Expr) -> pl.Series:
    """The rows of an event and those just before them."""
    flag = panel.select("entity", event.fill_null(value=False).alias("event"))
    at = pl.col("event")
    return flag.select(at | at.shift(-1, fill_value=False).over("entity")).to_series()
