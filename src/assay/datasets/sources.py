"""Where raw data come from: series inside a dependency, and folders of the user's own files. Load-only."""

import hashlib
import logging
import re
from collections.abc import Iterator, Sequence
from datetime import date
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from kedro.io import AbstractDataset
from kedro_datasets._typing import TablePreview

from assay.datasets.files import sha256_of
from assay.datasets.parsing import as_dates, as_numbers, as_times, choose_columns
from assay.market.errors import DataError
from assay.market.parameters import Parameters
from assay.market.tables import RAW_TYPES, TIME

logger = logging.getLogger(__name__)

READERS = (".parquet", ".pq", ".csv", ".csv.gz")
NULLS = ["NA", "N/A", "null", "NULL", "None"]
INDICES = {"SP500": "sp500", "NASDAQ": "nasdaq"}
SERIES = {"vix": "vix", "wti": "DCOILWTICO"}
# BTCUSDT.parquet, bars_BTCUSDT.csv, BTCUSDT_4h.parquet: the symbol; bars.parquet: none
SYMBOL_IN_NAME = r"^(?:(?:bars|funding|open_interest)_)?(?!(?:bars|funding|open_interest)(?:_|$))([A-Za-z0-9]+)"


class Source(AbstractDataset[None, pl.DataFrame]):
    """Base of raw data: it can be loaded, previewed and told from other data, but never written."""

    def save(self, data: None) -> None:  # noqa: ARG002
        """Refuse.

        Raises:
            DataError: Always (Kedro wraps it in a ``DatasetError``).
        """
        raise DataError(str(self), "is a source and cannot be written", do="save under another name of the catalog")

    def preview(self, nrows: int = 5) -> TablePreview:
        """First rows as text, for Kedro-Viz."""
        head = self.load().head(nrows)
        rows = [["" if value is None else str(value) for value in row] for row in head.rows()]
        return TablePreview({"index": list(range(len(rows))), "columns": head.columns, "data": rows})

    def fingerprint(self) -> str:
        """SHA-256 of the names and bytes of all input files, in hexadecimal.

        Raises:
            DataError: They are not there, or may not be read.
        """
        digest = hashlib.sha256()
        for name, path in self._inputs():
            digest.update(f"{name} {_sha256(path)}\n".encode())
        return digest.hexdigest()

    def _inputs(self) -> Iterator[tuple[str, Path]]:
        """Name (independent of the machine) and path of every file that ``load`` opens, in order."""
        raise NotImplementedError


def _sha256(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError as error:
        raise DataError(str(path), "cannot be read", found=error, do="check its permissions") from error


class ArchIndices(Source):
    """Daily bars of the S&P 500 and the NASDAQ Composite, 1999 to 2018, from the package ``arch``.

    The file is read where the package keeps it: importing ``arch.data`` would load its models and take seconds.

    Args:
        start: First session, inclusive.
        end: Last session, inclusive.
        metadata: For plugins such as Kedro-Viz.
    """

    def __init__(
        self, *, start: str | date | None = None, end: str | date | None = None, metadata: dict[str, Any] | None = None
    ) -> None:
        self.metadata = metadata
        self._span = (start, end)

    def load(self) -> pl.DataFrame:
        """One row per index and session: ``entity, date, open, high, low, close, volume`` (Float64), sorted."""
        columns = ["open", "high", "low", "close", "volume"]
        tables = [
            _read_arch(series, self._span).select(pl.lit(entity).alias("entity"), "date", *columns)
            for entity, series in INDICES.items()
        ]
        return pl.concat(tables).sort("entity", "date")

    def _describe(self) -> dict[str, Any]:
        return {"indices": list(INDICES), "span": self._span}

    def _inputs(self) -> Iterator[tuple[str, Path]]:
        yield from ((series, _arch_file(series)) for series in INDICES.values())


class ArchSeries(Source):
    """A daily macro series from the package ``arch``, holidays kept as nulls.

    Args:
        series: ``vix``: volatility index at the close, 2014 on. ``wti``: spot price of crude oil in USD (FRED
            DCOILWTICO), 1986 on.
        start: First day, inclusive.
        end: Last day, inclusive.
        metadata: For plugins such as Kedro-Viz.
    """

    def __init__(
        self,
        *,
        series: Literal["vix", "wti"],
        start: str | date | None = None,
        end: str | date | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        if series not in SERIES:
            raise DataError(f"series '{series}'", "is not in the package arch", expected=", ".join(SERIES))
        self.metadata = metadata
        self._series, self._span = series, (start, end)

    def load(self) -> pl.DataFrame:
        """One row per day: ``date, value`` (Float64, null on holidays)."""
        return _read_arch(self._series, self._span).select("date", value=SERIES[self._series].lower())

    def _describe(self) -> dict[str, Any]:
        return {"series": self._series, "span": self._span}

    def _inputs(self) -> Iterator[tuple[str, Path]]:
        yield self._series, _arch_file(self._series)


def _arch_file(series: str) -> Path:
    package = find_spec("arch")
    folder = Path(next(iter(package.submodule_search_locations or [""]))) if package else Path("arch")
    path = folder / "data" / series / f"{series}.csv.gz"
    if not path.is_file():
        raise DataError(
            str(path), "does not exist", expected="the data that package arch brings", do="pip install arch"
        )
    return path


def _read_arch(series: str, span: Sequence[str | date | None]) -> pl.DataFrame:
    raw = pl.read_csv(_arch_file(series), infer_schema=False).rename(str.lower)
    day = pl.col("date").str.to_date("%m/%d/%Y")
    table = raw.select(day, pl.exclude("date").cast(pl.Float64, strict=False))
    first, last = (date.fromisoformat(str(edge)) if edge else None for edge in span)
    return table.filter(pl.col("date").is_between(first or date.min, last or date.max))


class Layout(Parameters):
    """How the files of a folder are read.

    Attributes:
        columns: For each column of Assay the names it may have in a file, best first. ``entity`` is text, ``time`` and
            ``available_time`` are instants, ``date`` is a calendar date, all others are numbers.
        required: Columns that every file must have. ``entity`` may come from the file name instead.
        optional: Whether the user may have no such files at all; an empty table then.
        timezone: Zone of times that carry none. None: such times are an error.
        symbol_in_name: Regular expression whose first group finds the entity in a file name without its ending, for
            files without such a column.
        help: What to do when there are no files.
    """

    columns: dict[str, tuple[str, ...]]
    required: tuple[str, ...] = ()
    optional: bool = False
    timezone: str | None = None
    symbol_in_name: str = SYMBOL_IN_NAME
    help: str | None = None


class Folder(Source):
    """A folder of the user's own Parquet or CSV files, read into one table.

    Args:
        filepath: The folder.
        files: File names or patterns inside it, e.g. ``bars*`` or ``bars/*.csv``; ``none`` for no files. A name
            without a wildcard must exist, even where the source is optional.
        metadata: For plugins such as Kedro-Viz.
        **layout: Fields of ``Layout``.
    """

    def __init__(
        self,
        *,
        filepath: str,
        files: str | Sequence[str] | None,
        metadata: dict[str, Any] | None = None,
        **layout: object,
    ) -> None:
        self.metadata = metadata
        self._folder, self._layout = Path(filepath), Layout.model_validate(layout)
        self._patterns = [files] if isinstance(files, str) else list(files or ())
        if self._patterns == ["none"]:
            self._patterns = []

    def load(self) -> pl.DataFrame:
        """All rows of all files, in the order of the file names; columns as in the layout, others left out.

        Raises:
            DataError: No folder or file, a file that cannot be read or is empty, a missing column, a wrong type, times
                without a zone (Kedro wraps it in a ``DatasetError``).
        """
        tables = [_read_file(path, self._layout) for path in self._files()]
        if not tables:
            logger.info("%s: no files for %s, which are optional", self._folder, ", ".join(self._layout.required))
            return pl.DataFrame(schema={name: RAW_TYPES.get(name, pl.Float64()) for name in self._layout.columns})
        return pl.concat(tables, how="diagonal")

    def _files(self) -> list[Path]:
        if not self._folder.is_dir():
            raise DataError(
                str(self._folder), "is no folder", expected="a folder of Parquet or CSV files", do=self._layout.help
            )
        matches = {path for pattern in self._patterns for path in self._folder.glob(pattern)}
        files = sorted(path for path in matches if path.is_file() and path.name.lower().endswith(READERS))
        named = [name for name in self._patterns if not re.search(r"[*?\[]", name)]
        absent = [name for name in named if self._folder / name not in files]
        if absent or not (files or self._layout.optional):
            raise self._missing(", ".join(absent or self._patterns or ["none"]))
        return files

    def _missing(self, wanted: str) -> DataError:
        there = sorted(path.name + "/" * path.is_dir() for path in self._folder.iterdir())
        near = get_close_matches(wanted, there, n=3, cutoff=0.4) or there[:5]
        return DataError(
            f"{self._folder}, files '{wanted}'",
            "are missing",
            expected=f"files ending in {', '.join(READERS)}",
            found=", ".join(near) or "an empty folder",
            do=self._layout.help,
        )

    def _exists(self) -> bool:
        try:
            return bool(self._files())
        except DataError:
            return False

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._folder), "files": self._patterns}

    def _inputs(self) -> Iterator[tuple[str, Path]]:
        yield from ((path.relative_to(self._folder).as_posix(), path) for path in self._files())


def _read_file(path: Path, layout: Layout) -> pl.DataFrame:
    file = str(path)
    raw = _open(path)
    needed = [name for name in layout.required if name != "entity"]
    chosen = choose_columns(raw.columns, layout.columns, needed, file=file)
    if raw.is_empty():
        raise DataError(file, "has no rows", expected="at least one", do="remove the file, or make it again")
    if ignored := [name for name in raw.columns if name not in chosen.values()]:
        logger.info("%s: %d columns are not used: %s", path.name, len(ignored), ", ".join(ignored))
    table = pl.DataFrame([_parsed(raw[column], name, layout, file=file) for name, column in chosen.items()])
    if "entity" in layout.required and "entity" not in chosen:
        return table.with_columns(entity=pl.lit(_symbol(path, layout)))
    return table


def _open(path: Path) -> pl.DataFrame:
    """Read a whole file; pyarrow verifies the checksums of Parquet pages, and CSV stays text."""
    if path.stat().st_size == 0:
        raise DataError(str(path), "is empty", expected="a table", found="0 bytes", do="make or copy the file again")
    try:
        if path.name.lower().endswith((".csv", ".csv.gz")):
            return _commas(pl.read_csv(path, infer_schema=False, null_values=NULLS), path)
        table = pq.read_table(path, page_checksum_verification=True, partitioning=None)
        return pl.DataFrame(pl.from_arrow(table))
    except (pl.exceptions.PolarsError, pa.ArrowException, OSError) as error:
        raise DataError(
            str(path),
            "cannot be read",
            expected="a whole Parquet file, or CSV in UTF-8 with commas",
            found=str(error).partition("\n")[0],
            do="make or copy it again",
        ) from error


def _commas(table: pl.DataFrame, path: Path) -> pl.DataFrame:
    if table.width == 1 and re.search(r"[;\t|]", table.columns[0]):
        found = table.columns[0]
        raise DataError(str(path), "is not separated by commas", expected="commas", found=found, do="write it again so")
    return table


def _parsed(column: pl.Series, name: str, layout: Layout, *, file: str) -> pl.Series:
    kind = RAW_TYPES.get(name, pl.Float64)
    if kind == TIME:
        return as_times(column, zone=layout.timezone, file=file).alias(name)
    if kind == pl.String:
        return column.cast(pl.String).alias(name)
    return (as_dates if kind == pl.Date else as_numbers)(column, file=file).alias(name)


def _symbol(path: Path, layout: Layout) -> str:
    match = re.search(layout.symbol_in_name, path.name.partition(".")[0])
    names = ", ".join(layout.columns.get("entity", ("entity",)))
    if match is None:
        raise DataError(
            f"{path}, column 'entity'",
            "is missing, and the file name holds no symbol",
            expected=f"one of {names}; or a file name such as BTCUSDT.parquet",
            found=path.name,
            do="add the column, or write one file per symbol and name it after the symbol",
        )
    return match.group(1)
