"""Every way to leave a position, on bars written by hand: decided at row 39, entered at row 40 at 100."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import polars as pl
import pytest

from assay.market.execution import Execution
from assay.market.labels import LabelRule, make_labels

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
DECIDED = 39
STILL = (100.0, 100.0, 100.0, 100.0)
Bar = tuple[float | None, float | None, float | None, float]
Panel = Callable[..., pl.DataFrame]


def labelled(
    panel: pl.DataFrame, *, price: Literal["open", "close"] = "close", **changes: Any
) -> tuple[dict[str, Any], dict[str, int]]:
    """The row of the decision, with the row where its label ends, and the counts of touches."""
    rule = LabelRule(**({"kind": "triple_barrier", "horizon": 4, "volatility_span": 20, "max_gap": 2 * HOUR} | changes))
    labels, manifest = make_labels(panel, rule, execution=Execution(price=price))
    row = labels.row(DECIDED, named=True)
    end = panel["time"].to_list().index(row["label_end"]) if row["label_end"] else None
    return row | {"end": end}, manifest["touches"]


@pytest.mark.parametrize(
    ("bar", "label", "r"),
    [
        ((100, 104, 100, 101), 1, 1.0),
        ((100, 101, 96, 99), -1, -0.5),
        ((100, 104, 96, 101), -1, -0.5),
    ],
    ids=["profit", "loss", "both are the loss"],
)
def test_a_touch_inside_a_bar_fills_at_its_barrier(bar: Bar, label: int, r: float, bars: Panel) -> None:
    row, touches = labelled(bars([STILL, STILL, bar, STILL, STILL, STILL]), stop_loss=0.5)
    assert 0.015 < row["scale"] < 0.025
    assert (row["label"], row["end"]) == (label, 42)
    assert row["forward_return"] == pytest.approx(r * row["scale"])
    assert touches["both_in_one_bar"] > 0 if bar[1:3] == (104, 96) else touches["both_in_one_bar"] == 0


@pytest.mark.parametrize(("opened", "label"), [(90, -1), (110, 1)])
@pytest.mark.parametrize("rest", ["reaches nothing else", "reaches the other barrier too"])
def test_a_gap_through_a_barrier_fills_at_the_open(opened: float, label: int, rest: str, bars: Panel) -> None:
    far = rest != "reaches nothing else"
    bar = (opened, 115 if far else max(opened, 100), 85 if far else min(opened, 100), 100)
    row, touches = labelled(bars([STILL, bar, STILL, STILL, STILL]))
    assert (row["label"], row["end"]) == (label, 41)
    assert row["forward_return"] == pytest.approx(opened / 100 - 1)
    assert touches["gap_through"] > 0
    assert touches["both_in_one_bar"] == 0  # the open came first


def test_without_an_open_a_gap_fills_at_the_barrier(bars: Panel) -> None:
    row, touches = labelled(bars([STILL, (None, 95, 90, 95), *[(95, 95, 95, 95)] * 3]))
    assert row["forward_return"] == pytest.approx(-row["scale"])
    assert touches["gap_through"] == 0


@pytest.mark.parametrize(("close", "label"), [(104, 1), (96, -1)])
def test_a_missing_high_or_low_is_the_close(close: float, label: int, bars: Panel) -> None:
    row, _ = labelled(bars([STILL, (100, None, None, close), STILL, STILL, STILL]))
    assert (row["label"], row["end"]) == (label, 41)
    assert row["forward_return"] == pytest.approx(label * row["scale"])


@pytest.mark.parametrize(("vertical", "label"), [("zero", 0), ("sign", 1)])
def test_time_runs_out_at_the_vertical_barrier(vertical: str, label: int, bars: Panel) -> None:
    later = (100.0, 101.0, 99.5, 100.5)
    row, touches = labelled(bars([STILL, STILL, STILL, STILL, later, (100, 200, 50, 100)]), vertical=vertical)
    assert (row["label"], row["end"]) == (label, 44)
    assert row["forward_return"] == pytest.approx(0.005)
    assert touches["vertical"] > 0


def test_touches_are_counted_by_their_barrier(bars: Panel) -> None:
    up = bars([STILL, STILL, (100, 104, 99.9, 100), STILL, STILL, STILL])
    _, none = labelled(bars([STILL] * 6), vertical="sign")
    _, touches = labelled(up, vertical="sign")
    # the bar is live for the decisions at rows 37 to 40; those entered at 101 see it no differently
    assert touches["profit"] - none["profit"] == 4
    assert none["vertical"] - touches["vertical"] == 4
    assert touches["loss"] == none["loss"]


@pytest.mark.parametrize("barrier", ["profit_take", "stop_loss"])
def test_a_barrier_that_is_not_there_is_not_touched(barrier: str, bars: Panel) -> None:
    row, _ = labelled(bars([STILL, (100, 104, 96, 100), STILL, STILL, STILL]), **{barrier: None})
    assert row["label"] == (-1 if barrier == "profit_take" else 1)
    row, _ = labelled(bars([STILL, (100, 104, 96, 100), STILL, STILL, STILL]), profit_take=None, stop_loss=None)
    assert (row["label"], row["end"]) == (0, 44)


def test_the_tail_is_labelled_only_where_a_barrier_was_touched(bars: Panel) -> None:
    unresolved, _ = labelled(bars([STILL, STILL, STILL]))
    assert (unresolved["label"], unresolved["end"]) == (None, None)
    resolved, _ = labelled(bars([STILL, STILL, (100, 104, 99, 101)]))
    assert (resolved["label"], resolved["end"]) == (1, 42)


def test_after_a_fill_at_the_close_its_bar_is_over(bars: Panel) -> None:
    wide = (100.0, 110.0, 90.0, 100.0)
    row, _ = labelled(bars([wide, STILL, STILL, STILL, STILL]))
    assert (row["label"], row["end"]) == (0, 44)


def test_a_fill_at_the_open_lives_through_its_own_bar_and_not_through_the_last(bars: Panel) -> None:
    up, wide = (100.0, 110.0, 100.0, 100.0), (100.0, 110.0, 90.0, 100.0)
    row, _ = labelled(bars([up, STILL, STILL, STILL, STILL]), price="open")
    assert (row["label"], row["end"]) == (1, 40)
    assert row["start"] == row["label_end"] == START + 40 * HOUR
    row, _ = labelled(bars([STILL, STILL, STILL, STILL, wide]), price="open")
    assert (row["label"], row["end"]) == (0, 44)


@pytest.mark.parametrize("fault", ["gap", "jump"])
@pytest.mark.parametrize(("at", "label"), [(40, None), (41, None), (42, None), (43, 1), (44, 1)])
def test_a_fault_matters_up_to_the_touch_only(fault: str, at: int, label: int | None, bars: Panel) -> None:
    panel = bars([STILL, STILL, (100, 104, 99, 101), STILL, STILL, STILL])
    row = pl.int_range(pl.len())
    if fault == "gap":
        panel = panel.with_columns(time=pl.when(row >= at).then(pl.col("time") + 5 * HOUR).otherwise("time"))
    else:
        panel = panel.with_columns(jump=row == at)
    assert labelled(panel)[0]["label"] == label
