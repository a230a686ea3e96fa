"""Files that appear whole or not at all, and that say so when they are damaged."""

import hashlib
import json
import math
import os
import uuid
import zipfile
from collections.abc import Callable, Collection, Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar

from kedro.io import AbstractVersionedDataset, Version
from kedro.io.core import VersionNotFoundError
from kedro_datasets._typing import HTMLPreview, JSONPreview, TablePreview

from assay.market.errors import BundleError, DataError

if TYPE_CHECKING:
    import polars as pl  # settings.py leads here: every command of Kedro, `kedro --help` too, would wait for it

MANIFEST = "manifest.json"
REMAKE = (
    "run `assay resume` with your workload and options: it makes every missing or damaged file again from its inputs"
)


def write_atomic(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file so that a reader, a crash or a kill never meets half of it.

    Args:
        path: Target; its folder is made if needed and an old file is replaced.
        write: Writes the content to the open binary file it is given.

    Raises:
        Exception: Whatever ``write`` raises; the target is then as it was before.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        with part.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename or a new file in ``folder`` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class AtomicFile(AbstractVersionedDataset[Any, Any]):
    """Base of every output that Assay keeps: one file, whole or absent, whose bytes a receipt can vouch for.

    Args:
        filepath: The file; with versions the folder that holds ``<version>/<file name>``.
        version: Given by Kedro for ``versioned: true``.
        metadata: For plugins such as Kedro-Viz.

    Attributes:
        stale: Set before a run when the file must not be used again; the dataset then says that it does not exist.
        volatile: Whether the content changes by itself, so that it decides nothing about what depends on it.
        damage: Errors of the reader that mean a damaged file.
    """

    volatile: ClassVar[bool] = False
    damage: ClassVar[tuple[type[Exception], ...]] = (OSError, ValueError)
    stale = False

    def __init__(
        self, *, filepath: str, version: Version | None = None, metadata: dict[str, Any] | None = None
    ) -> None:
        self.metadata = metadata
        super().__init__(PurePosixPath(filepath), version)

    def load(self) -> Any:  # noqa: ANN401
        """Open the newest version, or the pinned one.

        Raises:
            DataError: There is no such file, or it is damaged (Kedro wraps it in a ``DatasetError``).
        """
        path = self._present()
        try:
            return self._read(path)
        except self.damage as error:
            raise DataError(
                str(path), "is damaged", expected=f"a whole {path.suffix[1:]} file", found=error, do=REMAKE
            ) from error

    def save(self, data: Any) -> None:  # noqa: ANN401
        """Write a new version, or replace the file where there are no versions."""
        write_atomic(Path(self._get_save_path()), lambda file: self._write(file, data))
        self.stale = False

    def located(self) -> Path | None:
        """Path that ``load`` opens, or None when nothing is there."""
        try:
            path = Path(self._get_load_path())
        except VersionNotFoundError:
            return None
        return path if path.is_file() else None

    def saved_path(self) -> Path:
        """Path that this run writes or has written."""
        version = self.resolve_save_version()
        return Path(self._filepath if version is None else self._get_versioned_path(version))

    def versions(self) -> list[str]:
        """Names of the versions that are there, oldest first; none of a file without versions."""
        found = Path(self._filepath).glob(f"*/{self._filepath.name}") if self._version else ()
        return sorted(path.parent.name for path in found)

    def version_files(self, version: str) -> list[Path]:
        """The file of a version, and after it what lies beside it; nothing if there is no such version."""
        path = Path(self._get_versioned_path(version))
        if version not in self.versions():
            return []
        return [path, *sorted(other for other in path.parent.iterdir() if other != path)]

    def leftovers(self, *, without: Collection[Path]) -> list[Path]:  # noqa: ARG002
        """Files of the dataset that belong to no version; there are none where a version is one file.

        Args:
            without: Files of versions that do not count, because they are about to be deleted.
        """
        return []

    def read_version(self, version: str) -> Any:  # noqa: ANN401
        """Content of one version; None where it is not there or damaged."""
        faults: tuple[type[Exception], ...] = (DataError, *self.damage)
        try:
            return self._read(Path(self._get_versioned_path(version)))
        except faults:
            return None

    def fingerprint(self) -> str:
        """SHA-256 of the bytes that ``load`` opens.

        Raises:
            DataError: There is no such file.
        """
        return sha256_of(self._present())

    def holds(self, fingerprint: str) -> bool:  # noqa: ARG002
        """Whether content with an older fingerprint is still in there; only an append-only file can say yes."""
        return False

    def _present(self) -> Path:
        path = self.located()
        if path is None:
            raise DataError(str(self._filepath), "does not exist", expected="a file of an earlier stage", do=REMAKE)
        return path

    def _exists(self) -> bool:
        return not self.stale and self.located() is not None

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath, "version": self._version}

    def _read(self, path: Path) -> Any:  # noqa: ANN401
        raise NotImplementedError

    def _write(self, file: BinaryIO, data: Any) -> None:  # noqa: ANN401
        raise NotImplementedError


class Frame(AtomicFile):
    """A polars table in Parquet, every page with a checksum that is verified on load.

    pyarrow writes and reads: polars' own reader never verifies pages, and its writer gives other bytes to the same rows
    in other chunks. The footer has no checksum; there the receipt helps.
    """

    def preview(self, nrows: int = 5) -> TablePreview:
        """First rows as text, for Kedro-Viz; only they are decoded."""
        import polars as pl
        import pyarrow.parquet as pq

        with pq.ParquetFile(self._present(), page_checksum_verification=True) as file:
            batch = next(file.iter_batches(batch_size=nrows), None)
            head = file.schema_arrow.empty_table() if batch is None else batch
        return as_preview(pl.DataFrame(pl.from_arrow(head)))

    def _write(self, file: BinaryIO, data: "pl.DataFrame") -> None:
        import pyarrow.parquet as pq

        pq.write_table(data.to_arrow(), file, compression="zstd", write_page_checksum=True)

    def _read(self, path: Path) -> "pl.DataFrame":
        import polars as pl
        import pyarrow.parquet as pq

        table = pq.read_table(path, page_checksum_verification=True, partitioning=None)
        return pl.DataFrame(pl.from_arrow(table))


class Csv(AtomicFile):
    """A polars table as CSV for people and spreadsheets; types are inferred again on load."""

    def preview(self, nrows: int = 5) -> TablePreview:
        """First rows as text, for Kedro-Viz."""
        import polars as pl

        return as_preview(pl.read_csv(self._present(), n_rows=nrows))

    def _write(self, file: BinaryIO, data: "pl.DataFrame") -> None:
        data.write_csv(file)

    def _read(self, path: Path) -> "pl.DataFrame":
        import polars as pl

        try:
            return pl.read_csv(path, try_parse_dates=True)
        except pl.exceptions.PolarsError as error:
            raise ValueError(error) from error


class Json(AtomicFile):
    """A JSON document with sorted keys; an undefined number is null, NaN and infinity are refused."""

    def preview(self) -> JSONPreview:
        """The whole document, for Kedro-Viz."""
        return JSONPreview(self._present().read_text(encoding="utf-8"))

    def _write(self, file: BinaryIO, data: object) -> None:
        for where, number in _undefined(data):
            raise DataError(
                f"{self._filepath}, {where or 'top level'}",
                "cannot be written as JSON",
                expected="finite numbers, null where a number is undefined",
                found=number,
            )
        file.write(json.dumps(data, sort_keys=True, allow_nan=False, indent=1).encode())

    def _read(self, path: Path) -> Any:  # noqa: ANN401
        return json.loads(path.read_text(encoding="utf-8"))


class Html(AtomicFile):
    """A self-contained page as text."""

    def preview(self) -> HTMLPreview:
        """The page itself, for Kedro-Viz."""
        return HTMLPreview(self._present().read_text(encoding="utf-8"))

    def _write(self, file: BinaryIO, data: str) -> None:
        file.write(data.encode())

    def _read(self, path: Path) -> str:
        return path.read_text(encoding="utf-8")


class Bundle(AtomicFile):
    """A few named files, e.g. of a model, in one uncompressed zip; the same files give the same bytes.

    The member ``manifest.json`` holds the SHA-256 of every other member. ``load`` checks all of them before it hands
    out the first byte, because the readers of model files crash or silently misread what is damaged.
    """

    def _write(self, file: BinaryIO, data: dict[str, bytes]) -> None:
        if MANIFEST in data:
            raise BundleError(
                f"{self._filepath}: {MANIFEST}", "is written by the bundle itself", do="rename the member"
            )
        sums = {name: hashlib.sha256(content).hexdigest() for name, content in data.items()}
        manifest = json.dumps({"sha256": sums}, sort_keys=True, indent=1).encode()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for name, content in sorted((data | {MANIFEST: manifest}).items()):
                archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content)

    def _read(self, path: Path) -> dict[str, bytes]:
        try:
            with zipfile.ZipFile(path) as archive:
                return _verified(archive)
        except BundleError:
            raise
        except Exception as error:  # a damaged zip raises a dozen types, down to struct.error and RuntimeError
            raise BundleError(str(path), "is damaged", expected="a whole zip", found=error, do=REMAKE) from error


def _verified(archive: zipfile.ZipFile) -> dict[str, bytes]:
    sums = json.loads(archive.read(MANIFEST))["sha256"]
    names = sorted(set(archive.namelist()) - {MANIFEST})
    if names != sorted(sums):
        problem = "has other members than it was made with"
        raise BundleError(str(archive.filename), problem, expected=sorted(sums), found=names, do=REMAKE)
    return {name: _verified_member(archive, name, sums[name]) for name in names}


def _verified_member(archive: zipfile.ZipFile, name: str, expected: str) -> bytes:
    thing = f"{archive.filename}: {name}"
    try:
        content = archive.read(name)
    except zipfile.BadZipFile as error:
        raise BundleError(thing, "is damaged", expected=f"SHA-256 {expected}", found=error, do=REMAKE) from error
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise BundleError(thing, "was altered", expected=f"SHA-256 {expected}", found=f"SHA-256 {found}", do=REMAKE)
    return content


def _undefined(data: object, where: str = "") -> Iterator[tuple[str, float]]:
    """Places of NaN and infinity in nested values."""
    if isinstance(data, float) and not math.isfinite(data):
        yield where, data
    elif isinstance(data, dict):
        for key, value in data.items():
            yield from _undefined(value, f"{where}.{key}" if where else str(key))
    elif isinstance(data, list | tuple):
        for number, value in enumerate(data):
            yield from _undefined(value, f"{where}[{number}]")


def as_preview(head: "pl.DataFrame") -> TablePreview:
    """A few rows as text, for Kedro-Viz."""
    rows = [["" if value is None else str(value) for value in row] for row in head.rows()]
    return TablePreview({"index": list(range(len(rows))), "columns": head.columns, "data": rows})
