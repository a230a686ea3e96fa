"""Scores of single features: higher means more about the target. Columns are without missing values."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.market.models.base import Floats, Target
from assay.market.workload import Kind

MUTUAL_ROWS = 4_000  # the nearest neighbours of one feature take half a second in 20,000 rows


def univariate(values: pl.DataFrame, y: Target, kind: Kind) -> Floats:
    """`class_separation` of classes, `rank_correlation` with returns; shape (columns,)."""
    return class_separation(values, y) if kind == "classification" else rank_correlation(values, y)


def class_separation(values: pl.DataFrame, classes: Target) -> Floats:
    """Share of the variance of each column's ranks that lies between the classes, in [0, 1]; 0 for a constant.

    It is H / (n - 1) of Kruskal and Wallis (*J. Am. Stat. Assoc.* 47, 1952), tie-corrected: it sees a feature that
    moves with direction as well as one that only tells large moves from small ones.

    Args:
        values: Columns without missing values.
        classes: Class of each row.
    """
    ranks = _centred_ranks(values)
    between = np.zeros(ranks.shape[1])
    for label in np.unique(classes):
        rows = ranks[classes == label]
        between += len(rows) * rows.mean(axis=0) ** 2
    return _share(between, (ranks**2).sum(axis=0))


def rank_correlation(values: pl.DataFrame, target: Target) -> Floats:
    """Absolute rank correlation (Spearman) of each column with the target, in [0, 1]; 0 if either is constant.

    Args:
        values: Columns without missing values.
        target: Target of each row.
    """
    ranks, aim = _centred_ranks(values), _centred_ranks(pl.DataFrame({"target": target}))[:, 0]
    return _share(np.abs(aim @ ranks), np.sqrt((ranks**2).sum(axis=0) * (aim**2).sum()))


def f_test(values: pl.DataFrame, y: Target, kind: Kind) -> Floats:
    """F statistic of one-way analysis of variance (classes) or of a linear fit (returns); 0 for a constant."""
    from sklearn.feature_selection import f_classif, f_regression

    test = f_classif if kind == "classification" else f_regression
    return _of_varying(values, lambda X: test(X, y)[0])


def mutual_information(values: pl.DataFrame, y: Target, kind: Kind, *, seed: int) -> Floats:
    """Mutual information with the target in nats, by nearest neighbours; 0 for a constant.

    Kraskov, Stoegbauer and Grassberger (*Phys. Rev. E* 69, 2004) for returns, Ross (*PLoS ONE* 9, 2014) for classes, on
    at most 4,000 evenly spread rows.

    Args:
        values: Columns without missing values.
        y: Target of each row.
        kind: Classes or returns.
        seed: Seed of the rows that are read and of the tiny noise that parts equal values.
    """
    from sklearn.feature_selection import mutual_info_classif, mutual_info_regression

    measure = mutual_info_classif if kind == "classification" else mutual_info_regression
    rows = spread_rows(len(y), MUTUAL_ROWS, seed=seed)
    return _of_varying(values[rows], lambda X: measure(X, y[rows], random_state=seed))


def spread_rows(rows: int, limit: int, *, seed: int) -> npt.NDArray[np.int64]:
    """Positions of at most ``limit`` rows: one drawn from each of ``limit`` stretches of equal length, in order.

    Drawing inside each stretch avoids what a fixed step would do with hourly bars: read always the same hour.
    """
    if rows <= limit:
        return np.arange(rows)
    edges = np.arange(limit + 1) * rows // limit
    return np.asarray(np.random.default_rng(seed).integers(edges[:-1], edges[1:]), dtype=np.int64)


def _of_varying(values: pl.DataFrame, score: Callable[[Floats], Floats]) -> Floats:
    """The score of the columns that are not constant, 0 for the others."""
    X = values.cast(pl.Float64).to_numpy()
    varies = X.min(axis=0) < X.max(axis=0)
    scores = np.zeros(X.shape[1])
    if varies.any():
        scores[varies] = score(X[:, varies])
    return scores


def _share(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.zeros(len(whole)), where=whole > 0)


def _centred_ranks(values: pl.DataFrame) -> Floats:
    ranks = values.select(pl.all().rank()).to_numpy().astype(np.float64)
    return np.asarray(ranks - ranks.mean(axis=0), dtype=np.float64)
