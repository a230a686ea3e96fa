"""The contenders of a head, and the common rows that they are compared on."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.market.errors import ConfigurationError, DataError
from assay.market.evaluation.rule import VOLATILITY_ONLY, EvaluationRule
from assay.market.metrics import (
    METRICS,
    ClassForecasts,
    Forecasts,
    Metric,
    class_forecasts,
    return_forecasts,
    volatility_only,
)
from assay.market.metrics.forecasts import Mask
from assay.market.workload import Kind

Role = Literal["model", "baseline", "volatility_only"]
Index = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Contender:
    """Labelled rows of one model in time order, the fold of each, and which rows are common."""

    role: Role
    rows: Forecasts
    fold: Index
    common: Mask


@dataclass(frozen=True)
class Lineup:
    """All contenders of a head, and the rows they are compared on.

    Attributes:
        kind: Kind of the head.
        contenders: By name.
        frame: The common rows as one of the contenders has them, in order of time.
        horizon: Bars that a label spans.
        rule: Resampling and common folds.
    """

    kind: Kind
    contenders: dict[str, Contender]
    frame: pl.DataFrame
    horizon: int
    rule: EvaluationRule

    @property
    def metrics(self) -> dict[str, Metric]:
        """The metrics of this kind of head."""
        return METRICS[self.kind]

    @cached_property
    def starts(self) -> Index:
        """First row of each timestamp of ``frame``."""
        return np.flatnonzero(self.frame["time"].to_physical().diff().fill_null(1).to_numpy())

    @property
    def timestamps(self) -> int:
        """Number of timestamps."""
        return len(self.starts)

    @property
    def per_timestamp(self) -> Index:
        """Rows of each timestamp."""
        return np.diff(np.append(self.starts, self.frame.height))

    def common(self, name: str) -> Forecasts:
        """The common rows of one contender."""
        contender = self.contenders[name]
        return contender.rows.take(contender.common)

    def with_role(self, role: Role) -> list[str]:
        """The contenders of a role."""
        return [name for name, contender in self.contenders.items() if contender.role == role]


def lineup_of(oos: pl.DataFrame, *, kind: Kind, roles: Mapping[str, str], horizon: int, rule: EvaluationRule) -> Lineup:
    """Put the contenders of a head side by side; each model of a classification head gets its blind twin.

    Arguments as for ``evaluate``.

    Raises:
        ConfigurationError: Models without a role, or no fold to compare on.
        DataError: Probabilities that are none, missing forecasts, or no labelled rows.
    """
    _check(oos, roles, rule)
    labelled = _labelled(oos, rule)
    contenders: dict[str, Contender] = {}
    for name, role in roles.items():
        frame = labelled.filter(pl.col("model") == name)
        rows = class_forecasts(frame) if kind == "classification" else return_forecasts(frame)
        fold, common = frame["fold"].cast(pl.Int64).to_numpy(), frame["common"].to_numpy()
        contenders[name] = Contender("model" if role == "model" else "baseline", rows, fold, common)
        if role == "model" and isinstance(rows, ClassForecasts):
            twin = Contender("volatility_only", volatility_only(rows), fold, common)
            contenders[VOLATILITY_ONLY.format(name)] = twin
    shared = labelled.filter((pl.col("model") == labelled["model"][0]) & pl.col("common"))
    return Lineup(kind, contenders, shared, horizon, rule)


def _check(oos: pl.DataFrame, roles: Mapping[str, str], rule: EvaluationRule) -> None:
    found = set(oos["model"].unique())
    if found != set(roles) or not set(roles.values()) <= {"model", "baseline"}:
        raise ConfigurationError(
            "roles of the models",
            "do not match the predictions",
            expected=sorted(found),
            found=dict(roles),
            do="give every model of the head the role 'model' or 'baseline'",
        )
    last = oos["fold"].to_numpy().max(initial=0)
    if last < rule.common_from_fold:
        raise ConfigurationError(
            "evaluation.common_from_fold",
            "leaves no fold to compare models on",
            expected=f"at most the last fold, {last}",
            found=rule.common_from_fold,
            do="lower it, or split into more folds",
        )


def _labelled(oos: pl.DataFrame, rule: EvaluationRule) -> pl.DataFrame:
    answered_by_all = pl.len().over("entity", "time") == oos["model"].n_unique()
    labelled = oos.filter(pl.col("y_true").is_not_null()).with_columns(
        common=(pl.col("fold") >= rule.common_from_fold) & answered_by_all
    )
    if not labelled["common"].any():
        raise DataError(
            "predictions",
            "have no labelled row that all models answered",
            expected=f"labelled rows in folds {rule.common_from_fold} and later",
            found=f"{labelled.height} labelled rows of {oos.height}, none common to {oos['model'].n_unique()} models",
            do="check the labels' horizon against the length of the test folds",
        )
    return labelled.sort("model", "time", "entity")
