"""Which rows are explained."""

import numpy as np

from assay.market.splits import Mask


def sample_rows(part: Mask, rows: int, *, seed: tuple[int, ...]) -> Mask:
    """Draw rows of a part that are spread over its entities and times.

    The rows are cut into ``rows`` stretches of equal length and one is drawn from each (stratified sampling). In a
    table sorted by entity and time every entity is then drawn from in proportion, and over its whole time; only one
    with fewer rows than a stretch may be missed.

    Args:
        part: Rows to draw from, shape (n,), of a table sorted by entity and time.
        rows: How many to draw; all where there are no more.
        seed: Seeds of the draw, e.g. that of the run and the number of the fold.

    Returns:
        The drawn rows, shape (n,).
    """
    there = np.flatnonzero(part)
    chosen = np.zeros_like(part)
    if len(there) > rows:
        edges = np.arange(rows + 1) * len(there) // rows
        there = there[np.random.default_rng(seed).integers(edges[:-1], edges[1:])]
    chosen[there] = True
    return chosen
