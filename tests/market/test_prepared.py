"""The prepared dataset: nothing is lost when labels and features are put side by side and taken apart."""

from typing import Any

import polars as pl

from assay.market.prepared import assemble, split_input
from assay.market.tables import LABELS


def test_taken_apart_it_is_what_was_put_together(toy_market: Any) -> None:
    features, labels = toy_market(bars=60)
    again = split_input(assemble(features, labels))
    assert again[0].equals(features)
    assert again[1].equals(labels.select(LABELS.keys()))


def test_rows_and_order_are_those_of_the_labels(toy_market: Any) -> None:
    features, labels = toy_market(bars=60)
    assembled = assemble(features.sample(fraction=1, shuffle=True, seed=1), labels)
    assert assembled.select(labels.columns).equals(labels)
    assert assembled.select(features.columns).equals(features)


def test_a_row_without_features_stays_with_nulls(toy_market: Any) -> None:
    features, labels = toy_market(bars=60)
    missing = features["time"].max()
    assembled = assemble(features.filter(pl.col("time") < missing), labels)
    assert assembled.height == labels.height
    assert assembled.filter(time=missing)["signal"].null_count() == 2
    assert assembled["signal"].null_count() == 2
