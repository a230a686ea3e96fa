"""Say why a first run takes longer."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)

PATIENCE = 2.0  # seconds without a word; loading what an earlier run has compiled takes less


@contextmanager
def announced(what: str) -> Iterator[None]:
    """Log that something is being compiled, if the body takes longer than about a second.

    Args:
        what: Noun phrase, e.g. ``the window kernels``.
    """
    words = "compiling %s, once: some seconds; kept for later runs"
    timer = threading.Timer(PATIENCE, log.info, (words, what))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
