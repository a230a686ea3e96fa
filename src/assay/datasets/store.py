"""The feature store: content-addressed parts that are written once, and a versioned manifest that names them.

``<folder>/partitions/<feature set>/<key>.parquet`` holds the features of one month; the key is a hash of everything
they were computed from, so versions share the parts that they have in common. The manifest is written last: a kill
leaves at worst parts that no manifest names. Such parts, and those that only unwanted manifests name, may be deleted at
any time. A version that needs a deleted part says so when it is loaded; a resumed run computes just that month again.
"""

import hashlib
import io
import logging
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, BinaryIO, NoReturn, Self, TypeVar

import polars as pl
import pyarrow.parquet as pq
from kedro_datasets._typing import TablePreview
from pydantic import BaseModel, model_validator

from assay.datasets.files import REMAKE, AtomicFile, as_preview, sha256_of, write_atomic
from assay.market.errors import DataError
from assay.market.features import ENGINE_VERSION, FeatureTable, Partition
from assay.market.features.partitions import assembled

GROUP = 20_000  # rows of a group of entities that can be read without the others of its month
NEWEST = 20  # manifests whose parts may be used again
PARQUET: dict[str, Any] = {"compression": "zstd", "write_page_checksum": True, "use_dictionary": ["entity"]}

log = logging.getLogger(__name__)

Result = TypeVar("Result")


class Part(BaseModel):
    """A line of the manifest; see `Partition`."""

    period: str
    key: str
    rows: int
    counts: tuple[int, ...]
    sha256: str


class Manifest(BaseModel):
    """What a version of the features table consists of.

    Attributes:
        feature_set_id: Folder of the parts.
        engine_version: Version of the engine that computed them.
        columns: Names of the features.
        partitions: The parts, oldest first.
        seal: SHA-256 of all of it, so that a damaged manifest vouches for nothing.
    """

    feature_set_id: str
    engine_version: int
    columns: tuple[str, ...]
    partitions: tuple[Part, ...]
    seal: str = ""

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        content = hashlib.sha256(self.model_dump_json(exclude={"seal"}).encode()).hexdigest()
        if self.seal not in ("", content):
            raise ValueError(f"its seal is {self.seal}, its content has {content}")
        self.seal = content
        return self


class FeatureStore(AtomicFile):
    """The features table: saved in parts, loaded whole.

    ``save`` takes a `FeatureTable`, writes the parts that are new and then the manifest, which is the versioned file.
    ``load`` returns a polars table sorted by entity and time, after comparing every part with the SHA-256 in the
    manifest. A part that is there is never written again, unless it is damaged. Two runs at once do not disturb each
    other: the same key means the same rows.
    """

    def fingerprint(self) -> str:
        """Hash of the manifest and of every part as it is on disk: a damaged or missing part changes it.

        Raises:
            DataError: There is no manifest.
        """
        path = self._present()
        try:
            manifest = _opened(path)
        except self.damage:
            return sha256_of(path)
        found = _each(_sha256, self._places(manifest))
        return hashlib.sha256("\n".join([sha256_of(path), *found]).encode()).hexdigest()

    def preview(self, nrows: int = 5) -> TablePreview:
        """First rows of the first part as text, for Kedro-Viz; only they are decoded."""
        first = self._places(_opened(self._present()))[0]
        with pq.ParquetFile(first, page_checksum_verification=True) as file:
            return as_preview(pl.DataFrame(pl.from_arrow(next(file.iter_batches(batch_size=nrows)))))

    def leftovers(self, *, without: Collection[Path]) -> list[Path]:
        """Parts that no manifest names, apart from those that do not count."""
        kept = [path for path in _manifests(self._filepath) if path not in without]
        named = {place for manifest in _readable(kept, self.damage) for place in self._places(manifest)}
        return sorted(set((Path(self._filepath).parent / "partitions").glob("*/*.parquet")) - named)

    def _places(self, manifest: Manifest) -> list[Path]:
        return [_place(self._filepath, manifest.feature_set_id, part.key) for part in manifest.partitions]

    def _write(self, file: BinaryIO, data: FeatureTable) -> None:
        places = [_place(self._filepath, data.feature_set_id, part.key) for part in data.partitions]
        manifest = Manifest(
            feature_set_id=data.feature_set_id,
            engine_version=ENGINE_VERSION,
            columns=data.columns,
            partitions=tuple(_each(self._kept, data.partitions, places)),
        )
        file.write(manifest.model_dump_json().encode())

    def _kept(self, part: Partition, path: Path) -> Part:
        """The line of a part whose rows are on disk, written now if they were not."""
        sha256 = part.sha256
        if part.frame is not None:
            content = _serialised(part.frame)
            sha256 = hashlib.sha256(content).hexdigest()
            found = _sha256(path)
            if found and found != sha256 and self._is_named(found):
                sha256 = found  # the same rows in the bytes of another version of pyarrow
            elif found != sha256:
                write_atomic(path, lambda file: file.write(content))
        if sha256 is None or not path.is_file():
            do = "run again; delete no parts while a run uses them"
            raise DataError(str(path), "was deleted during the run", expected=f"the features of {part.period}", do=do)
        return Part(period=part.period, key=part.key, rows=part.rows, counts=part.counts, sha256=sha256)

    def _is_named(self, sha256: str) -> bool:
        return any(sha256.encode() in path.read_bytes() for path in _manifests(self._filepath))

    def _read(self, path: Path) -> pl.DataFrame:
        manifest = _opened(path)
        return assembled(_each(_verified, manifest.partitions, self._places(manifest)))


class FeaturePartitions(AtomicFile):
    """Which parts of a feature store need not be computed again; volatile, because it changes with every run.

    Args:
        filepath: That of the feature store.
        metadata: For plugins such as Kedro-Viz.
    """

    volatile = True

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        super().__init__(filepath=filepath, metadata=metadata)

    def load(self) -> "Stored":
        """Parts by key, of the newest manifests; empty when there are none. A damaged manifest is left out and told."""
        places: dict[str, Place] = {}
        for manifest_path in _manifests(self._filepath)[-NEWEST:]:
            try:
                manifest = _opened(manifest_path)
            except self.damage as error:
                log.warning("%s is damaged, what it names is not used again: %s", manifest_path, error)
                continue
            for part in manifest.partitions:
                path = _place(self._filepath, manifest.feature_set_id, part.key)
                places[part.key] = Place(path, manifest_path, Partition(**part.model_dump()))
        return Stored(places)

    def save(self, data: object) -> NoReturn:  # noqa: ARG002
        """Refused.

        Raises:
            TypeError: Always: the feature store writes the parts.
        """
        raise TypeError("parts are written by the feature store, beside its manifest")


@dataclass(frozen=True)
class Place:
    """Where a part lies, the newest manifest that names it, and what it says of it."""

    path: Path
    manifest: Path
    partition: Partition


class Stored(Mapping[str, Partition]):
    """Parts by key. Looking one up compares files with their SHA-256; a damaged or missing part is not there.

    Args:
        places: Place of each part.
    """

    def __init__(self, places: Mapping[str, Place]) -> None:
        self._places = places
        self._whole: dict[str, bool] = {}

    def __getitem__(self, key: str) -> Partition:
        place = self._places[key]
        if key not in self._whole:
            together = [key for key, other in self._places.items() if other.manifest == place.manifest]
            self._whole |= zip(together, _each(_is_whole, [self._places[key] for key in together]), strict=True)
            self._warn([self._places[key] for key in together if not self._whole[key]])
        if not self._whole[key]:
            raise KeyError(key)
        return place.partition

    @staticmethod
    def _warn(damaged: Sequence["Place"]) -> None:
        if damaged:
            first, more = damaged[0], f", and {len(damaged) - 1} more" if len(damaged) > 1 else ""
            log.warning(
                "%s (%s)%s: damaged or missing, computed again where needed", first.path, first.partition.period, more
            )

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


class FeatureContract:
    """The contract ``Features`` for the store: for the new parts when saving, for the whole table when loading."""

    def validate(self, data: FeatureTable | pl.DataFrame) -> FeatureTable | pl.DataFrame:
        """Check what is saved or loaded and hand it back; new parts are checked together.

        Raises:
            pandera.errors.SchemaErrors: It breaks the contract.
        """
        from assay.datasets.contracts import Features

        if not isinstance(data, FeatureTable):
            Features.validate(data)
        elif new := [part.frame for part in data.partitions if part.frame is not None]:
            Features.validate(assembled(new))
        return data


def _opened(path: Path) -> Manifest:
    return Manifest.model_validate_json(path.read_bytes())


def _readable(paths: Iterable[Path], damage: tuple[type[Exception], ...]) -> Iterator[Manifest]:
    for path in paths:
        with suppress(*damage):
            yield _opened(path)


def _place(filepath: PurePath, feature_set_id: str, key: str) -> Path:
    """File of a part of the store whose manifests lie under ``filepath``."""
    return Path(filepath).parent / "partitions" / feature_set_id / f"{key}.parquet"


def _is_whole(place: Place) -> bool:
    return _sha256(place.path) == place.partition.sha256


def _manifests(filepath: PurePath) -> list[Path]:
    """All versions of the manifest, oldest first."""
    return sorted(Path(filepath).glob(f"*/{filepath.name}"))


def _each(work: Callable[..., Result], *arguments: Iterable[Any]) -> list[Result]:
    """Results for the parts, worked on at the same time: hashing and Parquet release the interpreter's lock."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(work, *arguments))


def _sha256(path: Path) -> str:
    """Hash of a file, empty where it cannot be read."""
    try:
        return sha256_of(path)
    except OSError:
        return ""


def _serialised(frame: pl.DataFrame) -> bytes:
    """Rows as Parquet with a checksum per page, in groups of whole entities."""
    table, file = frame.rechunk().to_arrow(), io.BytesIO()
    with pq.ParquetWriter(file, table.schema, **PARQUET) as writer:
        for start, rows in _groups(frame["entity"]):
            writer.write_table(table.slice(start, rows), row_group_size=rows)
    return file.getvalue()


def _groups(entities: pl.Series) -> Iterator[tuple[int, int]]:
    start = rows = 0
    for count in entities.rle().struct.field("len"):
        rows += count
        if rows >= GROUP:
            yield start, rows
            start, rows = start + rows, 0
    if rows:
        yield start, rows


def _verified(part: Part, path: Path) -> pl.DataFrame:
    """The rows of a part whose bytes are those of its manifest; polars may read these, though it verifies nothing."""
    expected = f"the features of {part.period}, SHA-256 {part.sha256}"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(str(path), "cannot be read", expected=expected, found=error, do=REMAKE) from error
    found = hashlib.sha256(content).hexdigest()
    if found != part.sha256:
        raise DataError(str(path), "is damaged", expected=expected, found=f"SHA-256 {found}", do=REMAKE)
    return pl.read_parquet(io.BytesIO(content))
