"""Progress bars under the log, on the log's own console, so that neither spoils the other."""

import atexit
import logging
from collections.abc import Callable, Iterator, Sequence
from time import monotonic
from typing import TypeVar

from rich import get_console
from rich.console import Console
from rich.logging import RichHandler
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

T = TypeVar("T")
SECONDS_BETWEEN_LINES = 30.0
SLOWEST_STEP = 1800.0

LOG_WIDTH = 160

log = logging.getLogger(__name__)


def console() -> Console:
    """The console that the log writes to; a file or a pipe takes longer lines than an unknown terminal would."""
    handlers = logging.getLogger().handlers
    found = next((handler.console for handler in handlers if isinstance(handler, RichHandler)), get_console())
    if not found.is_terminal and not found.is_jupyter:
        found.width = LOG_WIDTH
    return found


class Bars:
    """Nested bars of one process, outermost first; drawn while at least one is open, and only in a terminal."""

    def __init__(self) -> None:
        self._progress: Progress | None = None
        atexit.register(self.close_all)  # an interrupt reaches no hook, and would leave the cursor hidden

    def open(self, what: str, total: int) -> TaskID:
        """Add a bar under those that are open."""
        if self._progress is None:
            screen = console()
            self._progress = Progress(
                TextColumn("{task.description}", markup=False),
                *(BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn()),
                console=screen,
                transient=True,
                disable=not screen.is_terminal,
                speed_estimate_period=SLOWEST_STEP,
            )
            self._progress.start()
        return self._progress.add_task("  " * len(self._progress.tasks) + what, total=total)

    def advance(self, bar: TaskID) -> None:
        """One more of the bar's total is done."""
        if self._progress:
            self._progress.advance(bar)

    def close(self, bar: TaskID) -> None:
        """Remove a bar; with the last one the drawing stops."""
        if self._progress:
            self._progress.remove_task(bar)
            if not self._progress.tasks:
                self.close_all()

    def close_all(self) -> None:
        """Leave the terminal to others."""
        if self._progress:
            self._progress.stop()
            self._progress = None


BARS = Bars()


def track(items: Sequence[T], what: str, *, clock: Callable[[], float] = monotonic) -> Iterator[T]:
    """Yield the items one by one and show how far along they are and how long the rest will take.

    In a terminal a bar under the bars that are open; elsewhere a line of log at most every 30 seconds. It implements
    ``assay.market.progress.Track``.

    Args:
        items: What is worked through.
        what: The work in a few words.
        clock: Seconds that only ever grow.
    """
    if not console().is_terminal:
        yield from _logged(items, what, clock)
        return
    bar = BARS.open(what, len(items))
    try:
        for item in items:
            yield item
            BARS.advance(bar)
    finally:
        BARS.close(bar)


def _logged(items: Sequence[T], what: str, clock: Callable[[], float]) -> Iterator[T]:
    start = last = clock()
    for done, item in enumerate(items):
        now = clock()
        if done and now - last >= SECONDS_BETWEEN_LINES:
            last = now
            left = (now - start) / done * (len(items) - done)
            log.info("%s: %d of %d, about %s left", what, done, len(items), duration(left))
        yield item


def duration(seconds: float) -> str:
    """A span of time as people say it: ``12.3 s``, ``4 min 05 s``, ``2 h 07 min``."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes_left = divmod(minutes, 60)
    return f"{hours} h {minutes_left:02} min" if hours else f"{minutes} min {rest:02} s"
