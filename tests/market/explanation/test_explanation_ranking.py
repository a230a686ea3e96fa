"""The ranking of features and the agreement of the folds, against slow loops, scipy and simulation."""

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.stats import spearmanr

from assay.market.explanation import ExplanationRule, Explanations, compare_folds, explain_folds, rank_features
from assay.market.explanation.folds import SHAP_VALUES, Accounts
from assay.market.explanation.ranking import spearman
from assay.market.workload import Kind

Fit = Callable[[Kind], Any]
NAN = float("nan")


def small() -> Explanations:
    """Two folds of three rows: fold 1 reads a and b, fold 2 reads a and c."""
    rows = [
        ("m", fold, "E", row, feature, value, shap)
        for fold, feature, shaps in (
            (1, "a", (1, -3, 2)),
            (1, "b", (0.5, 0.5, 0.5)),
            (2, "a", (4, 0, -2)),
            (2, "c", (1, 2, 3)),
        )
        for row, (value, shap) in enumerate(zip((10.0, None if feature == "c" else 20.0, 30.0), shaps, strict=True))
    ]
    table = pl.DataFrame(rows, schema=["model", "fold", "entity", "time", "feature", "value", "shap"], orient="row")
    return Explanations(table.cast(SHAP_VALUES), {"m": Accounts("log-odds", 1e-7)}, {"lstm": "no torch"})  # type: ignore[arg-type]


def test_features_are_ranked_in_each_fold_and_over_all() -> None:
    document = rank_features(small(), ExplanationRule())
    assert document["left_out"] == {"lstm": "no torch"}
    found = document["models"]["m"]
    assert (found["rows"], found["folds"], found["unit"], found["gap"]) == (6, [1, 2], "log-odds", 1e-7)
    a, c, b = found["features"]
    assert (a["name"], a["mean_abs"], a["rank"], a["mean"]) == ("a", [2.0, 2.0], [1, 1], 2.0)
    assert (b["name"], b["mean_abs"], b["rank"], b["mean"]) == ("b", [0.5, 0.0], [2, None], 0.25)
    assert (c["name"], c["mean_abs"], c["rank"], c["mean"]) == ("c", [0.0, 2.0], [None, 2], 1.0)
    assert [one["share"] for one in (a, c, b)] == pytest.approx([2 / 3.25, 1 / 3.25, 0.25 / 3.25])


def test_the_direction_says_which_way_a_high_value_pushes() -> None:
    a, c, b = rank_features(small(), ExplanationRule())["models"]["m"]["features"]
    assert a["direction"] == pytest.approx([0.5, -1.0])
    assert b["direction"] == [None, None]  # always the same push, and not read
    assert c["direction"] == [None, None]  # not read, and too few known values


def test_the_document_lists_as_many_features_as_asked_for() -> None:
    document = rank_features(small(), ExplanationRule(features=2))
    assert [one["name"] for one in document["models"]["m"]["features"]] == ["a", "c"]
    assert sum(one["share"] for one in document["models"]["m"]["features"]) == pytest.approx(3 / 3.25)


def test_the_folds_are_compared_on_as_many_features_as_asked_for() -> None:
    one, ten = (rank_features(small(), ExplanationRule(top=top))["models"]["m"]["stability"] for top in (1, 10))
    assert (one["top"], one["overlap"]) == (1, 1.0)
    assert (ten["top"], ten["overlap"]) == (10, 0.5)


def test_sizes_are_mean_absolute_values_of_the_rows(fitted: Fit) -> None:
    head = fitted("classification")
    found = explain_folds(
        head.model_input, head.plan, fold_models=head.fold_models, rule=(rule := ExplanationRule(rows=30))
    )
    document = rank_features(found, rule)
    for model, ranked in document["models"].items():
        for one in ranked["features"]:
            for place, fold in enumerate(ranked["folds"]):
                mine = found.table.filter(model=model, fold=fold, feature=one["name"])["shap"].to_numpy().astype(float)
                assert one["mean_abs"][place] == pytest.approx(np.abs(mine).mean() if len(mine) else 0.0, abs=1e-9)
        assert ranked["rows"] == 90
    largest = {ranked["features"][0]["name"] for ranked in document["models"].values()}
    assert largest <= {"signal", "twin"}  # nothing else helps in this market


def test_spearman_is_that_of_scipy() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        x, y = rng.integers(0, 6, (2, 15)).astype(float)
        assert spearman(x, y) == pytest.approx(spearmanr(x, y).statistic)
    assert spearman(np.array([1.0, 2.0]), np.array([1.0, 2.0])) is None
    assert spearman(np.ones(5), np.arange(5.0)) is None


def test_the_agreement_is_the_mean_over_pairs_of_folds() -> None:
    sizes = np.random.default_rng(1).random((4, 12))
    sizes[0, :3] = sizes[1, 2:5] = NAN
    expected = []
    for a, b in combinations(range(4), 2):
        both = ~np.isnan(sizes[a]) & ~np.isnan(sizes[b])
        expected.append(spearmanr(sizes[a, both], sizes[b, both]).statistic)
    found = compare_folds(sizes, np.ones_like(sizes), top=3)
    assert found["spearman"] == pytest.approx(np.mean(expected))
    assert (found["low"], found["high"]) == pytest.approx((min(expected), max(expected)))
    assert [pair[:2] for pair in found["pairs"]] == [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]
    assert [pair[2] for pair in found["pairs"]] == pytest.approx(expected)


def test_the_overlap_counts_common_features_among_the_largest() -> None:
    sizes = np.array([[9, 8, 7, 1, 0.0, NAN], [9, 1, 7, 8, NAN, 2.0]])
    directions = np.ones_like(sizes)
    assert compare_folds(sizes, directions, top=3)["overlap"] == pytest.approx(2 / 3)
    assert compare_folds(sizes, directions, top=1)["overlap"] == 1
    assert compare_folds(sizes, directions, top=100)["overlap"] == pytest.approx(4 / 5)
    assert compare_folds(sizes, directions, top=100)["top"] == 100


def test_chance_is_what_rankings_at_random_would_share() -> None:
    rng = np.random.default_rng(2)
    read = np.array([[True] * 8 + [False] * 4, [False] * 3 + [True] * 9])

    def draw() -> dict[str, Any]:
        sizes = np.where(read, rng.random((2, 12)), NAN)
        return compare_folds(sizes, np.ones_like(sizes), top=4)

    found = [draw() for _ in range(3_000)]
    overlaps = [one["overlap"] for one in found]
    assert found[0]["chance"] == pytest.approx(np.mean(overlaps), abs=5 * np.std(overlaps) / np.sqrt(len(overlaps)))


def test_rankings_at_random_agree_at_zero() -> None:
    """Also where the folds read different features, which must not look like a ranking turned upside down."""
    rng = np.random.default_rng(3)
    read = np.array([[True] * 8 + [False] * 4, [False] * 3 + [True] * 9])
    found = [
        compare_folds(np.where(read, rng.random((2, 12)), NAN), np.ones((2, 12)), top=4)["spearman"]
        for _ in range(1_000)
    ]
    assert abs(np.mean(found)) < 4 * np.std(found) / np.sqrt(len(found))


def test_features_that_push_one_way_in_all_folds_are_counted() -> None:
    sizes = np.array([[4.0, 3, 2, 1], [4, 3, 2, 1], [4, 3, 2, 1]])
    directions = np.array([[0.5, -0.1, 0.2, NAN], [0.1, -0.9, -0.3, NAN], [0.9, NAN, 0.1, 0.4]])
    assert compare_folds(sizes, directions, top=4)["same_sign"] == pytest.approx(2 / 3)  # the last is told once only
    assert compare_folds(sizes, directions, top=2)["same_sign"] == 1.0
    assert compare_folds(sizes, np.full_like(sizes, NAN), top=2)["same_sign"] is None


def test_one_fold_has_nothing_to_agree_with() -> None:
    found = compare_folds(np.array([[2.0, 1.0, 0.5]]), np.array([[1.0, 1.0, 1.0]]), top=2)
    names = ("spearman", "low", "high", "overlap", "chance", "same_sign")
    assert {name: found[name] for name in names} == dict.fromkeys(names)
    assert found["pairs"] == []
