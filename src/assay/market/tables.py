"""Names and types of the columns that the stages hand to each other."""

from collections.abc import Mapping
from typing import Any

import polars as pl

TIME = pl.Datetime("us", "UTC")
KEY = ("entity", "time")
CLASSES = (-1, 0, 1)
CLASS_NAMES = ("SHORT", "NEUTRAL", "LONG")
PROBABILITIES = ("p_short", "p_neutral", "p_long")
PRICES = ("open", "high", "low", "close")
EVERYONE = "*"  # entity of a feed that informs all entities

BARS = {
    "entity": pl.String,
    "time": TIME,
    "open": pl.Float64,
    "high": pl.Float64,
    "low": pl.Float64,
    "close": pl.Float64,
    "volume": pl.Float64,
    "jump": pl.Boolean,
}
OPTIONAL_BARS = dict.fromkeys(("quote_volume", "trades", "taker_buy_volume", "vwap"), pl.Float64)
VOLUMES = ("volume", *OPTIONAL_BARS)
FEED = {"entity": pl.String, "event_time": TIME, "available_time": TIME}
LABELS: Mapping[str, Any] = {
    "entity": pl.String,
    "time": TIME,
    "start": TIME,
    "label_end": TIME,
    "forward_return": pl.Float64,
    "scale": pl.Float64,
    "label": pl.Int8,
}
PREDICTIONS: Mapping[str, Any] = {
    "entity": pl.String,
    "time": TIME,
    "label_end": TIME,
    "fold": pl.Int32,
    "train_end": TIME,
    "forward_return": pl.Float64,
    "scale": pl.Float64,
}
OUTCOMES = ("y_true", "y_pred")  # both Int8 (classes) or both Float64 (returns)
BOUNDS = ("lower", "upper")  # of a return; null where nothing is known to judge by
CHARGES = ("fees", "slippage", "impact", "borrow", "funding")  # what a ledger takes from gross; a rebate is negative
LEDGER = {
    "model": pl.String,
    "entity": pl.String,
    "time": TIME,
    "position": pl.Float64,
    "turnover": pl.Float64,
    "fees": pl.Float64,
    "slippage": pl.Float64,
    "impact": pl.Float64,
    "borrow": pl.Float64,
    "funding": pl.Float64,
    "gross": pl.Float64,
    "pnl": pl.Float64,
    "equity": pl.Float64,
}
SHAP_VALUES: Mapping[str, Any] = {
    "model": pl.String,
    "fold": pl.Int32,
    "entity": pl.String,
    "time": TIME,
    "feature": pl.String,
    "value": pl.Float32,
    "shap": pl.Float32,
}
# keys of raw tables, as sources hand them over; all their other columns are Float64
RAW_TYPES: dict[str, pl.DataType] = {"entity": pl.String(), "time": TIME, "available_time": TIME, "date": pl.Date()}


def stack_by_model(tables: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Put the tables of several models under each other.

    Args:
        tables: By name of the model; all with the same columns.

    Returns:
        The rows of all, one model after the other, with the name in the column ``model``, which comes first.
    """
    return pl.concat(table.select(pl.lit(model).alias("model"), pl.all()) for model, table in tables.items())
