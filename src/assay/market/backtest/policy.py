"""When a prediction becomes a position."""

import polars as pl
from pydantic import Field

from assay.market.costs import BP
from assay.market.errors import DataError
from assay.market.parameters import Parameters
from assay.market.workload import Kind


class Policy(Parameters):
    """When a prediction becomes a position.

    Attributes:
        min_edge_bp: Regression only: act when the predicted return exceeds this many basis points in size.
    """

    min_edge_bp: float = Field(default=0.0, ge=0, allow_inf_nan=False)


def sides(predictions: pl.DataFrame, kind: Kind, policy: Policy) -> pl.Series:
    """Turn predictions into sides.

    Args:
        predictions: Predictions table with ``y_pred``, a class (-1, 0, 1) or a forward return.
        kind: Kind of the head.
        policy: When to act.

    Returns:
        Int8 series ``side`` of shape (rows,): -1 short, 0 flat, 1 long.

    Raises:
        DataError: A prediction is null or not finite.
    """
    predicted = predictions["y_pred"].cast(pl.Float64)
    if bad := len(predicted) - int(predicted.is_finite().sum()):
        raise DataError(
            "predictions", "not all are numbers", expected="finite y_pred", found=f"{bad} null or not finite"
        )
    edge = policy.min_edge_bp * BP if kind == "regression" else 0.0
    return (predicted.sign() * (predicted.abs() > edge)).cast(pl.Int8).alias("side")
