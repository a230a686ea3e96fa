"""The kernel of the simulated null, compiled when this module is imported, which therefore happens late."""

from typing import Any

from numba import njit

_OPTIONS: dict[str, Any] = {"nogil": True, "cache": True, "error_model": "numpy"}


@njit("void(f4[::1], i8[::1], f4[:, ::1], u1[:, ::1], i8[:, ::1])", **_OPTIONS)
def count_classes(latent, place, cuts, bins, counts):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Count in which bins each class came out.

    Args:
        latent: A standard normal per place.
        place: Where in ``latent`` each row finds its own, shape (n,).
        cuts: Below the first it is SHORT, from the second on LONG, shape (2, n).
        bins: Bin of the row among the forecasts of each class, shape (3, n).
        counts: Rows of each class in each of its bins, shape (3, bins); added to.
    """
    for row in range(len(place)):
        z = latent[place[row]]
        code = 0 if z < cuts[0, row] else (1 if z < cuts[1, row] else 2)
        counts[code, bins[code, row]] += 1
