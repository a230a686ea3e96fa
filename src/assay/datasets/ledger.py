"""The ledger of trials: append-only and hash-chained, so that no search is ever forgotten in silence."""

import fcntl
import hashlib
import json
import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from kedro_datasets._typing import JSONPreview

from assay.datasets.files import AtomicFile, write_atomic
from assay.market.errors import DataError

Record = dict[str, Any]
GENESIS = "0" * 64
SEALS = {"previous", "hash"}
SHOWN = 60  # characters of a packed series that a preview shows
RESTORE = "restore the file from a copy; moving it away starts a new count of trials, and every figure deflated by it"

log = logging.getLogger(__name__)


class TrialLedger(AtomicFile):
    """Every trial ever recorded, one JSON record per line; grain: one trial.

    A record has ``id`` and ``scope`` from its author, ``previous`` (hash of the record before) and ``hash`` (SHA-256 of
    its own canonical JSON including ``previous``). A small file ``head.<name>`` beside it remembers how many records
    were acknowledged, so that cutting off the newest ones is noticed too. Both outlive clean-up. The chain shows
    accidents and edits; it cannot stop somebody who forges the whole history.

    An append is one write under a lock, then fsync. A kill can only tear the last line, before ``save`` has returned:
    that record was never acknowledged, so the next append cuts it off. Rewriting the whole file by rename would cost
    more with every trial and pull the file away under the lock.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        super().__init__(filepath=filepath, metadata=metadata)

    def save(self, data: list[Record]) -> None:
        """Append the records whose ``id`` is not in the ledger yet, in the order given.

        Raises:
            DataError: A record lacks ``id`` or ``scope`` or brings its own seal, or the history does not verify.
        """
        path = Path(self._filepath)
        with locked(path) as file:
            drop_torn_line(file)
            file.seek(0)
            history = self._verify(file.read())
            records = [*history, *_sealed(_unknown(data, history), _last_hash(history))]
            file.write(b"".join(_canonical(record) + b"\n" for record in records[len(history) :]))
            file.flush()
            os.fsync(file.fileno())
            self._remember(records)
        self.stale = False

    def fingerprint(self) -> str:
        """Hash of the newest record, which fixes all records before it."""
        return _last_hash(self._read(self._present()))

    def holds(self, fingerprint: str) -> bool:
        """Whether the chain once ended in this record: it has grown since, and lost nothing."""
        return fingerprint == GENESIS or any(record["hash"] == fingerprint for record in self._read(self._present()))

    def preview(self) -> JSONPreview:
        """The newest hundred records, for Kedro-Viz; packed series are cut."""
        newest = [{name: _cut(value) for name, value in record.items()} for record in self.load()[-100:]]
        return JSONPreview(json.dumps(newest))

    def _read(self, path: Path) -> list[Record]:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            return self._verify(file.read())

    def _verify(self, content: bytes) -> list[Record]:
        """The records of whole lines; a torn last line is no record.

        Raises:
            DataError: With the line number, when a record was edited, deleted, inserted or moved; or what was
                remembered of the newest one is damaged.
        """
        records: list[Record] = []
        for number, line in enumerate(content.split(b"\n")[:-1], start=1):
            records.append(self._checked(line, number, _last_hash(records)))
        count, last = self._remembered()
        if count > len(records):
            self._refuse(len(records) + 1, "records were deleted from the end", count, len(records))
        if count and records[count - 1]["hash"] != last:
            self._refuse(count, "the record was replaced", last, records[count - 1]["hash"])
        return records

    def _checked(self, line: bytes, number: int, previous: str) -> Record:
        try:
            record: Record = json.loads(line)
            found = {"previous": record["previous"], "hash": record["hash"]}
        except (ValueError, KeyError, TypeError):
            self._refuse(number, "is no record", "a JSON object with its hash", line[:80])
        if found["previous"] != previous:
            problem = "does not follow the line before: a record was edited, deleted, inserted or moved"
            self._refuse(number, problem, previous, found["previous"])
        if found["hash"] != (expected := _hash(record)):
            self._refuse(number, "was edited after it was written", expected, found["hash"])
        return record

    def _head(self) -> Path:
        path = Path(self._filepath)
        return path.with_name(f"head.{path.name}")

    def _remember(self, records: list[Record]) -> None:
        head = _canonical({"records": len(records), "hash": _last_hash(records)})
        write_atomic(self._head(), lambda file: file.write(head + b"\n"))

    def _remembered(self) -> tuple[int, str]:
        """Number and hash of the newest acknowledged record; a kill before the first acknowledgement leaves none."""
        if not self._head().is_file():
            return 0, GENESIS
        try:
            head = json.loads(self._head().read_bytes())
            return head["records"], head["hash"]
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                str(self._head()),
                "is damaged: nobody can say whether trials were deleted",
                expected="a JSON object with records and hash",
                do=RESTORE,
            ) from error

    def _refuse(self, line: int, problem: str, expected: object, found: object) -> NoReturn:
        raise DataError(f"{self._filepath}, line {line}", problem, expected=expected, found=found, do=RESTORE)


@contextmanager
def locked(path: Path) -> Iterator[BinaryIO]:
    """The file, made if needed, open for reading and appending while no other process can append.

    The lock belongs to the open file, so the kernel releases it when its process is killed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file


def drop_torn_line(file: BinaryIO) -> None:
    """Cut off what follows the last line break: the rest of a write that a kill interrupted."""
    size = file.seek(0, os.SEEK_END)
    if size == 0:
        return
    file.seek(size - 1)
    if file.read(1) == b"\n":
        return
    file.seek(0)
    whole = file.read().rfind(b"\n") + 1
    log.warning("%s: dropped %d bytes of a line that was never finished", file.name, size - whole)
    file.truncate(whole)


def _unknown(data: Iterable[Record], history: Iterable[Record]) -> Iterator[Record]:
    known = {record["id"] for record in history}
    for record in data:
        lacking, brought = {"id", "scope"} - record.keys(), SEALS & record.keys()
        if lacking or brought:
            raise DataError(
                f"trial {record.get('id', record)}",
                "cannot be recorded",
                expected="id and scope, and neither previous nor hash",
                found=sorted(record),
            )
        if record["id"] not in known:
            known.add(record["id"])
            yield record


def _sealed(records: Iterable[Record], previous: str) -> Iterator[Record]:
    for record in records:
        # Through JSON and back, so that the hash is of what a reader will see.
        sealed = json.loads(_canonical(record)) | {"previous": previous}
        previous = sealed["hash"] = _hash(sealed)
        yield sealed


def _last_hash(records: list[Record]) -> str:
    return str(records[-1]["hash"]) if records else GENESIS


def _hash(record: Mapping[str, Any]) -> str:
    content = {key: value for key, value in record.items() if key != "hash"}
    return hashlib.sha256(_canonical(content)).hexdigest()


def _canonical(record: Mapping[str, Any]) -> bytes:
    return json.dumps(record, sort_keys=True, allow_nan=False, separators=(",", ":")).encode()


def _cut(value: object) -> object:
    return f"{value[:SHOWN]}…" if isinstance(value, str) and len(value) > SHOWN else value
