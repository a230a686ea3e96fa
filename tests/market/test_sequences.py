"""Which rows a row may look back on."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.market.errors import DataError
from assay.market.sequences import sequence_index

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def table(*entities: list[int]) -> pl.DataFrame:
    """Rows of several entities, each at the given hours."""
    rows = [(f"E{number}", START + HOUR * hour) for number, hours in enumerate(entities) for hour in hours]
    return pl.DataFrame(rows, schema={"entity": pl.String, "time": pl.Datetime("us", "UTC")}, orient="row")


def slow_index(keys: pl.DataFrame, lookback: int, max_gap: timedelta | None) -> list[list[int]]:
    """Walk back from each row, one row at a time, until a step is not allowed."""
    rows, found = keys.rows(), []
    for position in range(len(rows)):
        steps = [position]
        while len(steps) < lookback and steps[0] > 0:
            (entity, time), (entity_before, time_before) = rows[steps[0]], rows[steps[0] - 1]
            if entity != entity_before or (max_gap is not None and time - time_before > max_gap):
                break
            steps.insert(0, steps[0] - 1)
        found.append([-1] * (lookback - len(steps)) + steps)
    return found


hours = st.lists(st.integers(0, 40), min_size=1, max_size=15, unique=True).map(sorted)


@given(
    st.lists(hours, min_size=1, max_size=4),
    st.integers(1, 6),
    st.sampled_from([None, HOUR, 3 * HOUR, timedelta(minutes=30)]),
)
@settings(deadline=None, max_examples=100)
def test_a_row_looks_back_as_far_as_a_walk_gets(
    entities: list[list[int]], lookback: int, max_gap: timedelta | None
) -> None:
    keys = table(*entities)
    index = sequence_index(keys, lookback, max_gap=max_gap)
    assert index.dtype == np.int32
    assert index.tolist() == slow_index(keys, lookback, max_gap)


def test_neither_an_entity_nor_a_gap_is_crossed() -> None:
    index = sequence_index(table([0, 1, 2], [3, 4, 8, 9]), 3, max_gap=2 * HOUR)
    assert index.tolist() == [[-1, -1, 0], [-1, 0, 1], [0, 1, 2], [-1, -1, 3], [-1, 3, 4], [-1, -1, 5], [-1, 5, 6]]


def test_a_step_as_long_as_the_limit_is_no_gap() -> None:
    assert sequence_index(table([0, 2]), 2, max_gap=2 * HOUR)[1].tolist() == [0, 1]
    assert sequence_index(table([0, 2]), 2, max_gap=HOUR)[1].tolist() == [-1, 1]
    assert sequence_index(table([0, 2000]), 2, max_gap=None)[1].tolist() == [0, 1]


def test_no_rows_have_no_sequences() -> None:
    assert sequence_index(table(), 4, max_gap=HOUR).shape == (0, 4)


@pytest.mark.parametrize(
    "keys",
    [table([3, 2]), table([2, 2]), table([1], [1])[::-1]],
    ids=["later rows first", "a row twice", "entities in another order"],
)
def test_rows_out_of_place_are_refused(keys: pl.DataFrame) -> None:
    with pytest.raises(DataError, match=r"not sorted and unique[\s\S]*found: 1 of 2 rows"):
        sequence_index(keys, 2, max_gap=None)
