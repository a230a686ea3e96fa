"""Where the panel is cut, and what the other futures look like."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.market.audit.change import KINDS, Kind, until, with_other_future
from assay.market.audit.cuts import events, sample, spread, value_column
from assay.market.audit.odds import miss_probability, seen_share
from assay.market.audit.rare import Comb, in_turns, pack
from assay.market.errors import DataError

RNG = np.random.default_rng


def test_cuts_are_spread_over_the_history_and_leave_something_to_cut() -> None:
    found = spread(10, 1001, RNG(0))
    assert [int(cut) // 100 for cut in found] == list(range(10))
    assert spread(50, 4, RNG(0)).tolist() == [0, 1, 2]
    assert (spread(5, 1001, RNG(0)) != spread(5, 1001, RNG(1))).any()


def small_panel() -> pl.DataFrame:
    start = datetime(2024, 1, 29, 4, tzinfo=UTC)
    bars = [bar for bar in range(24) if bar not in (10, 11, 12)]
    close = [100.0 + (50 if bar == 20 else 0) for bar in bars]
    panel = pl.DataFrame(
        {
            "entity": "A",
            "time": [start + timedelta(hours=4 * bar) for bar in bars],
            "close": close,
            "fed_rate": 1.0,
            "fed_age": [float(bar % 8) for bar in bars],
            "amount": [None if bar == 15 else 1.0 for bar in bars],
            "rating": [1.0 if bar < 5 else 2.0 for bar in bars],
            "jump": [bar == 20 for bar in bars],
        }
    )
    late = panel.filter(pl.col("time") > start + timedelta(hours=20)).with_columns(entity=pl.lit("B"), close=100.0)
    return pl.concat([panel, late])


def test_everything_that_happens_is_listed() -> None:
    panel = small_panel()
    times = panel["time"].unique().sort()
    found = {name: positions.tolist() for name, positions in events(panel, times).items()}
    assert found == {
        "updates of fed": [7, 8, 12, 13],
        "changes of rating": [4, 5],
        "changes of amount": [11, 12, 13],
        "day ends": [4, 5, 9, 10, 13, 14, 19],  # midnight ends a day by the clock of bars, and begins one by date
        "month ends": [13, 14],
        "edges of gaps": [9, 10],
        "first rows": [0, 6],
        "edges of missing values": [12, 13],
        "largest moves of an entity": [17],
        "largest moves of all": [17],
        "flagged jumps": [17],
    }


def test_a_class_is_sampled_down_and_small_ones_stay_whole() -> None:
    classes = {"many": np.arange(100), "few": np.arange(3)}
    found = sample(classes, 10, RNG(0))
    assert len(found["many"]) == len(set(found["many"].tolist())) == 10
    assert found["few"].tolist() == [0, 1, 2]


def test_a_panel_without_close_lends_its_first_number() -> None:
    assert value_column(pl.DataFrame({"entity": ["A"], "mid": [1.0], "size": [1.0]})) == "mid"
    with pytest.raises(DataError, match="no column of numbers"):
        value_column(pl.DataFrame({"entity": ["A"], "size": [1]}))


@pytest.mark.parametrize("kind", KINDS)
def test_another_future_keeps_past_keys_and_types_and_changes_every_column(kind: Kind, market: Any) -> None:
    panel = market(0)
    cut = panel["time"].unique().sort()[400]
    other = with_other_future(panel, cut, kind, RNG(0))
    assert other.schema == panel.schema
    assert other.select("entity", "time").equals(panel.select("entity", "time"))
    assert until(other, cut).equals(until(panel, cut))
    later = pl.col("time") > cut
    changed = [name for name in panel.columns if not other.filter(later)[name].equals(panel.filter(later)[name])]
    floats = {"open", "high", "low", "close", "volume", "amount"}
    assert floats <= set(changed)
    bars = other.filter(later)
    assert (bars["high"] >= bars["low"]).all()
    assert (bars["close"] > 0).all()


def test_kinds_of_future_differ(market: Any) -> None:
    panel = market(0)
    cut = panel["time"].unique().sort()[400]
    rescaled, permuted, noisy = (
        with_other_future(panel, cut, kind, RNG(0)).filter(pl.col("time") > cut)["close"].to_numpy() for kind in KINDS
    )
    real = panel.filter(pl.col("time") > cut)["close"].to_numpy()
    assert np.allclose(np.abs(np.log(rescaled / real)), 3)
    assert np.allclose(np.sort(permuted), np.sort(real))
    assert np.std(np.log(noisy / real)) == pytest.approx(1, abs=0.1)


@settings(deadline=None, max_examples=40)
@given(
    positions=st.lists(st.integers(0, 300), max_size=60, unique=True),
    apart=st.integers(0, 80),
    passes=st.integers(1, 9),
)
def test_times_of_a_pass_are_far_apart_and_none_is_lost_without_need(
    positions: list[int], apart: int, passes: int
) -> None:
    found = pack(np.array(positions, dtype=np.int64), apart, passes)
    assert len(found) <= passes
    packed = [position for row in found for position in row.tolist()]
    assert len(packed) == len(set(packed))
    assert all((np.diff(row) > apart).all() for row in found)
    for lost in set(positions) - set(packed):
        assert len(found) == passes
        assert all((np.abs(row - lost) <= apart).any() for row in found)


def test_classes_take_turns() -> None:
    order = in_turns({"a": np.arange(50), "b": np.array([60]), "c": np.array([3, 70])}, RNG(0)).tolist()
    assert 60 in order[:3]
    assert sorted(order) == [*range(50), 60, 70]


def test_segments_of_a_comb_agree_with_a_slow_count() -> None:
    comb = Comb(np.array([5, 20, 40]), reach=3)
    assert comb.removed().tolist() == [6, 7, 8, 21, 22, 23, 41, 42, 43]
    rows = np.array([row for row in range(45) if row not in comb.removed()])
    tooth, since = comb.segments(rows)
    for row, number, bars in zip(rows, tooth, since, strict=True):
        assert number == sum(row > other for other in comb.teeth)
        before = [other + 3 for other in comb.teeth if row > other]
        assert bars == row - max(before) if before else bars > 10**9
    assert [comb.tested(memory) for memory in (1, 9, 11, 13, 20)] == [3, 3, 2, 2, 1]


def test_what_cuts_drawn_by_chance_can_see() -> None:
    assert miss_probability(1 / 500, 1497) == pytest.approx(0.05, abs=1e-3)  # ln .05 / ln(1 - 1 / 500)
    assert seen_share(1497) == pytest.approx(1 / 500, rel=1e-3)
    assert seen_share(20, bars=2) == pytest.approx(seen_share(20) / 2)
    assert seen_share(0) == 1
    assert miss_probability(0.01, 10, bars=3) == pytest.approx(0.97**10)
    assert miss_probability(0.01, 500, times=500) == 0
    # ten leaking times of 1000, each missed by half of the draws
    assert miss_probability(0.01, 500, times=1000) == pytest.approx(0.5**10)
