"""Trend scanning on paths whose trend is known."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.stats import linregress

from assay.market.execution import Execution
from assay.market.labels import LabelRule, make_labels

HOUR = timedelta(hours=1)
DECIDED = 39
Panel = Callable[..., pl.DataFrame]


def path(closes: Any, bars: Panel) -> pl.DataFrame:
    """Bars whose entry, row 40, is the first of these closes."""
    return bars([(c, c, c, c) for c in np.asarray(closes).tolist()])


def labelled(panel: pl.DataFrame, **changes: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    settings = {"kind": "trend_scanning", "min_length": 5, "max_length": 12, "volatility_span": 20, "max_gap": 2 * HOUR}
    labels, manifest = make_labels(panel, LabelRule(**(settings | changes)), execution=Execution())
    return labels.row(DECIDED, named=True), manifest


def zigzag(length: int) -> np.ndarray:
    return 0.0005 * (-1.0) ** np.arange(length)


@pytest.mark.parametrize("direction", [1, -1])
def test_the_window_ends_where_the_trend_does(direction: int, bars: Panel) -> None:
    # eight bars of a clear trend, then back: the t-value is largest for the window that holds the trend alone
    trend = np.concatenate((np.arange(9), np.arange(7, 3, -1))) * 0.01 * direction + zigzag(13)
    closes = 100 * np.exp(trend)
    row, manifest = labelled(path(closes, bars))
    by_length = {}
    for length in range(5, 13):
        fit = linregress(range(length + 1), trend[: length + 1])
        by_length[length] = abs(fit.slope / fit.stderr)
    assert max(by_length, key=by_length.__getitem__) == 8
    assert row["label"] == direction
    assert row["forward_return"] == pytest.approx(closes[8] / closes[0] - 1)
    assert manifest["t_values"]["q95"] <= max(by_length.values()) * 1.01


def test_the_label_ends_with_the_longest_window_that_was_looked_at(bars: Panel) -> None:
    closes = 100 * np.exp(np.arange(13) * 0.01 + zigzag(13))
    panel = path(closes, bars)
    row, _ = labelled(panel)
    assert row["label_end"] == panel["time"][40 + 12]
    missing_one, _ = labelled(panel[:-1])
    assert missing_one["label_end"] is None


def test_a_straight_line_takes_the_shortest_window_that_is_as_good(bars: Panel) -> None:
    row, _ = labelled(path(100 * np.exp(np.arange(13) * 0.01), bars), threshold=1e5)
    assert row["label"] == 1  # t is huge, and finite
    assert np.isfinite(row["forward_return"])


def test_a_flat_path_has_no_direction(bars: Panel) -> None:
    row, _ = labelled(path([100.0] * 13, bars))
    assert (row["label"], row["forward_return"]) == (0, 0.0)


def test_the_manifest_shows_how_large_t_is_without_a_trend(market: Panel) -> None:
    rule = LabelRule(kind="trend_scanning", max_length=20, max_gap=2 * HOUR)
    _, manifest = make_labels(market(lengths=(3000,)), rule, execution=Execution())
    assert manifest["threshold"] == 0.0
    assert 4 < manifest["t_values"]["q50"] < 12  # a random walk
    assert 5 <= manifest["lengths"]["q05"] < manifest["lengths"]["q95"] <= 20
