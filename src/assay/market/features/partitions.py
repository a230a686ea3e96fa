"""The features table in parts of a calendar month, each named by everything that it was computed from.

The name of a part is a hash of the part before it, the feature set, the code that computes and the panel's rows of its
month. So a name that is known need not be computed again: new bars change the last name only; a revised row changes
every name from its month on, because recursive features remember it; an entity that is listed later leaves the months
before it alone. A part holds all entities, because features of the market read all of them at one time.
"""

import hashlib
import json
import logging
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.market.features.engine import FeatureSet, checked, recompute, resolve
from assay.market.features.rule import FeatureRule
from assay.market.tables import KEY

PERIOD = "1mo"  # days would be thousands of files, years would be computed again for every new bar
LIBRARIES = ("numba", "numpy", "polars", "ta-lib")  # another version of them may give other bits
NOTHING: Mapping[str, "Partition"] = MappingProxyType({})

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Partition:
    """The features of one month.

    Attributes:
        period: The month, e.g. ``2024-02``, by the time of the rows in UTC.
        key: Content address of its inputs.
        rows: Number of rows.
        counts: Rows with a value, per feature.
        frame: The rows, sorted by entity and time; None where a file holds them already.
        sha256: Hash of this file; None while there is none.
    """

    period: str
    key: str
    rows: int
    counts: tuple[int, ...]
    frame: pl.DataFrame | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class FeatureTable:
    """A features table in parts.

    Attributes:
        feature_set_id: See `feature_set_id` of the engine.
        columns: Names of the features.
        partitions: One per month with rows, oldest first.
    """

    feature_set_id: str
    columns: tuple[str, ...]
    partitions: tuple[Partition, ...]

    def __len__(self) -> int:
        """Rows of all parts."""
        return sum(part.rows for part in self.partitions)


@dataclass(frozen=True)
class Period:
    """A month of a panel.

    Attributes:
        start: Its first instant.
        key: Content address of everything that its features are computed from.
    """

    start: datetime
    key: str

    @property
    def name(self) -> str:
        """``2024-02``."""
        return f"{self.start:%Y-%m}"


def engineer_parts(
    panel: pl.DataFrame, rule: FeatureRule, known: Mapping[str, Partition] = NOTHING
) -> tuple[FeatureTable, dict[str, object]]:
    """Compute the features of a panel, from the first month on whose part is not known yet.

    Args:
        panel: One row per entity and bar: ``entity``, ``time``, OHLCV and the joined feeds.
        rule: What to compute.
        known: Parts that are stored, by key. Asked once for each key of the panel.

    Returns:
        The features table in parts, equal to that of `engineer` to the bit, and the same catalogue.

    Raises:
        ConfigurationError: The rule names what does not exist, or a time frame that does not consist of whole bars.
        DataError: The panel has no rows, or lacks ``entity``, ``time`` or ``close``.
    """
    panel = checked(panel)
    wanted = resolve(panel, rule)
    periods = chain(panel, wanted.id)
    stored = {period.key: known.get(period.key) for period in periods}
    since = next((period.start for period in periods if stored[period.key] is None), None)
    frames = {} if since is None else _by_month(_computed(panel, wanted, since))
    partitions = tuple(stored[period.key] or _partition(period, frames[period.start]) for period in periods)
    new = [partition.rows for partition in partitions if partition.frame is not None]
    log.info("%d of %d months are computed: %d of %d rows", len(new), len(periods), sum(new), panel.height)
    if wanted.disabled:
        log.info("%d features are left out, the catalogue says why: %s", len(wanted.disabled), _some(wanted.disabled))
    table = FeatureTable(wanted.id, wanted.names, partitions)
    return table, wanted.document(_coverage(table))


def chain(panel: pl.DataFrame, feature_set_id: str) -> list[Period]:
    """The months of a panel, oldest first, each with a key that depends on its rows and on all months before it.

    Args:
        panel: Sorted by entity and time. The order of its columns does not matter.
        feature_set_id: What is computed from it.
    """
    starts = panel["time"].dt.truncate(PERIOD)
    months = starts.unique().sort()
    month = np.searchsorted(months.to_physical().to_numpy(), starts.to_physical().to_numpy()).astype(np.uint16)
    rows = panel[np.argsort(month, kind="stable")].select(sorted(panel.columns))
    columns = [_Column(column) for column in rows]
    stops = np.bincount(month).cumsum().tolist()
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # hashing releases the interpreter's lock
        contents = list(pool.map(partial(_content, columns), [0, *stops[:-1]], stops))
    key, periods = f"{feature_set_id} {_code()}", []
    for start, content in zip(months, contents, strict=True):
        key = hashlib.sha256(f"{key} {content}".encode()).hexdigest()
        periods.append(Period(start, key))
    return periods


def assembled(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Put the parts of a features table together.

    Args:
        frames: Rows of the months, oldest first, each sorted by entity and time.

    Returns:
        The features table, sorted by entity and time.
    """
    return pl.concat(frames, rechunk=True).sort("entity", maintain_order=True)  # time is in order within each already


class _Column:
    """Bytes of the rows of a column, the same for equal columns; text is told by its runs."""

    def __init__(self, column: pl.Series) -> None:
        self._what = [column.name, str(column.dtype)]
        self._arrays: tuple[npt.NDArray[np.generic], ...] = ()
        if column.dtype.is_numeric() or column.dtype.is_temporal() or column.dtype == pl.Boolean:
            values = column.cast(pl.UInt8) if column.dtype == pl.Boolean else column.to_physical()
            self._arrays = (column.is_null().to_numpy(), values.fill_null(0).to_numpy())
            self._starts, self._words = np.zeros(0, np.int64), pl.Series(dtype=pl.String)
        else:
            text = column.cast(pl.String)
            self._starts = text.ne_missing(text.shift(1)).to_numpy().nonzero()[0]
            self._words = text[self._starts]

    def feed(self, digest: "hashlib._Hash", start: int, stop: int) -> None:
        """Add the rows from ``start`` to ``stop`` to a hash."""
        first, last = np.searchsorted(self._starts, (start, stop - 1), side="right").tolist()
        first = max(first - 1, 0)
        runs = np.maximum(self._starts[first:last] - start, 0).tolist()
        digest.update(json.dumps([*self._what, stop - start, runs, self._words[first:last].to_list()]).encode())
        for array in self._arrays:
            digest.update(np.ascontiguousarray(array[start:stop]).data)


def _content(columns: Sequence[_Column], start: int, stop: int) -> str:
    digest = hashlib.sha256()
    for column in columns:
        column.feed(digest, start, stop)
    return digest.hexdigest()


@cache
def _code() -> str:
    """Hash of what turns definitions into values: this package's sources, and the libraries that they call.

    A feature that is defined outside this package, e.g. in a notebook, counts with its definition alone.
    """
    digest = hashlib.sha256(json.dumps({name: version(name) for name in LIBRARIES}).encode())
    folder = Path(__file__).parent
    for path in sorted(folder.rglob("*.py")):
        digest.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return digest.hexdigest()


def _computed(panel: pl.DataFrame, wanted: FeatureSet, since: datetime) -> pl.DataFrame:
    whole = panel["time"].dt.truncate(PERIOD).min() == since
    return recompute(panel, wanted.rule, wanted.names, since=None if whole else since)


def _by_month(features: pl.DataFrame) -> dict[object, pl.DataFrame]:
    start = pl.col("time").dt.truncate(PERIOD).alias("__month__")
    parts = features.with_columns(start).partition_by("__month__", as_dict=True, include_key=False)
    return {month: frame for (month,), frame in parts.items()}


def _partition(period: Period, frame: pl.DataFrame) -> Partition:
    counts = frame.select(pl.exclude(KEY).count()).row(0)
    return Partition(period.name, period.key, frame.height, counts, frame=frame)


def _some(names: Collection[str]) -> str:
    shown = ", ".join([*names][:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"


def _coverage(table: FeatureTable) -> Iterator[float]:
    rows = sum(partition.rows for partition in table.partitions)
    by_feature = zip(*(partition.counts for partition in table.partitions), strict=True)
    return (sum(counts) / rows for counts in by_feature)
