"""Binned training rows, kept for the next fit on the same rows."""

from collections.abc import Callable, Hashable
from typing import Any


class Bins:
    """Binned forms of one training part: each library's is made once for all fits that ask for the same.

    Binning takes a tenth to a half of a fit, and is the same for every trial of a search that does not change the
    number of bins; the fits are the same to the last bit. One form per library is kept, the newest.
    """

    def __init__(self) -> None:
        self._kept: dict[str, tuple[Hashable, tuple[Any, ...], Any]] = {}

    def once(self, library: str, settings: Hashable, *, of: tuple[Any, ...], make: Callable[[], Any]) -> Any:  # noqa: ANN401
        """The binned form, made if there is none yet, or another one.

        Args:
            library: Whose form.
            settings: All that decides it beside the rows.
            of: The rows and whatever goes with them, compared as objects: they must not be changed.
            make: Makes it.
        """
        kept = self._kept.get(library)
        if kept is None or kept[0] != settings or [*map(id, kept[1])] != [*map(id, of)]:
            kept = self._kept[library] = settings, of, make()
        return kept[2]

    def __reduce__(self) -> tuple[type["Bins"], tuple[()]]:
        """What a library holds in its own memory cannot follow to another process: there it starts empty."""
        return Bins, ()


class BinnedModel:
    """A model whose library bins its rows before it fits.

    Attributes:
        bins: Forms made by earlier fits on the same rows, for the next ``fit`` only; None = bin for this fit alone.
    """

    bins: Bins | None = None

    def _binned(self, settings: Hashable, *, of: tuple[Any, ...], make: Callable[[], Any]) -> Any:  # noqa: ANN401
        bins, self.bins = self.bins, None  # a fitted model shall not keep the rows alive
        return make() if bins is None else bins.once(type(self).__name__, settings, of=of, make=make)
