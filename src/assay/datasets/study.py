"""The place where Optuna keeps its trials while it searches, so that a killed search goes on where it was."""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, cast

from assay.datasets.files import AtomicFile
from assay.datasets.ledger import drop_torn_line, locked
from assay.market.errors import DataError

if TYPE_CHECKING:
    from optuna.storages import JournalStorage


class Study(AtomicFile):
    """An Optuna storage in one journal file; it changes while it is used, hence volatile and without versions.

    A journal rather than SQLite: both survive a kill, the journal takes a fifth of the time per trial. Optuna's own
    lock outlives a kill by thirty seconds, and what is appended to a line torn by a kill spoils the journal for good;
    the lock used here prevents both. One storage holds many studies: name a study after everything that decides the
    score of a trial, or a search on changed data goes on with the old scores.
    """

    volatile = True

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        super().__init__(filepath=filepath, metadata=metadata)

    def load(self) -> "JournalStorage":
        """The storage, empty when there was no search yet; Optuna's log is quietened to warnings.

        Raises:
            DataError: The journal was damaged by something else than a kill (Kedro wraps it in a ``DatasetError``).
        """
        import optuna
        from optuna.storages.journal import JournalFileBackend, JournalStorage

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        path = Path(self._filepath).resolve()  # another process may work in another folder
        lock = _JournalLock(path)
        lock.acquire()
        lock.release()
        try:
            return JournalStorage(JournalFileBackend(str(path), lock_obj=cast("Any", lock)))
        except (ValueError, KeyError) as error:
            raise DataError(
                str(path), "is damaged", expected="a journal of Optuna", found=error, do="delete it and search again"
            ) from error

    def save(self, data: object) -> NoReturn:  # noqa: ARG002
        """Refused.

        Raises:
            TypeError: Always: Optuna writes through the storage that ``load`` returns.
        """
        raise TypeError("a study is written by Optuna, through the storage that load() returns")


class _JournalLock:
    """What Optuna's file backend asks of a lock; taking it also mends the journal after a kill."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._held = ExitStack()

    def __reduce__(self) -> tuple[type["_JournalLock"], tuple[Path]]:
        """In another process: a lock of its own on the same journal, held by nobody."""
        return _JournalLock, (self._path,)

    def acquire(self) -> bool:
        """Wait for the journal, then cut off what a killed writer left unfinished."""
        held = ExitStack()
        drop_torn_line(held.enter_context(locked(self._path)))
        self._held = held
        return True

    def release(self) -> None:
        """Let the next writer in."""
        self._held.close()
