"""Why a model gave one answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from difflib import get_close_matches

import numpy as np
import polars as pl

from assay.market.errors import DataError
from assay.market.explanation.folds import Unit, explain_answers, known
from assay.market.recipe import Recipe
from assay.market.splits import Mask, Receipt
from assay.market.tables import CLASS_NAMES

NEAREST = 3  # rows that are named when the wanted one is not there
MANY = 12  # entities that are named at most


@dataclass(frozen=True)
class Prediction:
    """One answer and what it is made of.

    Attributes:
        answer: Probability by class, or ``forecast``: the forward return.
        unit: Unit of ``base`` and of the SHAP values; see `Accounts`.
        base: What is expected without knowing any feature.
        parts: One row per feature that the model reads, largest first: ``feature``, ``value`` as it is in the features
            table (null where unknown), ``shap``: what it added.
    """

    answer: dict[str, float]
    unit: Unit
    base: float
    parts: pl.DataFrame

    @property
    def total(self) -> float:
        """Base and parts together: the answer in ``unit``."""
        return self.base + float(self.parts["shap"].sum())

    def largest(self, count: int) -> tuple[pl.DataFrame, float]:
        """The ``count`` largest parts, and the sum of the others."""
        return self.parts.head(count), float(self.parts["shap"].slice(count).sum())


def explain_prediction(recipe: Recipe, features: pl.DataFrame, rows: Mask) -> Prediction | None:
    """Take one answer of a fitted recipe apart.

    Args:
        recipe: The fitted recipe.
        features: Features table, as `Recipe.predict` needs it.
        rows: The one row, shape (n,); see `find_row`.

    Returns:
        The answer with its parts; None for a model that reads no features.
    """
    found = explain_answers(recipe, features, rows)
    if found is None:
        return None
    told, account = found
    row = features.filter(rows).select(known(recipe.inputs.columns).cast(pl.Float64))
    parts = pl.DataFrame(
        {"feature": row.columns, "value": row.row(0), "shap": told.values[0]},
        schema={"feature": pl.String, "value": pl.Float64, "shap": pl.Float64},
    )
    out = recipe.predict(features, rows)[0]
    answer = dict(zip(CLASS_NAMES, out.tolist(), strict=True)) if np.ndim(out) else {"forecast": float(out)}
    largest_first = parts.sort(pl.col("shap").abs(), "feature", descending=[True, False])
    return Prediction(answer, account.unit, float(told.base), largest_first)


def fold_of(receipts: Sequence[Receipt], time: datetime) -> int | None:
    """Number of the fold that tests the rows of a time; None for a time outside all test folds."""
    return next((one.fold for one in receipts if one.test_start <= time <= one.test_end), None)


def find_row(keys: pl.DataFrame, entity: str, when: date) -> Mask:
    """Find the row of an entity.

    Args:
        keys: Columns entity and time (UTC).
        entity: Name of the entity.
        when: Its time (UTC), or a date on which it has a single row.

    Returns:
        The row, shape (n,).

    Raises:
        DataError: There is no such entity, or it has no such row; the nearest are named.
    """
    there = keys["entity"].unique().sort().to_list()
    if entity not in there:
        raise DataError(
            f"entity {entity!r}", "has no rows in the prepared dataset", found=_some(there), do=_meant(entity, there)
        )
    own = pl.col("entity") == entity
    at = pl.col("time") == when if isinstance(when, datetime) else pl.col("time").dt.date() == when
    rows = keys.select(own & at).to_series().to_numpy()
    if rows.sum() != 1:
        raise _not_one(keys.filter(own)["time"], entity, when=when, count=int(rows.sum()))
    return rows


def _not_one(times: pl.Series, entity: str, *, when: date, count: int) -> DataError:
    if count:
        day = times.filter(times.dt.date() == when)
        return DataError(
            f"{entity} on {when}",
            f"has {count} rows on that date",
            found=f"{_told(day[0])} to {_told(day[-1])} (UTC)",
            do="give the time too, e.g. " + str(day[0].isoformat(timespec="minutes")).removesuffix("+00:00"),
        )
    moment = pl.Series([when]).cast(times.dtype)
    near = times.gather((times - moment).abs().arg_sort()[:NEAREST]).sort()
    return DataError(
        f"{entity} at {_told(when)}",
        "is no row of the prepared dataset",
        expected=f"a decision time from {_told(times.min())} to {_told(times.max())} (UTC)",
        found="nearest rows: " + ", ".join(map(_told, near)),
        do="name one of these",
    )


def _told(when: object) -> str:
    return when.strftime("%Y-%m-%d %H:%M") if isinstance(when, datetime) else str(when)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - MANY} more" if len(names) > MANY else ""
    return ", ".join(names[:MANY]) + more


def _meant(name: str, there: Sequence[str]) -> str:
    close = get_close_matches(name, there, n=3, cutoff=0.5) or get_close_matches(name.upper(), there, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(close)}?" if close else "name one of these"
