"""What every table promises, checked by pandera whenever the catalog saves or loads it (``validator:``).

A contract checks names, types, missing and infinite values, and that rows are sorted and unique. Its errors name the
dataset, the column, the check and a few examples.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandera.polars as pa
import polars as pl
from pandera.api.polars.types import PolarsData

from assay.market.errors import DataError
from assay.market.tables import (
    BARS,
    BOUNDS,
    CHARGES,
    CLASS_NAMES,
    CLASSES,
    FEED,
    KEY,
    LABELS,
    LEDGER,
    OPTIONAL_BARS,
    OUTCOMES,
    PREDICTIONS,
    PRICES,
    PROBABILITIES,
    RAW_TYPES,
    SHAP_VALUES,
    TIME,
    VOLUMES,
)
from assay.market.walk_forward import IMPORTANCE

ROUNDING = 1e-6  # probabilities may miss a sum of one by this
CENT = 1e-9  # share of the capital that the accounts of one bar may miss

Columns = dict[str, pa.Column]


class Contract(pa.DataFrameSchema):
    """A pandera schema for tables in memory; a lazy table would be checked by its schema only, so it is refused.

    Args:
        columns: The columns that every such table has, or may have.
        checks: Checks across columns.
        others: Gives, for a table, the schema of the columns that are not fixed beforehand.
    """

    def __init__(
        self,
        columns: Columns,
        checks: Sequence[pa.Check] = (),
        others: Callable[[pl.DataFrame], Columns] = lambda _: {},
    ) -> None:
        super().__init__(columns, checks=list(checks))
        self.others = others

    def validate(self, check_obj: pl.DataFrame, *, lazy: bool = True) -> pl.DataFrame:  # type: ignore[override]
        """Check a table and hand it back.

        Args:
            check_obj: The table.
            lazy: Collect all faults before raising.

        Raises:
            DataError: It is not a polars table in memory.
            pandera.errors.SchemaErrors: It breaks the contract.
        """
        if not isinstance(check_obj, pl.DataFrame):
            raise DataError(
                "table",
                "cannot be checked",
                expected="a polars DataFrame in memory",
                found=type(check_obj),
                do="collect it",
            )
        whole = pa.DataFrameSchema(self.columns | self.others(check_obj), checks=self.checks)
        return whole.validate(check_obj, lazy=lazy)


def _check(name: str, passes: pl.Expr) -> pa.Check:
    """A check across columns; null where it cannot be decided passes."""
    return pa.Check(lambda data: data.lazyframe.select(passes.fill_null(value=True)), name=name)


def _is_finite(data: PolarsData) -> pl.LazyFrame:
    return data.lazyframe.select(pl.col(data.key).is_finite())


def _number(
    *checks: pa.Check, dtype: type[pl.DataType] = pl.Float64, nullable: bool = True, required: bool = True
) -> pa.Column:
    finite = pa.Check(_is_finite, name="finite")
    return pa.Column(dtype, [finite, *checks], nullable=nullable, required=required)


def _columns(table: Mapping[str, Any], *, nullable: Sequence[str] = ()) -> Columns:
    """Columns of a table of the domain; numbers finite, nothing null but what is named."""
    numbers = {name: _number(nullable=name in nullable) for name, dtype in table.items() if dtype == pl.Float64}
    return {name: pa.Column(dtype, nullable=name in nullable) for name, dtype in table.items()} | numbers


def _follows(key: Sequence[str]) -> pl.Expr:
    """Whether a row comes strictly after the one before it: sorted and unique in one pass."""
    column, before = pl.col(key[0]), pl.col(key[0]).shift(1)
    if len(key) == 1:
        return column > before
    return (column > before) | ((column == before) & _follows(key[1:]))


def _by_key(*key: str) -> pa.Check:
    return _check(f"sorted and unique by {', '.join(key)}", _follows(key))


def _by_model() -> pa.Check:
    """Models one after the other in any order, each sorted and unique by entity and time."""
    same = pl.col("model") == pl.col("model").shift(1)
    passes = pl.when(same).then(_follows(KEY)).otherwise(pl.col("model").is_first_distinct())
    return _check("one block per model, sorted and unique by entity, time", passes)


def _rest(fixed: Mapping[str, object], dtype: type[pl.DataType]) -> Callable[[pl.DataFrame], Columns]:
    """All columns that are not fixed are finite or null numbers of one type.

    There may be hundreds: all are looked at in one pass, and pandera is asked about those that break the contract.
    """

    def faulty(table: pl.DataFrame) -> Columns:
        rest = [name for name in table.columns if name not in fixed]
        typed = [name for name in rest if table.schema[name] == dtype]
        finite = table.select(pl.col(typed).is_finite().all()).row(0, named=True) if typed else {}
        return {name: _number(dtype=dtype) for name in rest if not finite.get(name)}

    return faulty


def _outcomes(table: pl.DataFrame) -> Columns:
    """Classes with their probabilities, or returns; told by the type of ``y_pred``."""
    if table.schema.get("y_pred") != pl.Int8:
        bounds = {name: _number(required=False) for name in BOUNDS}
        return {"y_true": _number(), "y_pred": _number(nullable=False)} | bounds
    classes = pa.Check.isin(CLASSES)
    total = _check("probabilities sum to 1", (pl.sum_horizontal(PROBABILITIES) - 1).abs() < ROUNDING)
    shares = {name: _number(pa.Check.in_range(0, 1), nullable=False) for name in PROBABILITIES[1:]}
    first = {PROBABILITIES[0]: _number(pa.Check.in_range(0, 1), total, nullable=False)}
    return {name: pa.Column(pl.Int8, classes, nullable=name == "y_true") for name in OUTCOMES} | first | shares


def _as_removed(table: pl.DataFrame) -> Columns:
    """Removed rows as they came, faults included: at least a time or a date, and everything in its type."""
    stamp = "date" if "date" in table.columns else "time"
    names = (stamp, *(name for name in table.columns if name not in _QUARANTINE))
    return {name: pa.Column(RAW_TYPES.get(name, pl.Float64()), nullable=True) for name in names}


_POSITIVE, _AT_LEAST_ZERO = pa.Check.gt(0), pa.Check.ge(0)
_BARS = (
    _columns(BARS)
    | {name: _number(_POSITIVE, nullable=name != "close") for name in PRICES}
    | {name: _number(_AT_LEAST_ZERO, required=name not in OPTIONAL_BARS) for name in VOLUMES}
)
_BAR_CHECKS = (_by_key(*KEY), _check("high >= low", pl.col("high") >= pl.col("low")))
_LABELS = _columns(LABELS, nullable=("start", "label_end", "forward_return", "scale", "label")) | {
    "label": pa.Column(pl.Int8, pa.Check.isin(CLASSES), nullable=True)
}
_LABEL_CHECKS = (
    _by_key(*KEY),
    _check("start > time", pl.col("start") > pl.col("time")),
    _check("label_end >= start", pl.col("label_end") >= pl.col("start")),
    _check("label and label_end null together", pl.col("label").is_null() == pl.col("label_end").is_null()),
)
_PREDICTIONS = _columns(PREDICTIONS, nullable=("label_end", "forward_return", "scale"))
_PREDICTION_CHECKS = (
    _check("train_end < time", pl.col("train_end") < pl.col("time")),
    _check("label_end > time", pl.col("label_end") > pl.col("time")),
)
_NEVER_NEGATIVE = ("turnover", "slippage", "impact", "borrow")
_EVEN = 1 / len(CLASSES) - ROUNDING
_DECISIONS = {
    "entity": pa.Column(pl.String),
    "time": pa.Column(TIME),
    "signal": pa.Column(pl.String, pa.Check.isin(CLASS_NAMES)),
    "confidence": _number(pa.Check.in_range(0, 1), nullable=False),
    "target_return": _number(nullable=False),
    **{name: _number() for name in BOUNDS},
    "bundle_id": pa.Column(pl.String),
    "feature_age": _number(_AT_LEAST_ZERO, nullable=False),
}
_DECISION_CHECKS = (
    _by_key("entity"),
    _check("lower <= upper", pl.col("lower") <= pl.col("upper")),
    # NEUTRAL also answers a tie of SHORT and LONG, where it may be the least probable class
    _check("SHORT and LONG have at least 1/3", (pl.col("signal") == "NEUTRAL") | (pl.col("confidence") >= _EVEN)),
)
_LEDGER = _columns(LEDGER) | {name: _number(_AT_LEAST_ZERO, nullable=False) for name in _NEVER_NEGATIVE}
_LEDGER_CHECKS = (
    _by_model(),
    _check("pnl = gross - costs", (pl.col("pnl") - (pl.col("gross") - pl.sum_horizontal(CHARGES))).abs() < CENT),
)
_IMPORTANCE = _columns({"model": pl.String} | IMPORTANCE) | {
    "importance": _number(pa.Check.in_range(0, 1), nullable=False)
}
_RANKED = ("model", "fold", "feature")
_SHAP_VALUES = _columns(SHAP_VALUES) | {
    "value": _number(dtype=pl.Float32),
    "shap": _number(dtype=pl.Float32, nullable=False),
}
_QUARANTINE = {
    "entity": pa.Column(pl.String, nullable=True),
    "reason": pa.Column(pl.String),
    "source": pa.Column(pl.String),
}

Bars = Contract(_BARS, _BAR_CHECKS)
Feed = Contract(_columns(FEED), [_by_key(*FEED)], _rest(FEED, pl.Float64))
Panel = Contract(_BARS, _BAR_CHECKS, _rest(_BARS, pl.Float64))
Features = Contract(
    _columns({name: BARS[name] for name in KEY}), [_by_key(*KEY)], _rest(dict.fromkeys(KEY), pl.Float32)
)
Labels = Contract(_LABELS, _LABEL_CHECKS)
ModelInput = Contract(_LABELS, _LABEL_CHECKS, _rest(_LABELS, pl.Float32))
Predictions = Contract(_PREDICTIONS, [_by_key(*KEY), *_PREDICTION_CHECKS], _outcomes)
Oos = Contract({"model": pa.Column(pl.String)} | _PREDICTIONS, [_by_model(), *_PREDICTION_CHECKS], _outcomes)
Ledger = Contract(_LEDGER, _LEDGER_CHECKS)
Decisions = Contract(_DECISIONS, _DECISION_CHECKS)
Importance = Contract(_IMPORTANCE, [_check(f"unique by {', '.join(_RANKED)}", pl.struct(_RANKED).is_unique())])
ShapValues = Contract(_SHAP_VALUES)
Scale = Contract(_columns({name: LABELS[name] for name in (*KEY, "scale")}, nullable=("scale",)), [_by_key(*KEY)])
Quarantine = Contract(_QUARANTINE, (), _as_removed)
