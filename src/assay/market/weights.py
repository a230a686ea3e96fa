"""Sample weights from the spans of labels: rows that share their outcome with others count for less."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import Field

from assay.market.errors import DataError
from assay.market.parameters import Parameters

Floats = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]


class WeightRule(Parameters):
    """How much each training row counts in a fit.

    Attributes:
        kind: ``none``: all the same. ``uniqueness``: the average uniqueness of the label. ``return_attribution``:
            uniqueness times the size of the outcome, so that rows without a move hardly count.
        decay: What is left of the weight of the oldest row; between it and the newest row, weight falls linearly in
            cumulative uniqueness. 1 is no decay; below 0 the oldest ``-decay`` share of the uniqueness weighs nothing.
    """

    kind: Literal["none", "uniqueness", "return_attribution"] = "none"
    decay: float = Field(default=1.0, gt=-1, le=1)


@dataclass(frozen=True)
class _Cells:
    """The bars that each label covers: ``first <= bar < stop``; bars of all entities one after the other."""

    first: Index
    stop: Index
    bars: int


def sample_weights(labels: pl.DataFrame, rule: WeightRule) -> Floats:
    """Weigh the rows of one training part; call it after purging, with these rows and no others.

    Average uniqueness, return attribution and time decay follow Lopez de Prado, *Advances in Financial Machine
    Learning* (2018), 4.3 to 4.7. The labels table holds no returns of single bars, so the log return of a label is
    spread evenly over its span: attribution is then ``|log(1 + forward_return)|`` times average uniqueness. It reads
    the outcome, so it may weigh a fit, never a score. Decay runs over decision times, all entities of one time alike.

    Args:
        labels: Labelled rows in any order; ``start``, ``label_end``, ``time`` and ``forward_return`` are read.
        rule: Which weights.

    Returns:
        Weights >= 0 with mean 1, shape (rows,). All ones where no row would weigh anything.

    Raises:
        DataError: A row has no label.
    """
    if rule.kind == "none" and rule.decay == 1:
        return np.ones(labels.height)
    uniqueness = average_uniqueness(labels)
    weight = np.ones(labels.height) if rule.kind == "none" else uniqueness
    if rule.kind == "return_attribution":
        weight = weight * np.abs(np.log1p(labels["forward_return"].to_numpy()))
    weight = weight * _decay(labels["time"], uniqueness, rule.decay)
    total = weight.sum()
    return np.asarray(weight * (len(weight) / total)) if total > 0 else np.ones(labels.height)


def average_uniqueness(labels: pl.DataFrame) -> Floats:
    """Mean of 1 / (labels alive) over the bars of each label; 1 for a label that shares no bar.

    A label covers the bars of its entity from ``start`` to before ``label_end``, at least one. The bars are the
    ``time`` and ``label_end`` values of these rows, so no other row is needed to count them.

    Args:
        labels: Labelled rows in any order.

    Returns:
        Values in (0, 1], shape (rows,).

    Raises:
        DataError: A row has no label.
    """
    _check_labelled(labels)
    cells = _cells(labels)
    alive = np.cumsum(
        np.bincount(cells.first, minlength=cells.bars + 1) - np.bincount(cells.stop, minlength=cells.bars + 1)
    )
    share = np.divide(1.0, alive, out=np.zeros(len(alive)), where=alive > 0)
    total = np.concatenate(([0.0], share.cumsum()))
    return np.asarray((total[cells.stop] - total[cells.first]) / (cells.stop - cells.first))


def _check_labelled(labels: pl.DataFrame) -> None:
    if empty := labels["label_end"].null_count():
        raise DataError(
            "sample weights",
            f"{empty} of {labels.height} rows have no label",
            expected="labelled rows only",
            found=f"{empty} rows without label_end",
            do="leave rows without a label out of the training part before weighing it",
        )


def _cells(labels: pl.DataFrame) -> _Cells:
    entity = labels["entity"].rank("dense").to_numpy().astype(np.int64)
    start, time, end = (labels[name].to_physical().to_numpy() for name in ("start", "time", "label_end"))
    times = _distinct(time, end)

    def key(moment: Index) -> Index:  # one number that orders by entity, then by time
        return np.asarray(entity * len(times) + np.searchsorted(times, moment, side="right") - 1)

    bars = _distinct(key(time), key(end))
    first = np.searchsorted(bars, key(start), side="right") - 1
    return _Cells(first, np.maximum(np.searchsorted(bars, key(end)), first + 1), len(bars))


def _distinct(*values: Index) -> Index:
    """Sorted; numpy's own ``unique`` hashes integers, and is slow at as many different ones."""
    together = np.sort(np.concatenate(values))
    return np.asarray(together[np.append(True, together[1:] != together[:-1])])


def _decay(time: pl.Series, uniqueness: Floats, oldest: float) -> Floats:
    """Factor of each row: 1 for the newest decision time, falling linearly in cumulative uniqueness."""
    if oldest == 1:
        return np.ones(len(time))
    _, moment = np.unique(time.to_physical().to_numpy(), return_inverse=True)
    reached = np.bincount(moment, weights=uniqueness).cumsum()
    slope = (1 - oldest) / reached[-1] if oldest >= 0 else 1 / ((oldest + 1) * reached[-1])
    return np.asarray(np.maximum(1 - slope * (reached[-1] - reached), 0.0)[moment])
