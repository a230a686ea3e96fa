"""Figures: the same bytes whatever the user's settings, ids of their own, no more points than needed."""

import re
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.report.figures.canvas import ACCENT, LINE, Box, axes, boxes, draw
from assay.report.figures.ends import spread
from assay.report.figures.intervals import Estimate, interval_panel, short_number, shortened
from assay.report.figures.regression import scatter_figure
from assay.report.figures.thin import evenly, keep_extremes
from assay.report.figures.timeline import split_timeline
from assay.report.figures.times import time_ticks

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def _paint(figure: "Figure") -> None:
    panel = axes(figure, margins=(20, 20, 20, 20))
    panel.plot([0, 1, 2], [0.1234567, 1, 2], "o-", color=ACCENT)
    panel.set_title("1.23456 < $x$")


def test_drawing_follows_the_page_and_keeps_its_text() -> None:
    svg = draw(_paint, (200, 100), slug="a", label='say "so"')
    assert svg.startswith('<svg role="img" aria-label="say &#34;so&#34;" viewBox="0 0 200 100"')
    assert "stroke: var(--accent)" in svg
    assert ">1.23456 &lt; $x$</text>" in svg
    assert "xmlns" not in svg
    assert "<style" not in svg


def test_two_drawings_on_a_page_share_no_id() -> None:
    ids = [set(re.findall(r' id="([^"]+)"', draw(_paint, (200, 100), slug=s, label=""))) for s in ("a", "b")]
    assert ids[0]
    assert ids[0].isdisjoint(ids[1])


def test_what_lies_inside_its_axes_is_not_clipped_and_what_does_not_is() -> None:
    def paint(figure: "Figure") -> None:
        panel = axes(figure, margins=(20, 20, 20, 20))
        panel.set(xlim=(0, 1), ylim=(0, 1))
        panel.plot([0.2, 0.8], [0.5, 0.5], color=ACCENT)
        panel.plot([0.2, 1.8], [0.4, 0.4], color=ACCENT)

    lines = re.findall(
        r'<path d="[^"]+"([^>]*)style="[^"]*var\(--accent\)', draw(paint, (200, 100), slug="a", label="")
    )
    assert ["clip-path" in line for line in lines] == [False, True]


def test_boxes_lie_where_they_are_said_to_and_leave_the_axes_as_they_are() -> None:
    def paint(figure: "Figure") -> None:
        panel = axes(figure, margins=(0, 0, 0, 0))
        panel.set(xlim=(0, 100), ylim=(100, 0))
        boxes(panel, [Box(10, 20, 30, 40, ACCENT, 0.5), Box(50, 0, 10, 10, LINE)])
        assert panel.get_xlim() == (0, 100)

    svg = draw(paint, (100, 100), slug="a", label="")
    assert '<path d="M 10 20 L 40 20 L 40 60 L 10 60 z " style="fill: var(--accent); fill-opacity: 0.5"' in svg
    assert 'M 50 0 L 60 0 L 60 10 L 50 10 z " style="fill: var(--line)"' in svg


def test_settings_of_the_user_change_nothing() -> None:
    plain = draw(_paint, (200, 100), slug="a", label="")
    with mpl.rc_context({"font.size": 30, "svg.fonttype": "path", "axes.grid": True}):
        assert draw(_paint, (200, 100), slug="a", label="") == plain
        assert mpl.rcParams["font.size"] == 30


@pytest.mark.parametrize("days", [0.01, 0.2, 1, 2.6, 4, 9, 40, 300, 3_000, 9_000])
def test_any_span_of_time_gets_ticks(days: float) -> None:
    """Matplotlib warns, which is an error here, where it has no interval that fits."""

    def paint(figure: "Figure") -> None:
        panel = axes(figure, margins=(20, 20, 20, 20))
        panel.plot([19_000.3, 19_000.3 + days], [0, 1])
        time_ticks(panel, 4)
        assert 1 <= len(panel.get_xticks()) <= 6

    draw(paint, (200, 100), slug="a", label="")


def test_panel_says_every_value_and_marks_the_undefined() -> None:
    rows = [Estimate("a", 0.1, 0.05, 0.15, lead=True), Estimate("b", None, None, None, role="baseline")]
    svg = interval_panel(rows, unit="share", reference=None, slug="p", title="Accuracy")
    assert "a 10.0\u202f% [5.0, 15.0]\u202f%; b –" in svg
    assert ">undefined</text>" in svg


def test_a_hopeless_baseline_does_not_squash_the_models() -> None:
    rows = [Estimate("a", 1.0, 0.9, 1.1, lead=True), Estimate("b", 1.05, 1.0, 1.2, role="baseline")]
    far = [*rows, Estimate("c", 90.0, 80.0, 99.0, role="baseline")]
    near, with_far = (interval_panel(found, unit="", reference=1.05, slug="p", title="RMSE") for found in (rows, far))
    ticks = [re.findall(r">([\d.]+)</text>", svg) for svg in (near, with_far)]
    assert max(map(float, ticks[1])) < 2
    assert max(map(float, ticks[0])) < 2


def test_a_value_that_stands_on_next_to_no_rows_does_not_squash_the_models() -> None:
    rows = [Estimate("a", 0.6, 0.5, 0.7, lead=True), Estimate("b", 0.0, None, None)]
    ticks = re.findall(r">([\d.]+)</text>", interval_panel(rows, unit="", reference=0.6, slug="p", title="Accuracy"))
    assert min(map(float, ticks)) > 0.2
    alone = interval_panel(rows[1:], unit="", reference=None, slug="p", title="Accuracy")
    assert ">0</text>" in alone


def test_ensembles_are_diamonds_and_what_falls_short_is_in_alarm() -> None:
    plain, made, short = (
        interval_panel([one], unit="share", reference=None, slug="p", title="Coverage")
        for one in (
            Estimate("a", 0.9, 0.8, 0.95),
            Estimate("a", 0.9, 0.8, 0.95, role="ensemble"),
            Estimate("a", 0.9, 0.8, 0.95, short=True),
        )
    )
    assert plain.count(" C ") > made.count(" C ")  # a diamond has no curves
    assert "var(--surface)" not in made
    assert "var(--bad)" in short
    assert "var(--bad)" not in plain + made


def test_scatter_draws_at_most_500_points() -> None:
    x = np.linspace(-0.01, 0.01, 5000)
    svg = scatter_figure(x, x**2, what="return", slug="s", title="m")
    assert 400 < svg.count("<use") <= 530


def test_gap_of_a_split_stays_visible() -> None:
    receipt = {"fold": 1, "train_start": "2000-01-01T00:00:00+00:00", "test_end": "2020-01-01T00:00:00+00:00"}
    receipt |= {"last_train_label_end": "2015-01-01T00:00:00+00:00", "test_start": "2015-01-01T01:00:00+00:00"}
    svg = split_timeline([receipt], wide=False, slug="t")
    left, right = map(float, re.findall(r'<path d="M ([\d.]+) [\d.]+ L ([\d.]+)[^>]*var\(--short\)', svg)[0])
    assert right - left >= 2.4


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=400), st.integers(4, 60))
def test_thinned_curve_keeps_its_ends_and_extremes(values: list[float], limit: int) -> None:
    kept = keep_extremes(values, limit)
    assert kept == sorted(set(kept))
    assert len(kept) <= max(limit, len(values) if len(values) <= limit else 0)
    assert {kept[0], kept[-1]} == {0, len(values) - 1}
    assert {min(values), max(values)} <= {values[place] for place in kept}


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 500), st.integers(2, 60))
def test_evenly_spaced_places_include_both_ends(count: int, limit: int) -> None:
    kept = evenly(count, limit)
    assert len(kept) <= limit or len(kept) == count <= limit
    assert (kept[0], kept[-1]) == (0, count - 1)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(0, 10), min_size=1, max_size=6))
def test_labels_are_spread_in_their_order(values: list[float]) -> None:
    placed = spread(values, gap=0.5)
    order = np.argsort(values, kind="stable")
    assert (np.diff(np.array(placed)[order]) >= 0.5 - 1e-9).all()


def test_tick_and_label_texts() -> None:
    assert short_number(-0.025, "share") == "−2.5\u202f%"
    assert short_number(0.1 + 0.2, "") == "0.3"
    assert shortened("random_forest (volatility only)") == "random_forest vol.…"
