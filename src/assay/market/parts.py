"""A training part: which of its rows can be learned from, what of each, and what a fit has seen of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Self, cast

import polars as pl

from assay.market.errors import DataError, SplitError
from assay.market.models.base import Target
from assay.market.splits import Mask
from assay.market.tables import KEY
from assay.market.workload import Kind

TARGETS: dict[Kind, str] = {"classification": "label", "regression": "forward_return", "binary": "label"}


def check_same_rows(features: pl.DataFrame, labels: pl.DataFrame) -> None:
    """Make sure that two tables hold the same rows in the same order.

    Raises:
        DataError: They do not.
    """
    if not features.select(KEY).equals(labels.select(KEY)):
        raise DataError(
            "features and labels",
            "are not the same rows",
            expected=f"the same entity and time in each row, {features.height} rows",
            found=f"{labels.height} labels",
            do="make both from the same panel",
        )


def check_classes(y: Target) -> None:
    """Make sure that there is something to tell apart.

    Args:
        y: Classes of the training rows.

    Raises:
        SplitError: There is no row, or all rows are of one class.
    """
    classes = pl.Series(y).unique().sort().to_list()
    if len(classes) < 2:
        raise SplitError(
            "training part",
            "holds a single class, there is nothing to learn",
            expected="rows of at least two of SHORT -1, NEUTRAL 0, LONG 1",
            found=f"{len(y)} rows of {classes}",
            do="change the label threshold, or train on more rows",
        )


def feature_names(features: pl.DataFrame) -> list[str]:
    """The feature columns of a features table."""
    return [name for name in features.columns if name not in KEY]


def known(labels: pl.DataFrame, kind: Kind) -> Mask:
    """Rows whose target is known, shape (rows,)."""
    return labels[TARGETS[kind]].is_not_null().to_numpy()


@dataclass(frozen=True)
class Seen:
    """What one fit has seen.

    Attributes:
        what: ``tuning``, ``selection``, ``preprocess``, ``weights`` or ``model``.
        last_time_seen: Newest decision time among its rows.
        last_label_end: When the newest label among its rows was known.
    """

    what: str
    last_time_seen: datetime
    last_label_end: datetime

    @classmethod
    def of(cls, what: str, labels: pl.DataFrame) -> Self:
        """What a fit on these labelled rows has seen."""
        return cls(what, cast("datetime", labels["time"].max()), cast("datetime", labels["label_end"].max()))

    def to_dict(self) -> dict[str, str]:
        """With ISO times, ready for JSON."""
        return {
            "what": self.what,
            "last_time_seen": self.last_time_seen.isoformat(),
            "last_label_end": self.last_label_end.isoformat(),
        }

    @classmethod
    def from_dict(cls, state: Mapping[str, str]) -> Self:
        """Read what `to_dict` gave."""
        times = (datetime.fromisoformat(state[name]) for name in ("last_time_seen", "last_label_end"))
        return cls(state["what"], *times)
