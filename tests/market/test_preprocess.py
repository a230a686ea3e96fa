"""The preprocessor against numpy and scipy, and what it refuses."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.market.errors import BundleError, DataError
from assay.market.models.base import Lookback
from assay.market.preprocess import Preprocessor, RawColumns, fit_preprocessor, read_rows

START = datetime(2024, 1, 1, tzinfo=UTC)
NAN, INF = float("nan"), float("inf")


def frame(**columns: object) -> pl.DataFrame:
    """A features table of one entity."""
    length = len(next(iter(columns.values())))  # type: ignore[arg-type]
    return pl.DataFrame(
        {"entity": ["A"] * length, "time": [START + timedelta(hours=hour) for hour in range(length)]}
    ).with_columns(
        pl.col("time").cast(pl.Datetime("us", "UTC")),
        *(pl.Series(name, values, dtype=pl.Float32, strict=False) for name, values in columns.items()),
    )


def noise(rows: int, columns: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, columns)).astype(np.float32)


def test_fill_and_scale_agree_with_numpy() -> None:
    X = noise(200, 3) * [1, 10, 0.1] + [0, 5, -2]
    X = X.astype(np.float32)
    holes = np.random.default_rng(1).random(X.shape) < 0.2
    X[holes] = np.nan
    table = frame(a=X[:, 0], b=X[:, 1], c=X[:, 2])
    got = fit_preprocessor(table, ["a", "b", "c"])
    median = np.nanmedian(X.astype(np.float64), axis=0)
    filled = np.where(np.isnan(X), median, X.astype(np.float64))
    np.testing.assert_allclose(got.medians, median, rtol=1e-6)
    np.testing.assert_allclose(got.means, filled.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(got.scales, filled.std(axis=0), rtol=1e-6)
    matrix = got.transform(table)
    assert matrix.dtype == np.float32
    np.testing.assert_allclose(matrix, (filled - filled.mean(axis=0)) / filled.std(axis=0), atol=1e-5)
    assert got.last_time_seen == START + timedelta(hours=199)


def test_without_standardising_values_pass_through() -> None:
    table = frame(a=[1, None, 3, 4], b=[2, 7, 1, 5])
    got = fit_preprocessor(table, ["a", "b"], standardise=False)
    assert got.transform(table).tolist() == [[1, 2], [3, 7], [3, 1], [4, 5]]


def test_missing_and_infinite_values_take_the_training_median() -> None:
    got = fit_preprocessor(frame(a=[1, 2, 4, INF, NAN]), ["a"], standardise=False)
    assert got.medians == (2.0,)
    assert got.transform(frame(a=[None, NAN, INF, -INF, 9])).ravel().tolist() == [2, 2, 2, 2, 9]


def test_state_survives_json_to_the_last_bit() -> None:
    table = frame(a=noise(50, 1)[:, 0] / 3, b=np.arange(50))
    state = fit_preprocessor(table, ["a", "b"])
    again = Preprocessor.from_json(state.to_json())
    assert again == state
    assert again.to_json() == state.to_json()
    np.testing.assert_array_equal(again.transform(table), state.transform(table))


@pytest.mark.parametrize("damaged", [b"{", b"{}", b"[]", b'{"last_time_seen": "2024"}'])
def test_a_damaged_state_is_refused(damaged: bytes) -> None:
    with pytest.raises(BundleError, match="preprocessor state: cannot be read"):
        Preprocessor.from_json(damaged)


def test_a_missing_column_is_named() -> None:
    state = fit_preprocessor(frame(a=[1, 2, 3], b=[3, 1, 2]), ["a", "b"])
    with pytest.raises(DataError, match=r"columns that the model was trained on are missing[\s\S]*no \['b'\]"):
        state.transform(frame(a=[1, 2]))
    with pytest.raises(DataError, match=r"no \['return_1'\]"):
        RawColumns(("return_1",)).transform(frame(a=[1, 2]))


def test_only_the_given_columns_are_read_in_their_order() -> None:
    table = frame(a=[1, 2, 3], b=[None, None, None], c=[3, 1, 2])
    state = fit_preprocessor(table, ["c", "a"], standardise=False)
    assert state.columns == ("c", "a")
    assert state.transform(table).tolist() == [[3, 1], [1, 2], [2, 3]]


def test_a_constant_keeps_its_unit() -> None:
    state = fit_preprocessor(frame(a=[3, 3, None]), ["a"])
    assert (state.means, state.scales) == ((3.0,), (1.0,))
    assert state.transform(frame(a=[5])).tolist() == [[2]]


def test_what_cannot_be_fitted_is_refused() -> None:
    table = frame(a=[1, 2], empty=[None, INF])
    with pytest.raises(DataError, match=r"no finite value in this training part[\s\S]*found: \['empty'\] in 2 rows"):
        fit_preprocessor(table, ["a", "empty"])
    with pytest.raises(DataError, match="no row to fit"):
        fit_preprocessor(table.head(0), ["a"])


def test_columns_are_found_by_name() -> None:
    table = frame(a=[1, 2, 3], b=[3, 1, 2])
    state = fit_preprocessor(table, ["a", "b"])
    np.testing.assert_array_equal(state.transform(table.select("b", "time", "a")), state.transform(table))


def test_raw_columns_keep_missing_values() -> None:
    table = frame(a=[1, None, 3], b=[1, 2, 3])
    np.testing.assert_array_equal(RawColumns(("a",)).transform(table), np.array([[1], [NAN], [3]], dtype=np.float32))
    assert RawColumns(()).transform(table).shape == (3, 0)


@given(st.lists(st.floats(width=32) | st.none(), min_size=1, max_size=8), st.floats(1e-30, 1e30))
@settings(deadline=None, max_examples=60)
def test_the_matrix_is_always_finite(values: list[float | None], scale: float) -> None:
    state = fit_preprocessor(frame(a=[1, 2, 4]), ["a"])
    matrix = replace(state, scales=(scale,)).transform(frame(a=values))
    assert np.isfinite(matrix).all()


@pytest.mark.parametrize("cached", [1, 100, 2**17])
def test_a_row_is_read_alike_alone_and_among_others(cached: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assay.market.preprocess.CACHED", cached)
    values = np.where(noise(40, 5, seed=1) > 1, np.nan, noise(40, 5)).astype(object)
    values[noise(40, 5, seed=2) > 1.5] = None
    table = frame(**{name: values[:, number].tolist() for number, name in enumerate("abcde")})
    table = table.with_columns(
        pl.Series("count", range(40)), (pl.col("time").dt.hour() > 5).alias("late"), pl.lit(INF).alias("inf")
    ).with_columns(pl.when(pl.col("count") % 3 > 0).then("count"), pl.when(pl.col("count") % 2 > 0).then("late"))
    names = [*"abcde", "count", "late", "inf"]
    numbers = np.random.default_rng(3).standard_normal((3, 8)).tolist()
    pre = Preprocessor(tuple(names), *(tuple(row) for row in numbers), last_time_seen=START)
    raw = np.array([[NAN if value is None else float(value) for value in row] for row in table.select(names).rows()])
    filled = np.where(np.isfinite(raw), raw, numbers[0])
    whole = pre.transform(table)
    np.testing.assert_array_equal(whole, ((filled - numbers[1]) / numbers[2]).astype(np.float32))
    np.testing.assert_array_equal(whole, np.concatenate([pre.transform(table[row]) for row in range(40)]))
    np.testing.assert_array_equal(whole[:16], pre.transform(table[:16]))
    np.testing.assert_array_equal(whole[:17], pre.transform(table[:17]))
    assert pre.transform(table[:0]).shape == (0, 8)


def test_the_features_themselves_are_not_touched() -> None:
    values = np.asfortranarray(noise(50, 2).astype(np.float64))
    table = pl.DataFrame({"time": [START] * 50, "a": values[:, 0], "b": values[:, 1]})
    before = table.clone()
    fit_preprocessor(table, ["a", "b"]).transform(table)
    fit_preprocessor(table, ["a"]).transform(table)
    assert table.equals(before)


def test_sequences_reach_back_over_rows_that_are_not_wanted_and_never_forward() -> None:
    times = [datetime(2024, 1, 1, hour, tzinfo=UTC) for hour in (0, 1, 2, 5, 6)]
    features = pl.DataFrame({"entity": ["A"] * 5 + ["B"] * 5, "time": times * 2, "a": np.arange(10, dtype=np.float32)})
    inputs = fit_preprocessor(features, ["a"], standardise=False)
    wanted = np.zeros(10, dtype=bool)
    wanted[[2, 4, 6]] = True
    found = read_rows(inputs, features, wanted, Lookback(3, timedelta(hours=1)))
    steps = [[None if at < 0 else found.values[at, 0] for at in row] for row in found.index]
    assert steps == [[0, 1, 2], [None, 3, 4], [None, 5, 6]]
    assert found.last.ravel().tolist() == [2, 4, 6]
    assert found.shape == (3, 1)
    assert found[np.array([False, True, False])].index.tolist() == found.index[1:2].tolist()
    no_gaps = read_rows(inputs, features, None, Lookback(3))
    assert no_gaps.index[4].tolist() == [2, 3, 4]
    assert read_rows(inputs, features, wanted, None).ravel().tolist() == [2, 4, 6]
