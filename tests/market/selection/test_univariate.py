"""Scores of single features against scipy and slow loops."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import f_oneway, kruskal, linregress, spearmanr

from assay.market.selection import univariate as scores
from assay.market.selection.univariate import (
    class_separation,
    f_test,
    mutual_information,
    rank_correlation,
    spread_rows,
    univariate,
)


def noise(rows: int, columns: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, columns)).astype(np.float32)


def table(X: np.ndarray) -> pl.DataFrame:
    return pl.DataFrame(X, schema=[f"x{number}" for number in range(X.shape[1])])


def test_rank_correlation_agrees_with_scipy() -> None:
    X = np.round(noise(300, 4), 1)  # with ties
    y = X[:, 2] ** 3 - X[:, 0] + noise(300, 1, seed=2)[:, 0]
    got = rank_correlation(table(X), y)
    np.testing.assert_allclose(got, [abs(spearmanr(column, y).statistic) for column in X.T], rtol=1e-10)
    assert rank_correlation(table(X), np.ones(300)).tolist() == [0, 0, 0, 0]


def test_class_separation_agrees_with_kruskal_and_wallis() -> None:
    X = np.round(noise(300, 4).astype(float), 1)
    y = np.sign(np.round(X[:, 1] + noise(300, 1, seed=2)[:, 0])).astype(np.int8)
    got = class_separation(table(X), y)
    h = [kruskal(*(column[y == label] for label in (-1, 0, 1))).statistic for column in X.T]
    np.testing.assert_allclose(got, np.array(h) / 299, rtol=1e-10)


def test_f_agrees_with_scipy() -> None:
    X = noise(300, 3).astype(float)
    y = X[:, 1] + noise(300, 1, seed=2)[:, 0]
    classes = np.sign(np.round(y)).astype(np.int8)
    by_class = [f_oneway(*(column[classes == label] for label in (-1, 0, 1))).statistic for column in X.T]
    np.testing.assert_allclose(f_test(table(X), classes, "classification"), by_class, rtol=1e-8)
    fits = [linregress(column, y) for column in X.T]
    by_line = [(fit.slope / fit.stderr) ** 2 for fit in fits]
    np.testing.assert_allclose(f_test(table(X), y, "regression"), by_line, rtol=1e-8)


def test_mutual_information_of_gaussians_is_known() -> None:
    rho = 0.8
    x, e = noise(4_000, 2).T.astype(float)
    X = np.column_stack([x, e, np.abs(x)])
    y = rho * x + np.sqrt(1 - rho**2) * noise(4_000, 1, seed=3)[:, 0]
    got = mutual_information(table(X), y, "regression", seed=0)
    assert got[0] == pytest.approx(-0.5 * np.log(1 - rho**2), abs=0.05)
    assert got[1] < 0.03
    assert got[2] > 0.1  # no direction, and yet informative
    classes = np.where(np.abs(y) > 1, np.sign(y), 0).astype(np.int8)
    by_class = mutual_information(table(X), classes, "classification", seed=0)
    assert by_class[0] > 0.2 > by_class[2] > 0.05 > by_class[1]


def test_mutual_information_reads_few_rows_and_draws_by_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    X = noise(900, 2)
    y = X[:, 0] + noise(900, 1, seed=1)[:, 0]
    monkeypatch.setattr(scores, "MUTUAL_ROWS", 200)
    rows = spread_rows(900, 200, seed=5)
    few = mutual_information(table(X[rows]), y[rows], "regression", seed=5)
    np.testing.assert_array_equal(mutual_information(table(X), y, "regression", seed=5), few)
    assert not np.array_equal(mutual_information(table(X), y, "regression", seed=6), few)


def test_a_constant_scores_nothing() -> None:
    X = np.column_stack([np.ones(60), noise(60, 1)[:, 0]])
    y = noise(60, 1, seed=1)[:, 0]
    classes = np.sign(np.round(y)).astype(np.int8)
    for target in (y, classes):
        kind = "regression" if target is y else "classification"
        for got in (
            univariate(table(X), target, kind),
            f_test(table(X), target, kind),
            mutual_information(table(X), target, kind, seed=0),
        ):
            assert got[0] == 0
    assert f_test(table(X[:, :1]), y, "regression").tolist() == [0]


def test_classes_are_separated_and_returns_are_followed() -> None:
    size, direction = np.abs(noise(800, 2).T)[0], noise(800, 2).T[1]
    classes = np.where(size > 0.7, np.sign(direction), 0).astype(np.int8)
    X = table(np.column_stack([size, direction]))
    assert np.argmax(univariate(X, classes, "classification")) == 0
    assert np.argmax(univariate(X, classes.astype(float), "regression")) == 1


@given(st.integers(1, 3_000), st.integers(1, 500), st.integers(0, 9))
@settings(deadline=None, max_examples=60)
def test_rows_are_spread_evenly(rows: int, limit: int, seed: int) -> None:
    got = spread_rows(rows, limit, seed=seed)
    assert len(got) == min(rows, limit)
    assert len(set(got.tolist())) == len(got)
    assert (np.diff(got) > 0).all()
    assert 0 <= got[0] <= got[-1] < rows
    assert np.diff(got).max(initial=0) <= 2 * -(-rows // limit)


def test_spread_rows_meet_every_hour_of_the_day() -> None:
    hours = spread_rows(24 * 400, 400, seed=0) % 24
    assert len(set(hours.tolist())) == 24
