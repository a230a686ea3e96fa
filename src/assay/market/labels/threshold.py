"""The number that an outcome must exceed: fixed, or estimated once on what was known before the first test fold."""

from dataclasses import dataclass
from datetime import datetime
from typing import cast

import numpy as np
import polars as pl

from assay.market.errors import ConfigurationError, DataError
from assay.market.labels.rule import KindRule, Mask, Outcomes, Sides, ThresholdRule


@dataclass(frozen=True)
class Threshold:
    """A threshold and what it has seen.

    Attributes:
        value: In the unit of the kind; None where the kind needs none.
        seen: When the newest label it was estimated on was known; None for a fixed number.
    """

    value: float | None
    seen: datetime | None = None


def threshold_of(
    rule: KindRule, outcomes: Outcomes, known: pl.Series, kept: Mask, *, before: datetime | None
) -> Threshold:
    """Give the threshold of a rule.

    Args:
        rule: Kind of label.
        outcomes: Outcomes of all rows.
        known: When each outcome was known.
        kept: Rows that get a label.
        before: First time of the oldest test fold.

    Raises:
        ConfigurationError: The threshold shall be estimated, but ``before`` is not given.
        DataError: No label was known before.
    """
    if not isinstance(rule, ThresholdRule):
        return Threshold(None)
    if rule.neutral_share is None:
        return Threshold(rule.threshold)
    return _estimate(outcomes, known, kept, (rule.neutral_share, before))


def _estimate(outcomes: Outcomes, known: pl.Series, kept: Mask, wanted: tuple[float, datetime | None]) -> Threshold:
    share, before = wanted
    if before is None:
        raise ConfigurationError(
            "label neutral_share",
            "needs to know where the first test fold begins",
            expected="before: the first test time",
            do="pass it, or give a fixed threshold",
        )
    rows = kept & (known < before).fill_null(value=False).to_numpy()
    if not rows.any():
        raise DataError(
            "label neutral_share",
            "no label was known before the first test fold",
            expected=f"labels that end before {before}",
            found=0,
            do="load more bars, raise min_train, or give a fixed threshold",
        )
    ratio = np.sort(outcomes.strength[rows] / outcomes.unit[rows])
    value = ratio[max(0, int(np.ceil(share * len(ratio))) - 1)]
    return Threshold(float(value), cast("datetime", known.filter(pl.Series(rows)).max()))


def sides(outcomes: Outcomes, threshold: Threshold) -> Sides:
    """The class of each row: its side where the outcome exceeds the threshold, else 0."""
    if threshold.value is None:
        return outcomes.side
    return np.where(outcomes.strength > threshold.value * outcomes.unit, outcomes.side, 0).astype(np.int8)
