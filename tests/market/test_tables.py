"""Verbs over the tables that all stages share."""

import polars as pl
import pytest

from assay.market.tables import stack_by_model


def test_tables_of_models_are_stacked_in_their_order() -> None:
    stacked = stack_by_model({"b": pl.DataFrame({"x": [1, 2]}), "a": pl.DataFrame({"x": [0]})})
    assert stacked.columns == ["model", "x"]
    assert stacked.rows() == [("b", 1), ("b", 2), ("a", 0)]


def test_other_columns_are_not_stacked() -> None:
    with pytest.raises(pl.exceptions.PolarsError):
        stack_by_model({"a": pl.DataFrame({"x": [1]}), "b": pl.DataFrame({"y": [1]})})
