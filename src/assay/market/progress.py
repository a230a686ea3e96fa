"""Progress as a callback that is handed down, so that the domain never knows a console."""

from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

T = TypeVar("T")


class Track(Protocol):
    """Yields the items one by one and shows how far along they are."""

    def __call__(self, items: Sequence[T], what: str) -> Iterable[T]:
        """Yield every item of ``items``; ``what`` names the work in a few words."""
        ...


def silent(items: Sequence[T], what: str) -> Iterable[T]:  # noqa: ARG001
    """Track nothing."""
    return items
