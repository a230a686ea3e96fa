"""Comparing tables of features: tolerance, missing values, types."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from assay.market.audit.compare import aligned, changes, differences, scales
from assay.market.errors import DataError

DAYS = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in range(3)]


def table(values: list[object], dtype: pl.DataType | None = None) -> pl.DataFrame:
    return pl.DataFrame({"entity": ["A"] * 3, "time": DAYS, "x": pl.Series(values, dtype=dtype, strict=False)})


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], []),
        ([1.0, None, 3.0], [1.0, None, 3.0], []),
        ([1.0, None, 3.0], [1.0, 2.0, 3.0], [1]),
        ([1.0, 2.0, 3.0], [1.0, None, 3.0], [1]),
        ([1.0, 2.0, 3.0], [1.0, 2.0 + 1e-10, 3.0 + 1e-8], [2]),
        ([0.0, 0.0, 1.0], [1e-10, 1e-8, 1.0], [1]),
        ([float("inf"), 1.0, 2.0], [float("inf"), 1.0, 2.5], [2]),
        ([float("inf"), 1.0, 2.0], [5.0, 1.0, 2.0], [0]),
        ([1.0, 1.0, 2.0], [-float("inf"), 1.0, 2.0], [0]),
        (["a", "b", None], ["a", "c", None], [1]),
        ([True, False, None], [True, True, None], [1]),
        ([1, 2, 3], [1.0, 2.0, 4.0], [2]),
    ],
)
def test_rows_that_differ(before: list[object], after: list[object], expected: list[int]) -> None:
    found = changes(pl.Series(before), pl.Series(after), 1.0, tolerance=1e-9)
    assert np.flatnonzero(found).tolist() == expected


def test_the_scale_widens_the_tolerance_of_small_values() -> None:
    tiny, shifted = pl.Series([0.0]), pl.Series([1e-8])
    assert changes(tiny, shifted, 1.0, tolerance=1e-9).all()
    assert not changes(tiny, shifted, 100.0, tolerance=1e-9).any()


def test_a_difference_tells_the_row_that_moved_most() -> None:
    found = differences(table([1.0, 2.0, 3.0]), table([1.0, 2.5, 7.0]), {"x": 1.0}, tolerance=1e-9)
    assert str(found["x"]) == "2 of 3 rows change, e.g. A at 2024-01-03 00:00:00+00:00: 3 becomes 7"
    gone = differences(table([1.0, 2.0, 3.0]), table([9.0, None, 3.0]), {"x": 1.0}, tolerance=1e-9)
    assert "2 becomes undefined" in str(gone["x"])


def test_a_column_that_vanishes_differs() -> None:
    assert differences(table([1.0, 2.0, 3.0]), table([1.0, 2.0, 3.0]).drop("x"), {}, tolerance=1.0)["x"].rows == 3


def test_features_are_brought_into_the_order_of_the_panel() -> None:
    keys = table([0, 0, 0]).select("entity", "time")
    mixed = table([1.0, float("nan"), 3.0]).reverse().head(2).select("x", "time", "entity")
    assert aligned(mixed, keys)["x"].to_list() == [None, None, 3.0]
    assert aligned(table([1.0, float("nan"), 3.0]), keys)["x"].to_list() == [1.0, None, 3.0]


def test_rows_that_cannot_be_told_apart_are_refused() -> None:
    keys = table([0, 0, 0]).select("entity", "time")
    with pytest.raises(DataError, match=r"(?s)cannot be told apart.*no column entity"):
        aligned(table([1, 2, 3]).drop("entity"), keys)
    with pytest.raises(DataError, match=r"(?s)cannot be told apart.*several rows of one entity and time"):
        aligned(pl.concat([table([1, 2, 3])] * 2), keys)


def test_scales_are_usual_distances_and_never_missing() -> None:
    found = scales(table([1.0, 2.0, 3.0]).with_columns(y=pl.lit(None, dtype=pl.Float64), z=pl.lit(float("inf"))))
    assert found == {"x": 1.0, "y": 0.0, "z": 0.0}
    assert scales(table([2.0, 2.0, 5.0])) == {"x": 3.0}


def test_one_huge_value_does_not_hide_changes_of_the_others() -> None:
    before, after = (pl.concat([table([x, 0.02, -0.03]), table([0.04, -0.05, 1e15])]) for x in (0.01, 0.0))
    assert set(differences(before, after, scales(before), tolerance=1e-9)) == {"x"}
