"""The splits inside scikit-learn."""

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score

from assay.market.errors import SplitError
from assay.market.splits import (
    CombinatorialPurgedKFold,
    CombinatorialRule,
    PurgedKFold,
    SplitRule,
    WalkForward,
    combinatorial_purged,
    paths,
    plan_folds,
    split_rows,
)

Market = tuple[np.ndarray, np.ndarray, pl.DataFrame]


@pytest.fixture(scope="module")
def market(toy_market: Callable[..., tuple[pl.DataFrame, pl.DataFrame]]) -> Market:
    """Features, outcomes (NaN where there is none) and labels, row by row."""
    features, labels = toy_market(bars=200)
    outcome = labels["forward_return"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return features.select("signal", "return_1").to_numpy(), outcome, labels


@pytest.mark.parametrize(
    ("make", "splits"),
    [
        (WalkForward, 5),
        (PurgedKFold, 5),
        (CombinatorialPurgedKFold, 15),
        (lambda labels: WalkForward(labels, SplitRule(folds=3, window=40)), 3),
        (lambda labels: PurgedKFold(labels, folds=4, embargo=7), 4),
        (lambda labels: CombinatorialPurgedKFold(labels, CombinatorialRule(groups=4)), 6),
    ],
)
def test_scikit_learn_scores_every_split(market: Market, make: Callable[..., WalkForward], splits: int) -> None:
    X, y, labels = market
    cv = make(labels)
    scores = cross_val_score(LinearRegression(), X, y, cv=cv)
    assert len(scores) == cv.get_n_splits() == cv.get_n_splits(X, y, None) == len(cv.receipts) == splits
    assert (scores > 0.2).all()  # the planted skill of .6 explains .36
    by_hand = [LinearRegression().fit(X[train], y[train]).score(X[test], y[test]) for train, test in cv.split(X)]
    assert scores.tolist() == pytest.approx(by_hand)


def test_rows_are_those_of_the_plan_without_tests_that_cannot_be_scored(market: Market) -> None:
    _, y, labels = market
    rule = SplitRule(folds=3, embargo=4)
    cv = WalkForward(labels, rule)
    assert cv.receipts == plan_folds(labels, rule)
    for (train, test), receipt in zip(cv.split(), cv.receipts, strict=True):
        wanted, tested = split_rows(labels, receipt)
        assert train.tolist() == np.flatnonzero(wanted).tolist()
        assert test.tolist() == np.flatnonzero(tested & np.isfinite(y)).tolist()
    assert np.isnan(y[split_rows(labels, cv.receipts[-1])[1]]).any()


def test_the_embargo_and_the_groups_are_passed_on(market: Market) -> None:
    labels = market[2]
    assert [r.embargoed_rows for r in PurgedKFold(labels, folds=4, embargo=7).receipts] == [14, 14, 14, 0]
    rule = CombinatorialRule(groups=5, test_groups=3)
    cv, splits = CombinatorialPurgedKFold(labels, rule), combinatorial_purged(labels, rule)
    assert cv.receipts == [split.receipt for split in splits]
    assert np.array_equal(np.stack(cv.paths()), np.stack(paths(splits)))
    assert len(cv.paths()) == 6


def test_a_search_can_copy_the_iterator(market: Market) -> None:
    X, y, labels = market
    known = np.isfinite(y)
    cv = WalkForward(labels.filter(known))
    search = GridSearchCV(Ridge(), {"alpha": [0.1, 1e6]}, cv=cv).fit(X[known], y[known])
    assert search.best_params_ == {"alpha": 0.1}


def test_what_is_no_partition_cannot_predict_out_of_fold(market: Market) -> None:
    X, y, labels = market
    with pytest.raises(ValueError, match="only works for partitions"):
        cross_val_predict(LinearRegression(), X, y, cv=WalkForward(labels))


@pytest.mark.parametrize("wrap", [np.asarray, list, pl.DataFrame])
def test_another_table_is_refused(market: Market, wrap: Callable[[object], object]) -> None:
    X, _, labels = market
    cv = WalkForward(labels)
    assert len(list(cv.split(wrap(X)))) == 5
    with pytest.raises(SplitError, match=r"(?s)X: is not the table.*400 rows.*found: 399 rows"):
        next(cv.split(wrap(X[1:])))
