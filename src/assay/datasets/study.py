"""The place where Optuna keeps its trials while it searches, so that a killed search goes on where it was."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from assay.datasets.files import AtomicFile
from assay.market.errors import DataError

if TYPE_CHECKING:
    from optuna.storages import JournalStorage


class Study(AtomicFile):
    """An Optuna storage in one journal file; it changes while it is used, hence volatile and without versions.

    A journal rather than SQLite: both survive a kill, the journal takes a fifth of the time per trial. One storage
    holds many studies: name a study after everything that decides the score of a trial, or a search on changed data
    goes on with the old scores. Several processes may write to one journal at a time: pickled, the storage opens it
    anew from its path.
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
        from optuna.storages.journal import JournalStorage

        from assay.datasets.journal import Journal

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        path = Path(self._filepath).resolve()  # another process may work in another folder
        try:
            return JournalStorage(Journal(path))
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
