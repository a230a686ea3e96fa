"""Alpha158: 158 daily factors of an instrument's own bars, by one compiled kernel."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.market.errors import DataError
from assay.market.features.announce import announced
from assay.market.features.entities import Array, Rows, Spans, in_parallel, spans_of
from assay.market.tables import KEY

LENGTHS = (5, 10, 20, 30, 60)
SHAPES = ("KMID", "KLEN", "KMID2", "KUP", "KUP2", "KLOW", "KLOW2", "KSFT", "KSFT2")
LEVELS = ("OPEN0", "HIGH0", "LOW0", "VWAP0")
ROLLING = (
    *("ROC", "MA", "STD", "BETA", "RSQR", "RESI", "MAX", "MIN", "QTLU", "QTLD"),
    *("RANK", "RSV", "IMAX", "IMIN", "IMXD", "CORR", "CORD", "CNTP", "CNTN", "CNTD"),
    *("SUMP", "SUMN", "SUMD", "VMA", "VSTD", "WVMA", "VSUMP", "VSUMN", "VSUMD"),
)
NAMES = (*SHAPES, *LEVELS, *(f"{family}{length}" for family in ROLLING for length in LENGTHS))
BARS = ("open", "high", "low", "close", "volume")
REACH = 60  # rows that the longest factor looks back

Compat = Literal["qlib"] | None


def alpha158(
    bars: pl.DataFrame, *, compat: Compat = None, threads: int | None = None, since: datetime | None = None
) -> pl.DataFrame:
    """The 158 factors of Qlib's handler Alpha158, as defined there, without its label.

    A factor of a row depends on that row and up to 60 rows before it of the same entity, to the last bit; so the last
    61 rows of each entity give the newest values of a whole history. A window of d rows is the last d rows that the
    entity has in the table, at the start of its history those there are. Where a symbol is suspended, leave the rows
    out: windows are then of days with trade. Rows with missing values, which windows skip, make them windows of
    calendar days.

    Args:
        bars: ``entity``, ``time``, ``open``, ``high``, ``low``, ``close``, ``volume`` and maybe ``vwap``, in any order
            of rows, adjusted alike. Without ``vwap`` it is ``quote_volume / volume``, and without ``quote_volume`` the
            typical price (high + low + close) / 3. Null, NaN and infinity are missing values.
        compat: ``qlib`` leaves R squared and correlations undefined up to a deviation of 2e-5, whatever the scale of
            the values, as Qlib does. By default the limit is 2e-5 times the mean, so that factors do not depend on the
            unit of the price and cheap symbols keep theirs.
        threads: Most threads; one per processor by default. No value depends on it.
        since: Time of the first rows to return; by default all.

    Returns:
        ``entity``, ``time`` and 158 Float32 columns, one row per bar (since then), sorted by entity and time. NaN where
        a definition has no value: windows without an observation, spreads of one observation, flat windows of R squared
        and correlations, and all that a missing value of the row itself enters. Known at the close of the bar.

    Raises:
        DataError: A column is missing, there are no bars, or two bars of an entity have the same time.
    """
    bars = _checked(bars)
    spans = spans_of(bars["entity"], None if since is None else (bars["time"] >= since).to_numpy())
    if since is not None:
        rows, spans = spans.reaching_back(REACH)
        bars = bars[rows]
    columns = {name: _numbers(bars, pl.col(name)) for name in BARS} | {"vwap": _numbers(bars, _vwap(bars))}
    values = factors(columns, spans, NAMES, compat=compat, threads=threads)
    keys = bars.select(KEY)
    if since is not None:
        values, keys = np.asfortranarray(values[spans.wanted()]), keys[spans.wanted()]
    return keys.hstack([_column(name, values[:, i]) for i, name in enumerate(NAMES)])


def factors(
    columns: Mapping[str, Array],
    spans: Spans,
    names: Sequence[str],
    *,
    compat: Compat = None,
    threads: int | None = None,
) -> npt.NDArray[np.float32]:
    """Some of the 158 factors as an array.

    Args:
        columns: ``open``, ``high``, ``low``, ``close``, ``volume`` and, for ``VWAP0``, ``vwap`` of all rows; NaN where
            missing.
        spans: Where the entities lie, and of which rows values are wanted.
        names: Of `NAMES`.
        compat: As for `alpha158`.
        threads: As for `alpha158`.

    Returns:
        Shape (rows, names), column-major, NaN where undefined. Rows that are not wanted hold anything.
    """
    with announced("the Alpha158 kernel"):
        from assay.market.features.alpha_kernel import alpha
    bars = (*(columns[name] for name in BARS), columns.get("vwap", columns["close"]))
    places = np.array([names.index(name) if name in names else -1 for name in NAMES])
    out = np.empty((len(names), len(bars[0])), dtype=np.float32)

    def work(starts: Rows, firsts: Rows, stops: Rows) -> None:
        alpha(bars, (starts, firsts, stops), places, compat == "qlib", out)

    in_parallel(work, spans, threads=threads)
    return out.T


def _checked(bars: pl.DataFrame) -> pl.DataFrame:
    """The bars sorted by entity and time."""
    missing = [name for name in (*KEY, *BARS) if name not in bars.columns]
    if missing:
        raise DataError(
            "bars for Alpha158",
            f"lack the column {', '.join(missing)}",
            expected=", ".join((*KEY, *BARS)),
            found=", ".join(bars.columns),
            do="rename or add it",
        )
    if bars.is_empty():
        raise DataError("bars for Alpha158", "have no rows", expected="at least one bar", do="check what was read")
    if not _rises(bars):
        bars = bars.sort(KEY)
    if not _rises(bars):
        twice = bars.filter(pl.struct(KEY).is_duplicated()).select(KEY)
        raise DataError(
            "bars for Alpha158",
            f"{twice.height} bars share their entity and time with another",
            expected="one bar per entity and time",
            found=twice.row(0) if twice.height else "a missing entity or time",
            do="remove the duplicates",
        )
    return bars


def _rises(bars: pl.DataFrame) -> bool:
    """Whether entities rise, and times within each."""
    entity, time = bars["entity"], bars["time"]
    if entity.has_nulls() or time.has_nulls():
        return False
    starts = spans_of(entity).starts
    names, steps = entity[starts], time.to_physical().to_numpy()
    later = steps[1:] > steps[:-1]
    later[starts[1:] - 1] = True
    return bool((names[1:] > names[:-1]).all() and later.all())


def _vwap(bars: pl.DataFrame) -> pl.Expr:
    if "vwap" in bars.columns:
        return pl.col("vwap")
    if "quote_volume" in bars.columns:
        return pl.col("quote_volume") / pl.col("volume")
    return (pl.col("high") + pl.col("low") + pl.col("close")) / 3


def _numbers(bars: pl.DataFrame, value: pl.Expr) -> Array:
    """Float64, NaN where missing."""
    value = value.cast(pl.Float64)
    finite = pl.when(value.is_finite()).then(value).otherwise(float("nan"))
    return bars.select(finite).to_series().rechunk().to_numpy()


def _column(name: str, values: npt.NDArray[np.float32]) -> pl.Series:
    """A series over the memory of the array."""
    import pyarrow as pa

    array: Any = pa.Array.from_buffers(pa.float32(), len(values), [None, pa.py_buffer(values)])
    return pl.Series(name, array)
