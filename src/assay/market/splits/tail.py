"""The newest rows of a training part, set aside."""

import polars as pl

from assay.market.errors import SplitError
from assay.market.splits.rows import Mask, labelled, mask


def holdout_tail(labels: pl.DataFrame, share: float) -> tuple[Mask, Mask]:
    """Set the newest labelled rows aside, purged, e.g. for early stopping.

    Args:
        labels: Labels of a training part.
        share: Share of the unique timestamps of labelled rows that goes to the tail, in (0, 1).

    Returns:
        Two masks of shape (rows,): rows to fit on (label known before the tail begins) and the labelled tail.

    Raises:
        SplitError: The share is not inside (0, 1), or one part would be empty.
    """
    usable = labelled(labels)
    times = labels["time"].filter(usable).unique().sort()
    keep = round(len(times) * (1 - share))
    if not 0 < share < 1 or not 0 < keep < len(times):
        raise _no_tail(f"share {share} of {len(times)} labelled timestamps")
    start = times[keep]
    fit = mask(usable & (labels["label_end"] < start))
    if not fit.any():
        raise _no_tail(f"all labels of the {keep} timestamps before {start} are known only at that time or later")
    return fit, mask(usable & (labels["time"] >= start))


def _no_tail(found: str) -> SplitError:
    return SplitError(
        "early-stopping tail",
        "one part would be empty",
        expected="a share inside (0, 1) that leaves labelled rows on both sides of the purge",
        found=found,
        do="change the share, or train on more rows",
    )
