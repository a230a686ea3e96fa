"""What the null check keeps: one line per run that was done, and the calibration that the report reads."""

import json
import os
from pathlib import Path
from typing import Any, NoReturn

from assay.datasets.files import AtomicFile, Json
from assay.datasets.ledger import drop_torn_line, locked
from assay.market.errors import DataError

Record = dict[str, Any]


class Runs:
    """Records of runs in one file, one JSON object per line; a kill tears at most the last one.

    Args:
        path: The file; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def of(self, key: str) -> list[Record]:
        """All records that were added under a key, oldest first.

        Raises:
            DataError: A line is no record.
        """
        if not self._path.is_file():
            return []
        lines = self._path.read_bytes().split(b"\n")[:-1]
        records = [self._opened(line, number) for number, line in enumerate(lines, start=1)]
        return [record["run"] for record in records if record["key"] == key]

    def add(self, key: str, record: Record) -> None:
        """Append a record and wait for the disk.

        Args:
            key: Stands for everything that the record depends on.
            record: Plain values.
        """
        line = json.dumps({"key": key, "run": record}, allow_nan=False, separators=(",", ":")).encode() + b"\n"
        with locked(self._path) as file:
            drop_torn_line(file)
            file.write(line)
            file.flush()
            os.fsync(file.fileno())

    def _opened(self, line: bytes, number: int) -> Record:
        try:
            record: Record = json.loads(line)
        except ValueError:
            record = {}
        if not isinstance(record, dict) or not {"key", "run"} <= record.keys():
            raise DataError(
                f"{self._path}, line {number}",
                "is no record of a run",
                expected="a JSON object with key and run",
                found=line[:80],
                do="delete the line: that run is done again",
            )
        return record


class NullRuns(AtomicFile):
    """The runs of the null check; they are written while the check goes on, hence volatile and without versions."""

    volatile = True

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        super().__init__(filepath=filepath, metadata=metadata)

    def load(self) -> Runs:
        """The records; none when there was no run yet."""
        return Runs(Path(self._filepath))

    def save(self, data: object) -> NoReturn:  # noqa: ARG002
        """Refused.

        Raises:
            TypeError: Always: records are added through what ``load`` returns.
        """
        raise TypeError("runs are added one by one, through what load() returns")


class Calibration(Json):
    """The newest calibration, None where there was no null check yet; volatile, so a report can do without it."""

    volatile = True

    def load(self) -> Any:  # noqa: ANN401
        """The newest version, or None.

        Raises:
            DataError: The file is damaged (Kedro wraps it in a ``DatasetError``).
        """
        return None if self.located() is None else super().load()
