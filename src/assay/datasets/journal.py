"""The file in which Optuna writes down what it does: one line per step, shared by processes, mended after a kill.

This module imports Optuna: import it where it is used.
"""

import json
import os
from pathlib import Path
from typing import Any

from optuna.storages.journal import JournalFileBackend

from assay.datasets.ledger import drop_torn_line, locked


class Journal(JournalFileBackend):
    """Optuna's file backend with a lock that no kill outlives.

    Its own lock outlives a kill by thirty seconds, and what is appended to a line torn by a kill spoils the journal for
    good. It also waits for the disk after every step, six times and more per trial; here that is done once, when the
    result of a trial is written. A killed process loses nothing either way, a power cut at most the trials that run.

    Pickled, it is opened anew from its path.

    Args:
        path: The file; it is made if needed.
    """

    def __init__(self, path: Path) -> None:
        with locked(path) as file:
            drop_torn_line(file)
        super().__init__(str(path))
        self._path = path

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append steps, whole lines at once."""
        lines = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
        with locked(self._path) as file:
            drop_torn_line(file)
            file.write(lines.encode())
            file.flush()
            if any("state" in log for log in logs):
                os.fsync(file.fileno())

    def __reduce__(self) -> tuple[type["Journal"], tuple[Path]]:
        """Only the path travels: another process has seen nothing of the file yet."""
        return Journal, (self._path,)
