"""The preprocessor against numpy and scipy, and what it refuses."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kruskal, spearmanr

from assay.market.errors import BundleError, DataError
from assay.market.preprocess import (
    Preprocessor,
    PreprocessRule,
    RawColumns,
    class_separation,
    fit_preprocessor,
    rank_correlation,
)

START = datetime(2024, 1, 1, tzinfo=UTC)
RULE = PreprocessRule()
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
    got = fit_preprocessor(table, np.zeros(200), RULE)
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
    got = fit_preprocessor(table, np.zeros(4), PreprocessRule(standardise=False))
    assert got.transform(table).tolist() == [[1, 2], [3, 7], [3, 1], [4, 5]]


def test_missing_and_infinite_values_take_the_training_median() -> None:
    got = fit_preprocessor(frame(a=[1, 2, 4, INF, NAN]), np.zeros(5), PreprocessRule(standardise=False))
    assert got.medians == (2.0,)
    assert got.transform(frame(a=[None, NAN, INF, -INF, 9])).ravel().tolist() == [2, 2, 2, 2, 9]


def test_what_is_dropped_and_why() -> None:
    X = noise(400, 3)
    sparse = np.where(np.arange(400) % 4 == 0, X[:, 1], NAN)
    table = frame(
        a=X[:, 0], sparse=sparse, flat=np.ones(400), twin=-3 * X[:, 0] + 0.01 * X[:, 2], empty=[None] * 400, c=X[:, 2]
    )
    got = fit_preprocessor(table, np.zeros(400), RULE)
    assert got.columns == ("a", "c")
    assert got.dropped == {
        "sparse": "coverage 0.250 below 0.5",
        "flat": "constant",
        "empty": "coverage 0.000 below 0.5",
        "twin": "correlation 1.000 with a",
    }


def test_limits_are_parameters() -> None:
    X = noise(400, 2)
    table = frame(a=X[:, 0], half=np.where(np.arange(400) % 2, X[:, 1], NAN), near=X[:, 0] + X[:, 1])
    target = np.zeros(400)
    assert fit_preprocessor(table, target, RULE).columns == ("a", "half", "near")
    assert fit_preprocessor(table, target, PreprocessRule(min_coverage=0.6)).columns == ("a", "near")
    assert fit_preprocessor(table, target, PreprocessRule(max_correlation=0.6)).columns == ("a", "half")


def test_the_first_of_a_chain_of_near_duplicates_stays() -> None:
    X = noise(300, 1)[:, 0]
    table = frame(a=X, b=X + 1, c=2 * X, d=noise(300, 1, seed=1)[:, 0])
    got = fit_preprocessor(table, np.zeros(300), RULE)
    assert got.columns == ("a", "d")
    assert got.dropped == {"b": "correlation 1.000 with a", "c": "correlation 1.000 with a"}


def test_near_duplicates_are_found_in_evenly_spaced_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    X = noise(1_000, 2)
    apart = np.where(np.arange(1_000) % 100 == 0, X[:, 0], X[:, 1])  # the same in the rows that are looked at
    table = frame(a=X[:, 0], b=apart)
    assert fit_preprocessor(table, np.zeros(1_000), RULE).columns == ("a", "b")
    monkeypatch.setattr("assay.market.preprocess.CORRELATION_ROWS", 10)
    assert fit_preprocessor(table, np.zeros(1_000), RULE).columns == ("a",)


def test_rank_correlation_agrees_with_scipy() -> None:
    X = np.round(noise(300, 4), 1)  # with ties
    y = X[:, 2] ** 3 - X[:, 0] + noise(300, 1, seed=2)[:, 0]
    got = rank_correlation(pl.DataFrame(X, schema=list("abcd")), y)
    np.testing.assert_allclose(got, [abs(spearmanr(column, y).statistic) for column in X.T], rtol=1e-10)
    assert rank_correlation(pl.DataFrame(X, schema=list("abcd")), np.ones(300)).tolist() == [0, 0, 0, 0]


def test_class_separation_agrees_with_kruskal_and_wallis() -> None:
    X = np.round(noise(300, 4).astype(float), 1)
    y = np.sign(np.round(X[:, 1] + noise(300, 1, seed=2)[:, 0])).astype(np.int8)
    got = class_separation(pl.DataFrame(X, schema=list("abcd")), y)
    h = [kruskal(*(column[y == label] for label in (-1, 0, 1))).statistic for column in X.T]
    np.testing.assert_allclose(got, np.array(h) / 299, rtol=1e-10)


def test_the_best_features_are_kept_in_table_order() -> None:
    X = noise(800, 5)
    y = X[:, 3] + 0.5 * X[:, 1] + 0.1 * noise(800, 1, seed=3)[:, 0]
    table = frame(**{f"x{number}": X[:, number] for number in range(5)})
    got = fit_preprocessor(table, y, PreprocessRule(features=2))
    assert got.columns == ("x1", "x3")
    assert len(got.dropped) == 3
    assert set(got.dropped.values()) == {f"univariate rank {place} of 5" for place in (3, 4, 5)}


def test_classes_choose_by_separation_and_returns_by_direction() -> None:
    X = noise(800, 2)
    size, direction = np.abs(X[:, 0]), X[:, 1]
    moves = size > 0.7
    classes = np.where(moves, np.sign(direction), 0).astype(np.int8)
    table = frame(size=size, direction=direction)
    assert fit_preprocessor(table, classes, PreprocessRule(features=1)).columns == ("size",)
    assert fit_preprocessor(table, classes.astype(float), PreprocessRule(features=1)).columns == ("direction",)


def test_equal_scores_go_to_the_earlier_column() -> None:
    rising = np.sort(noise(30, 40), axis=0)  # all have the same ranks
    table = frame(**{f"x{number}": rising[:, number] for number in range(40)})
    rule = PreprocessRule(features=2, max_correlation=1)
    assert fit_preprocessor(table, np.arange(30.0), rule).columns == ("x0", "x1")


def test_state_survives_json_to_the_last_bit() -> None:
    table = frame(a=noise(50, 1)[:, 0] / 3, flat=np.ones(50))
    state = fit_preprocessor(table, np.zeros(50), RULE)
    again = Preprocessor.from_json(state.to_json())
    assert again == state
    assert again.to_json() == state.to_json()
    np.testing.assert_array_equal(again.transform(table), state.transform(table))


@pytest.mark.parametrize("damaged", [b"{", b"{}", b"[]", b'{"last_time_seen": "2024"}'])
def test_a_damaged_state_is_refused(damaged: bytes) -> None:
    with pytest.raises(BundleError, match="preprocessor state: cannot be read"):
        Preprocessor.from_json(damaged)


def test_a_missing_column_is_named() -> None:
    state = fit_preprocessor(frame(a=[1, 2, 3], b=[3, 1, 2]), np.zeros(3), RULE)
    with pytest.raises(DataError, match=r"columns that the model was trained on are missing[\s\S]*no \['b'\]"):
        state.transform(frame(a=[1, 2]))
    with pytest.raises(DataError, match=r"no \['return_1'\]"):
        RawColumns(("return_1",)).transform(frame(a=[1, 2]))


def test_columns_are_found_by_name() -> None:
    table = frame(a=[1, 2, 3], b=[3, 1, 2])
    state = fit_preprocessor(table, np.zeros(3), RULE)
    np.testing.assert_array_equal(state.transform(table.select("b", "time", "a")), state.transform(table))


def test_no_feature_left_says_why() -> None:
    table = frame(flat=[1, 1, 1, 1], sparse=[1, None, None, None])
    with pytest.raises(DataError, match=r"none can be used[\s\S]*flat: constant; sparse: coverage 0.250 below"):
        fit_preprocessor(table, np.zeros(4), RULE)
    with pytest.raises(DataError, match="no feature column"):
        fit_preprocessor(table.select("entity", "time"), np.zeros(4), RULE)
    with pytest.raises(DataError, match="no row to fit"):
        fit_preprocessor(table.head(0), np.zeros(0), RULE)


def test_raw_columns_keep_missing_values() -> None:
    table = frame(a=[1, None, 3], b=[1, 2, 3])
    np.testing.assert_array_equal(RawColumns(("a",)).transform(table), np.array([[1], [NAN], [3]], dtype=np.float32))
    assert RawColumns(()).transform(table).shape == (3, 0)


@given(st.lists(st.floats(width=32) | st.none(), min_size=1, max_size=8), st.floats(1e-30, 1e30))
@settings(deadline=None, max_examples=60)
def test_the_matrix_is_always_finite(values: list[float | None], scale: float) -> None:
    state = fit_preprocessor(frame(a=[1, 2, 4]), np.zeros(3), RULE)
    matrix = replace(state, scales=(scale,)).transform(frame(a=values))
    assert np.isfinite(matrix).all()
