"""Which features moved a model's answers most, and whether its folds agree about that."""

from itertools import combinations
from typing import Any

import numpy as np
import polars as pl

from assay.market.explanation.folds import Explanations
from assay.market.explanation.rule import ExplanationRule
from assay.market.models.base import Floats

LEAST = 3  # rows, or features, that a rank correlation needs


def rank_features(explained: Explanations, rule: ExplanationRule) -> dict[str, Any]:
    """Rank the features of every explained model by mean absolute SHAP value, and compare the folds.

    Args:
        explained: What `explain_folds` found.
        rule: How many features are listed and compared.

    Returns:
        ``models``: by model its ``rows`` over all folds, ``folds``, ``unit``, ``gap`` (see `Accounts`), ``stability``
        (see `compare_folds`) and ``features``, largest first: ``name``, and per fold ``mean_abs``, ``rank`` (1 for the
        largest) and ``direction`` (Spearman's correlation of feature and SHAP value: the sign says which way a high
        value pushes), then ``mean`` over the folds and its ``share`` of the sum over all features. In a fold that did
        not read a feature its ``mean_abs`` is 0 and it has no rank. ``left_out``: why other models are not explained.
    """
    by_model = explained.table.partition_by("model", as_dict=True)
    return {
        "models": {
            model: _ranked(by_model[(model,)], rule) | {"unit": account.unit, "gap": account.gap}
            for model, account in explained.accounts.items()
        },
        "left_out": explained.left_out,
    }


def compare_folds(sizes: Floats, directions: Floats, *, top: int) -> dict[str, Any]:
    """How much the rankings of the folds agree; folds share training rows, which flatters all of it.

    Two folds are compared on the features that both read: over all that either read, a choice of features that differs
    would come out as a ranking turned upside down.

    Args:
        sizes: Mean absolute SHAP value, shape (folds, features), NaN where a fold did not read the feature.
        directions: Which way a high value pushes, the same shape; NaN where that is unknown.
        top: Of how many largest features the folds are compared.

    Returns:
        ``spearman``: Spearman's correlation of the sizes, mean over all pairs of folds; ``low`` and ``high``: of the
        pairs; ``pairs``: ``[place, place, spearman]``, places from 0. ``overlap``: share of their ``top`` largest
        features that two folds have in common, mean over pairs; ``chance``: the same if each fold ranked what it read
        at random. ``same_sign``: share of the ``top`` largest features that push the same way in every fold that
        tells. None where undefined.
    """
    folds = list(combinations(range(len(sizes)), 2))
    both = [~np.isnan(sizes[[a, b]]).any(axis=0) for a, b in folds]
    pairs = [spearman(*sizes[[a, b]][:, read]) for (a, b), read in zip(folds, both, strict=True)]
    shared = [_shared(*sizes[[a, b]], top=top) for a, b in folds]
    known = [found for found in pairs if found is not None]
    largest = np.argsort(-np.nan_to_num(sizes).mean(axis=0), kind="stable")[:top]
    return {
        "spearman": _mean(known),
        "low": min(known, default=None),
        "high": max(known, default=None),
        "pairs": [[*places, found] for places, found in zip(folds, pairs, strict=True)],
        "top": top,
        "overlap": _mean([overlap for overlap, _ in shared]),
        "chance": _mean([chance for _, chance in shared]),
        "same_sign": _same_sign(directions[:, largest]),
    }


def spearman(x: Floats, y: Floats) -> float | None:
    """Spearman's rank correlation, equal values sharing their mean rank; None below three values or for a constant."""
    from scipy.stats import rankdata

    if len(x) < LEAST or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    return float(np.corrcoef(rankdata(x), rankdata(y))[0, 1])


def _ranked(part: pl.DataFrame, rule: ExplanationRule) -> dict[str, Any]:
    folds = part["fold"].unique(maintain_order=True).to_list()
    found = part.group_by("fold", "feature", maintain_order=True).agg(
        size=pl.col("shap").cast(pl.Float64).abs().mean(),
        direction=_direction(),
    )
    names = found["feature"].unique().sort().to_list()
    sizes, directions = (_grid(found, column, folds, names) for column in ("size", "direction"))
    ranks, filled = [_ranks(size) for size in sizes], np.nan_to_num(sizes)
    mean, total = filled.mean(axis=0), filled.mean(axis=0).sum() or 1.0
    return {
        "rows": part.select("fold", "entity", "time").n_unique(),
        "folds": folds,
        "features": [
            {
                "name": names[place],
                "mean_abs": filled[:, place].tolist(),
                "rank": [rank[place] for rank in ranks],
                "direction": [None if np.isnan(sign) else float(sign) for sign in directions[:, place]],
                "mean": float(mean[place]),
                "share": float(mean[place] / total),
            }
            for place in np.argsort(-mean, kind="stable")[: rule.features].tolist()
        ],
        "stability": compare_folds(sizes, directions, top=rule.top),
    }


def _direction() -> pl.Expr:
    """Spearman's correlation of feature and SHAP value on the rows where the feature is known; NaN for a constant."""
    known = pl.col("value").is_finite().fill_null(value=False)
    value, shap = (pl.col(name).filter(known).rank() for name in ("value", "shap"))
    return pl.when(known.sum() >= LEAST).then(pl.corr(value, shap))


def _grid(found: pl.DataFrame, column: str, folds: list[int], names: list[str]) -> Floats:
    """A column as a matrix, shape (folds, features); NaN where a fold did not read a feature."""
    grid = np.full((len(folds), len(names)), np.nan)
    rows = {fold: row for row, fold in enumerate(folds)}
    places = {name: place for place, name in enumerate(names)}
    for fold, name, value in found.select("fold", "feature", column).iter_rows():
        grid[rows[fold], places[name]] = np.nan if value is None else value
    return grid


def _ranks(sizes: Floats) -> list[int | None]:
    """From 1 for the largest, equal ones in their order; None where the fold did not read the feature."""
    ranks: list[int | None] = [None] * len(sizes)
    for rank, place in enumerate(_largest(sizes, len(sizes)), start=1):
        ranks[place] = rank
    return ranks


def _largest(sizes: Floats, most: int) -> list[int]:
    """Places of the largest features that a fold read, largest first."""
    order = np.argsort(-np.nan_to_num(sizes), kind="stable")
    return [place for place in order.tolist() if not np.isnan(sizes[place])][:most]


def _shared(one: Floats, other: Floats, *, top: int) -> tuple[float, float]:
    """Share of the largest features that two folds have in common, and what chance would give."""
    here, there = _largest(one, top), _largest(other, top)
    if not (here and there):
        return np.nan, np.nan
    both, most = int((~np.isnan(one + other)).sum()), max(len(here), len(there))
    fewer = min(len(here), len(there))
    by_chance = both * most / (int((~np.isnan(one)).sum()) * int((~np.isnan(other)).sum()))
    return len(set(here) & set(there)) / fewer, by_chance


def _same_sign(directions: Floats) -> float | None:
    """Share of the features whose direction has one sign, of those for which at least two folds tell one."""
    told = directions[:, (~np.isnan(directions)).sum(axis=0) > 1]
    if not told.size:
        return None
    same = (np.nanmin(told, axis=0) > 0) | (np.nanmax(told, axis=0) < 0)
    return float(same.mean())


def _mean(values: list[float]) -> float | None:
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else None
