"""Which expressions look at their own row alone, and so need neither the rows before nor a grouping by entity."""

import re
from functools import cache

import polars as pl

# one that is missing here costs time, not correctness
OPERATIONS = frozenset(
    [
        *("col", "when", "then", "otherwise", "is_null", "is_not_null", "is_finite", "fill_null", "strict_cast"),
        *("not", "negate", "abs", "sign", "sqrt", "pow", "exp", "log", "log1p", "tanh", "arctan", "sin", "cos"),
        *("clip_min", "clip_max", "is_between", "max_horizontal", "min_horizontal"),
        *("minute", "hour", "weekday", "day", "date", "month", "quarter", "year", "timestamp"),
        *("month_end", "offset_by", "truncate", "total_days"),
    ]
)


def is_row_wise(expression: pl.Expr) -> bool:
    """Whether a value certainly depends on its own row alone: the expression names no operation but known ones."""
    return _operations(str(expression)) <= OPERATIONS


@cache
def _operations(expression: str) -> frozenset[str]:
    without_names = re.sub(r'"[^"]*"', "", expression)
    return frozenset(re.findall(r"(\w+)\(", without_names))
