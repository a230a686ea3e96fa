"""Say why a first run takes longer, and keep what it has compiled where that is possible."""

import atexit
import logging
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

PATIENCE = 2.0  # seconds without a word; loading what an earlier run has compiled takes less
PLACES = (Path(__file__).parent, Path.home() / ".cache", Path.home())  # where numba can keep what it compiles


@contextmanager
def announced(what: str) -> Iterator[None]:
    """Log that something is being compiled, if the body takes longer than about a second.

    Args:
        what: Noun phrase, e.g. ``the window kernels``.
    """
    _make_room()
    words = "compiling %s, once: some seconds; kept for later runs"
    timer = threading.Timer(PATIENCE, log.info, (words, what))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _make_room() -> None:
    """Let numba use a folder of this process where it may write neither beside the code nor at home.

    It refuses to compile otherwise. The folder is private and goes with the process: what lies in a shared one could be
    anybody's machine code.
    """
    from numba.core import config

    settings: Any = config  # numba reads them from the environment; its types do not know them
    if settings.CACHE_DIR or any(os.access(place, os.W_OK) for place in PLACES):
        return
    folder = tempfile.mkdtemp(prefix="assay-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    settings.CACHE_DIR = folder
    log.info("no folder to keep compiled kernels in: they are compiled in every run; NUMBA_CACHE_DIR names one")
