"""The feature function under test, its panel, and what it says of the whole of it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TypeAlias

import numpy as np
import polars as pl

from assay.market.audit.compare import Difference, aligned, differences, scales
from assay.market.audit.rule import AuditRule
from assay.market.tables import KEY

FeatureFunction: TypeAlias = Callable[[pl.DataFrame], pl.DataFrame]


@dataclass(frozen=True)
class Subject:
    """What is audited.

    Attributes:
        panel: Sorted by entity and time.
        function: Takes a panel, returns ``entity``, ``time`` and one column per feature.
        rule: Budget and limits.
    """

    panel: pl.DataFrame
    function: FeatureFunction
    rule: AuditRule

    @cached_property
    def full(self) -> pl.DataFrame:
        """Features of the whole panel."""
        return self.features(self.panel)

    @cached_property
    def times(self) -> pl.Series:
        """Unique times of the panel, sorted."""
        return self.panel["time"].unique().sort()

    @cached_property
    def scale(self) -> dict[str, float]:
        """How far the values of each feature usually lie apart."""
        return scales(self.full)

    @property
    def names(self) -> list[str]:
        """Names of the features."""
        return self.full.columns[len(KEY) :]

    def features(self, panel: pl.DataFrame) -> pl.DataFrame:
        """What the function says of another panel, in that panel's order."""
        return aligned(self.function(panel), panel.select(KEY))

    def differences(self, changed: pl.DataFrame, cut: datetime) -> dict[str, Difference]:
        """Features that are others, up to a time, when the panel is another after it."""
        past = pl.col("time") <= cut
        after = self.features(changed).filter(past)
        return self.compare(self.full.filter(past), after)

    def compare(self, before: pl.DataFrame, after: pl.DataFrame) -> dict[str, Difference]:
        """Features that differ between two tables of the same rows."""
        return differences(before, after, self.scale, tolerance=self.rule.tolerance)

    def rng(self, stream: int) -> np.random.Generator:
        """Random numbers of one test, the same in every run."""
        return np.random.default_rng([self.rule.seed, stream])
