"""Columns of users' files in the types of Assay: names matched tolerantly, times never guessed to be UTC."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from difflib import get_close_matches

import polars as pl

from assay.market.errors import DataError
from assay.market.tables import TIME

EPOCHS = (datetime(1980, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))  # other numbers are no times of markets
MEND = "mend the file; where a value is not known, leave the cell empty"
AWARE, NAIVE = "%Y-%m-%dT%H:%M:%S%.f%z", "%Y-%m-%dT%H:%M:%S%.f"


def choose_columns(
    found: Sequence[str], accepted: Mapping[str, Sequence[str]], required: Sequence[str], *, file: str
) -> dict[str, str]:
    """Match the columns of a file to the names that Assay uses.

    Case, spaces and punctuation do not matter: ``Open time``, ``openTime`` and ``open_time`` are the same.

    Args:
        found: Column names of the file.
        accepted: For each name of Assay the names it may have in a file, best first; its own name always counts.
        required: Names of Assay that must be there.
        file: The file, for errors.

    Returns:
        Column of the file by name of Assay, without the optional ones that are absent.

    Raises:
        DataError: A required column is missing, or two columns are the same but for case and punctuation.
    """
    chosen = {}
    for name, aliases in accepted.items():
        names = dict.fromkeys((*aliases, name))
        matches = next(filter(None, ([f for f in found if _plain(f) == _plain(alias)] for alias in names)), [])
        if len(matches) > 1:
            raise DataError(f"{file}, column '{name}'", "is there twice", expected="one", found=", ".join(matches))
        if matches:
            chosen[name] = matches[0]
        elif name in required:
            near = get_close_matches(name, found, cutoff=0.6)
            raise DataError(
                f"{file}, column '{name}'",
                "is missing",
                expected=f"one of {', '.join(names)}",
                found=f"{', '.join(found)}" + (f" (near: {', '.join(near)})" if near else ""),
                do="rename the column, or add its name to 'columns' of this source in the catalog",
            )
    return chosen


def as_numbers(column: pl.Series, *, file: str) -> pl.Series:
    """Float64; numbers written as text are read, text that is no number is an error.

    Raises:
        DataError: The column holds something else than numbers.
    """
    if column.dtype.is_numeric() or column.dtype == pl.Null:
        return column.cast(pl.Float64)
    text = _as_text(column, "numbers", file)
    values = text.cast(pl.Float64, strict=False)
    _refuse_unread(text, values, "numbers", file)
    return values


def as_dates(column: pl.Series, *, file: str) -> pl.Series:
    """Calendar dates of the exchange; a time of day is cut off.

    Raises:
        DataError: The column holds something else than dates or ISO text.
    """
    if isinstance(column.dtype, pl.Date | pl.Datetime):
        return column.cast(pl.Date)
    text = _as_text(column, "dates", file)
    values = text.str.head(10).str.to_date("%Y-%m-%d", strict=False)
    _refuse_unread(text, values, "dates such as 2024-03-28", file)
    return values


def as_times(column: pl.Series, *, zone: str | None, file: str) -> pl.Series:
    """Instants in UTC.

    Read are: times with a zone, ISO 8601 text with an offset, and whole numbers since 1970 whose unit (seconds,
    milli-, micro- or nanoseconds) is told from the size of each. Times without a zone are in ``zone``.

    Args:
        column: The raw column.
        zone: Zone declared for times without one, e.g. ``UTC``. None: such times are an error.
        file: The file, for errors.

    Returns:
        Times in UTC, microseconds; null stays null.

    Raises:
        DataError: Times without a zone and none declared, or no times at all.
    """
    if column.dtype.is_numeric():
        return _from_epoch(column, file)
    if isinstance(column.dtype, pl.Datetime) and column.dtype.time_zone is not None:
        return column.dt.convert_time_zone("UTC").cast(TIME)
    if isinstance(column.dtype, pl.Date | pl.Datetime):
        return _localised(column.cast(pl.Datetime("us")), zone, file)
    text = _as_text(column, "times", file)
    if text.str.contains(r"^\d+(\.0*)?$").all():
        numbers = text.str.replace(r"\..*", "").cast(pl.Int64, strict=False)
        _refuse_unread(text, numbers, "times", file)
        return _from_epoch(numbers, file)
    return _from_iso(text, zone, file)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _as_text(column: pl.Series, expected: str, file: str) -> pl.Series:
    if isinstance(column.dtype, pl.String | pl.Categorical | pl.Enum | pl.Null):
        return column.cast(pl.String).str.strip_chars()
    found = f"{column.dtype}, e.g. {column.drop_nulls().head(1).to_list()}"
    raise DataError(f"{file}, column '{column.name}'", "wrong type", expected=expected, found=found, do=MEND)


def _refuse_unread(text: pl.Series, values: pl.Series, expected: str, file: str) -> None:
    rows = (text.is_not_null() & values.is_null()).arg_true()
    if len(rows):
        more = f" and {len(rows) - 1} more like it" if len(rows) > 1 else ""
        found = f"'{text[rows[0]]}' in row {rows[0] + 1}{more}"
        raise DataError(f"{file}, column '{text.name}'", "wrong type", expected=expected, found=found, do=MEND)


def _from_epoch(column: pl.Series, file: str) -> pl.Series:
    number = pl.col(column.name)
    count = pl.when(number.is_finite()).then(number).cast(pl.Int64, strict=False)
    micros = (
        pl.when(count < 10**11)
        .then(count * 10**6)
        .when(count < 10**14)
        .then(count * 10**3)
        .when(count < 10**17)
        .then(count)
        .otherwise(count // 10**3)
    )
    times = column.to_frame().select(micros.cast(TIME)).to_series()
    strange = column.filter(~times.is_between(*EPOCHS).fill_null(value=True))
    if len(strange):
        expected = "seconds, milli-, micro- or nanoseconds since 1970, of the years 1980 to 2199"
        raise DataError(
            f"{file}, column '{column.name}'", "holds no times", expected=expected, found=strange[0], do=MEND
        )
    return times


def _from_iso(text: pl.Series, zone: str | None, file: str) -> pl.Series:
    iso = text.str.replace(r"^(\d{4}-\d\d-\d\d) +", "${1}T").str.replace(r" ?(Z|UTC)$", "+0000")
    iso = iso.str.replace(r"T(\d\d:\d\d)([+-]|$)", "T${1}:00${2}").str.replace(r"^(\d{4}-\d\d-\d\d)$", "${1}T00:00:00")
    times = iso.str.to_datetime(AWARE, time_unit="us", time_zone="UTC", strict=False)
    if times.null_count() == text.null_count():
        return times
    naive = iso.str.to_datetime(NAIVE, time_unit="us", strict=False)
    read = pl.select(pl.coalesce(times.dt.replace_time_zone(None), naive)).to_series()
    _refuse_unread(text, read, "ISO 8601 times such as 2024-03-28T20:00:00Z", file)
    return pl.select(pl.coalesce(times, _localised(naive, zone, file)).alias(text.name)).to_series()


def _localised(column: pl.Series, zone: str | None, file: str) -> pl.Series:
    if zone is None:
        raise DataError(
            f"{file}, column '{column.name}'",
            "times have no time zone",
            expected="times with a zone or an offset, or a declared zone",
            found=f"e.g. {next(iter(column.drop_nulls()), None)}",
            do="declare the zone they are in for this source in the catalog, e.g. timezone: UTC",
        )
    try:
        return column.dt.replace_time_zone(zone).dt.convert_time_zone("UTC").cast(TIME)
    except pl.exceptions.ComputeError as error:  # an unknown zone, or an hour that a clock change skips or repeats
        raise DataError(f"{file}, column '{column.name}'", f"is not in time zone {zone}", found=error) from error
