"""Sample weights against slow loops and printed values."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from assay.market.errors import DataError
from assay.market.tables import LABELS
from assay.market.weights import WeightRule, average_uniqueness, sample_weights

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
UNIQUE = WeightRule(kind="uniqueness")


def table(spans: list[tuple[int, int]], *, entity: str = "E", returns: Any = 0.01, times: Any = None) -> pl.DataFrame:
    """Labels over [first, stop) in hours, decided an hour before unless ``times`` says when."""
    times = [first - 1 for first, _ in spans] if times is None else times
    returns = [returns] * len(spans) if isinstance(returns, float) else returns
    rows = [
        (entity, START + HOUR * t, START + HOUR * a, START + HOUR * b, r, 0.01, 1)
        for (a, b), t, r in zip(spans, times, returns, strict=True)
    ]
    return pl.DataFrame(rows, schema=LABELS, orient="row")


def fixed(n: int, horizon: int, **rest: Any) -> pl.DataFrame:
    return table([(t, t + horizon) for t in range(n)], **rest)


def random_labels(seed: int, entities: int = 2) -> pl.DataFrame:
    """Labels of random length on bars that are not evenly spaced; some rows are missing."""
    rng = np.random.default_rng(seed)
    parts = []
    for number in range(entities):
        bars = np.cumsum(rng.integers(1, 4, 40)).tolist()
        spans = [(bars[t + 1], bars[min(t + 1 + int(rng.integers(0, 8)), 39)], bars[t]) for t in range(30)]
        kept = [s for s in spans if rng.random() < 0.9] or spans
        returns = (0.02 * rng.standard_normal(len(kept))).tolist()
        part = table([(a, b) for a, b, _ in kept], entity=f"E{number}", returns=returns, times=[t for *_, t in kept])
        parts.append(part)
    return pl.concat(parts)


def slow_uniqueness(labels: pl.DataFrame) -> list[float]:
    out = []
    for row in labels.iter_rows(named=True):
        own = labels.filter(entity=row["entity"])
        bars = sorted(set(own["time"].to_list()) | set(own["label_end"].to_list()))

        def covered(r: dict[str, Any], bars: list[datetime] = bars) -> list[int]:
            first = max(i for i, bar in enumerate(bars) if bar <= r["start"])
            inside = [i for i, bar in enumerate(bars) if i >= first and bar < r["label_end"]]
            return inside or [first]

        spans = [covered(r) for r in own.iter_rows(named=True)]
        out.append(float(np.mean([1 / sum(bar in span for span in spans) for bar in covered(row)])))
    return out


def slow_decay(labels: pl.DataFrame, uniqueness: list[float], oldest: float) -> list[float]:
    """Snippet by snippet, on cumulative uniqueness at each decision time."""
    times = labels["time"].to_list()
    reached = [sum(u for u, other in zip(uniqueness, times, strict=True) if other <= time) for time in times]
    last = max(reached)
    slope = (1 - oldest) / last if oldest >= 0 else 1 / ((oldest + 1) * last)
    return [max(0.0, 1 - slope * last + slope * x) for x in reached]


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10_000), oldest=st.sampled_from([1.0, 0.5, 0.0, -0.4]))
def test_weights_equal_a_slow_loop(seed: int, oldest: float) -> None:
    labels = random_labels(seed)
    u = slow_uniqueness(labels)
    assert average_uniqueness(labels).tolist() == pytest.approx(u, rel=1e-9)
    sizes = [abs(np.log(1 + r)) for r in labels["forward_return"].to_list()]
    for kind, base in (("none", [1.0] * len(u)), ("uniqueness", u), ("return_attribution", np.multiply(u, sizes))):
        expected = np.multiply(base, slow_decay(labels, u, oldest))
        found = sample_weights(labels, WeightRule(kind=kind, decay=oldest))
        np.testing.assert_allclose(found, expected / expected.mean(), rtol=1e-9, atol=1e-12)
        assert found.dtype == np.float64


def on_seven_bars(*spans: tuple[int, int]) -> pl.DataFrame:
    """These labels on bars 0 to 6; the rows that only bring the bars have labels far away."""
    return pl.concat(
        [table(list(spans), times=[0] * len(spans)), table([(20 + b, 21 + b) for b in range(7)], times=range(7))]
    )


FIRST, SECOND, THIRD = (0, 3), (2, 4), (4, 6)


def test_uniqueness_of_the_sequential_bootstrap_example() -> None:
    # Lopez de Prado (2018), 4.5.3: labels over bars 0-2, 2-3, 4-5; chances to be drawn after drawing the second
    # label, and after drawing the second and the third.
    alone = average_uniqueness(on_seven_bars(FIRST, SECOND, THIRD))[:3]
    assert alone.tolist() == pytest.approx([5 / 6, 3 / 4, 1.0])
    drawn: list[tuple[int, int]] = []
    for label, printed in ((SECOND, [5 / 14, 3 / 14, 6 / 14]), (THIRD, [5 / 11, 3 / 11, 3 / 11])):
        drawn.append(label)
        joined = [average_uniqueness(on_seven_bars(new, *drawn))[0] for new in (FIRST, SECOND, THIRD)]
        assert (np.array(joined) / sum(joined)).tolist() == pytest.approx(printed)


@pytest.mark.parametrize("horizon", [1, 5, 12])
def test_labels_of_a_fixed_horizon_share_each_bar_with_their_neighbours(horizon: int) -> None:
    u = average_uniqueness(fixed(60, horizon))
    np.testing.assert_allclose(u[horizon:-horizon], 1 / horizon)
    assert u[0] >= u[horizon]  # the ends have fewer neighbours
    assert u[-1] >= u[-1 - horizon]


def test_entities_do_not_share_bars() -> None:
    one, two = fixed(30, 4, entity="A"), fixed(30, 4, entity="B")
    both = average_uniqueness(pl.concat([one, two]))
    np.testing.assert_allclose(both, np.tile(average_uniqueness(one), 2), rtol=1e-12)


def test_the_order_of_rows_does_not_matter() -> None:
    labels = random_labels(3)
    order = np.random.default_rng(0).permutation(labels.height)
    rule = WeightRule(kind="return_attribution", decay=0.3)
    np.testing.assert_allclose(sample_weights(labels[order], rule), sample_weights(labels, rule)[order], rtol=1e-12)


def test_decay_of_labels_that_share_nothing_is_a_straight_line() -> None:
    labels = fixed(5, 1)
    halved = sample_weights(labels, WeightRule(kind="uniqueness", decay=0.5))
    np.testing.assert_allclose(halved / halved[-1], [0.6, 0.7, 0.8, 0.9, 1.0])
    cut = sample_weights(labels, WeightRule(kind="uniqueness", decay=-0.5))
    np.testing.assert_allclose(cut / cut[-1], [0, 0, 0.2, 0.6, 1.0], atol=1e-12)


def test_all_entities_of_one_time_decay_alike() -> None:
    labels = pl.concat([fixed(20, 3, entity="A"), fixed(20, 3, entity="B")])
    weight = sample_weights(labels, WeightRule(decay=0.2))
    np.testing.assert_array_equal(weight[:20], weight[20:])
    assert weight[0] < weight[19]


def test_attribution_is_the_size_of_the_log_return_times_uniqueness() -> None:
    labels = fixed(3, 1, returns=[0.1, -0.1, 0.0])
    weight = sample_weights(labels, WeightRule(kind="return_attribution"))
    sizes = [np.log(1.1), -np.log(0.9), 0.0]
    np.testing.assert_allclose(weight, 3 * np.array(sizes) / sum(sizes))


def test_no_rule_weighs_all_rows_alike() -> None:
    assert sample_weights(random_labels(0), WeightRule()).tolist() == [1.0] * random_labels(0).height
    still = fixed(4, 2, returns=0.0)
    assert sample_weights(still, WeightRule(kind="return_attribution")).tolist() == [1.0] * 4


def test_rows_without_a_label_are_refused() -> None:
    labels = fixed(4, 2).with_columns(label_end=pl.when(pl.int_range(4) < 3).then("label_end"))
    with pytest.raises(DataError, match=r"(?s)1 of 4 rows have no label.*leave rows without a label out"):
        sample_weights(labels, UNIQUE)


@pytest.mark.parametrize("decay", [-1.0, 1.5])
def test_impossible_decay_is_refused(decay: float) -> None:
    with pytest.raises(ValidationError, match="decay"):
        WeightRule(decay=decay)
