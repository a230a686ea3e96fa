"""The rows a search may see: effective rows, and what a model that looks back reads."""

from typing import Any

import numpy as np
import polars as pl
import pytest

from assay.market.models.base import Lookback
from assay.market.splits import before_first_fold, split_rows
from assay.market.tuning import effective_rows, inner_receipts
from assay.market.tuning.rows import early_part, inner_folds


def test_effective_rows_are_labels_that_do_not_overlap(toy_market: Any) -> None:
    for horizon in (1, 3, 7):
        labels = toy_market(bars=100, horizon=horizon)[1].filter(pl.col("label").is_not_null())
        assert effective_rows(labels) == -(-(100 - horizon - 1) // horizon)
    spans = pl.DataFrame({"start": [0, 1, 2, 5, 6], "label_end": [10, 3, 4, 7, 8]}).cast(pl.Datetime("us", "UTC"))
    assert effective_rows(spans) == 2
    assert effective_rows(spans.reverse()) == 2
    assert effective_rows(spans.with_columns(label_end="start")) == spans["start"].n_unique()


def test_inner_folds_hold_their_rows_and_no_others(lab: Any) -> None:
    plan = lab.planned(inner_folds=3, embargo=2)
    early = early_part(*lab.market, plan=plan)
    assert early.rows.all()
    receipts = inner_receipts(early.labels, plan.budget, embargo=2)
    for fold, receipt in zip(inner_folds(early, plan), receipts, strict=True):
        train, test = split_rows(early.labels, receipt)
        assert fold.design.training.rows == train.sum() == len(fold.design.y)
        np.testing.assert_array_equal(fold.truth.y, early.labels.filter(test)["forward_return"].to_numpy())
        np.testing.assert_array_equal(fold.truth.time, early.labels.filter(test)["time"].to_physical().to_numpy())
        assert fold.design.training.last_label_end < receipt.test_start
        np.testing.assert_array_equal(fold.X, fold.design.inputs.transform(early.features.filter(test)))


@pytest.fixture
def looking_back(monkeypatch: pytest.MonkeyPatch, lab: Any) -> Any:
    """A plan whose model reads sequences of three rows."""
    plan = lab.planned()
    monkeypatch.setattr(type(plan.recipe.params), "history", property(lambda _: Lookback(3)))
    return plan


def test_a_model_that_looks_back_reads_rows_whose_label_came_too_late(lab: Any, looking_back: Any) -> None:
    features, labels, receipts = lab.market
    times = labels["time"].unique().sort()
    late = times[40]  # one row in the past of others, whose label was known only at the very end
    labels = labels.with_columns(
        pl.when(pl.col("time") == late).then(times[-1]).otherwise("label_end").alias("label_end")
    )
    early = early_part(features, labels, receipts, plan=looking_back)
    scored = before_first_fold(labels, receipts)
    assert early.labels.height == scored.sum() + 2
    assert early.labels["time"].max() == labels.filter(scored)["time"].max()
    assert early.labelled.equals(labels.filter(scored))


def test_sequences_of_an_inner_fold_end_in_its_rows(lab: Any, looking_back: Any) -> None:
    early = early_part(*lab.market, plan=looking_back)
    for fold in inner_folds(early, looking_back):
        assert fold.X.index.shape == (len(fold.truth.y), 3)
        own = early.labels["time"].to_physical().to_numpy()[fold.X.index[:, -1]]
        np.testing.assert_array_equal(own, fold.truth.time)
        assert (fold.X.index[:, 0] == fold.X.index[:, -1] - 2).all()  # nothing of the past is missing
