"""What a run was made of: written by a hook while the run goes on, read by the reporting node of the same run."""

from typing import Any

from assay.datasets.files import Json, write_atomic


class RunManifest(Json):
    """A manifest with a block ``facts``, equal in a replay, and a block ``run`` with all that is not.

    Volatile, because no output may become stale just because a clock has moved on.
    """

    volatile = True

    def save(self, data: dict[str, Any]) -> None:
        """Write this run's version, again and again as the run goes on."""
        write_atomic(self.saved_path(), lambda file: self._write(file, data))
