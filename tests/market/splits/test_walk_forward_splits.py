"""Properties of the splits: nothing known too late trains, and no timestamp is on both sides."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from assay.market.errors import SplitError
from assay.market.splits import (
    Mask,
    Receipt,
    SplitRule,
    before_first_fold,
    first_test_time,
    holdout_tail,
    plan_folds,
    split_rows,
)

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
TIME = pl.Datetime("us", "UTC")
Splitter = Callable[[pl.DataFrame, Receipt], tuple[Mask, Mask]]


def table(rows: list[tuple[str, int, int | None]]) -> pl.DataFrame:
    """Labels from (entity, hour of decision, hour of label end or None)."""
    return pl.DataFrame(
        {
            "entity": [entity for entity, _, _ in rows],
            "time": [START + HOUR * hour for _, hour, _ in rows],
            "label_end": [None if end is None else START + HOUR * end for _, _, end in rows],
            "label": [None if end is None else 0 for _, _, end in rows],
        },
        schema={"entity": pl.String, "time": TIME, "label_end": TIME, "label": pl.Int8},
    ).sort("entity", "time")


def regular(bars: int = 100, horizon: int = 5, entities: int = 2) -> pl.DataFrame:
    return table(
        [
            (f"E{number}", hour, hour + horizon if hour + horizon < bars else None)
            for number in range(entities)
            for hour in range(bars)
        ]
    )


@st.composite
def label_tables(draw: st.DrawFn) -> pl.DataFrame:
    """Several entities, irregular times with ties and gaps, labels of any length or none."""
    rows: list[tuple[str, int, int | None]] = []
    for number in range(draw(st.integers(1, 3))):
        hours = draw(st.lists(st.integers(0, 80), min_size=8, max_size=40, unique=True))
        lengths = draw(st.lists(st.integers(0, 15), min_size=len(hours), max_size=len(hours)))
        rows += [(f"E{number}", h, None if n == 0 else h + n) for h, n in zip(hours, lengths, strict=True)]
    return table(rows)


RULES = st.builds(
    SplitRule,
    folds=st.integers(1, 5),
    min_train=st.sampled_from([0.3, 0.5, 0.7]),
    embargo=st.integers(0, 8) | st.integers(0, 12).map(lambda hours: hours * HOUR),
    window=st.none() | st.integers(1, 30),
)


def plan(labels: pl.DataFrame, rule: SplitRule) -> list[Receipt]:
    """Plan, and drop the examples that are too small to split."""
    try:
        return plan_folds(labels, rule)
    except SplitError:
        assume(False)
        raise


def assert_no_overlap(labels: pl.DataFrame, receipts: list[Receipt], splitter: Splitter = split_rows) -> None:
    """Compare every training span with every test span, closed intervals, one pair at a time."""
    times, ends = labels["time"].to_list(), labels["label_end"].to_list()
    for receipt in receipts:
        train, test = splitter(labels, receipt)
        tests = [(times[j], ends[j] or times[j]) for j in np.flatnonzero(test)]
        for i in np.flatnonzero(train):
            for start, end in tests:
                assert ends[i] < start or end < times[i], f"{times[i]}..{ends[i]} meets {start}..{end}"


def unpurged(labels: pl.DataFrame, receipt: Receipt) -> tuple[Mask, Mask]:
    """A splitter with the mistake of using decision times only."""
    early = labels["label"].is_not_null() & (labels["time"] < receipt.test_start)
    return early.to_numpy(), split_rows(labels, receipt)[1]


def touching(labels: pl.DataFrame, receipt: Receipt) -> tuple[Mask, Mask]:
    """A splitter with the mistake of keeping labels that end when the test fold starts."""
    known = labels["label"].is_not_null() & (labels["label_end"] <= receipt.test_start).fill_null(value=False)
    return known.to_numpy(), split_rows(labels, receipt)[1]


@settings(deadline=None, max_examples=60)
@given(labels=label_tables(), rule=RULES)
@example(labels=regular(), rule=SplitRule())
def test_train_and_test_never_overlap(labels: pl.DataFrame, rule: SplitRule) -> None:
    assert_no_overlap(labels, plan(labels, rule))


@pytest.mark.parametrize("broken", [unpurged, touching])
def test_a_splitter_without_the_purge_is_caught(broken: Splitter) -> None:
    labels = regular()
    with pytest.raises(AssertionError, match="meets"):
        assert_no_overlap(labels, plan_folds(labels, SplitRule()), broken)


@settings(deadline=None, max_examples=60)
@given(labels=label_tables(), rule=RULES)
def test_masks_are_exactly_the_rows_known_before_the_cutoff(labels: pl.DataFrame, rule: SplitRule) -> None:
    times = sorted(set(labels["time"].to_list()))
    for receipt in plan(labels, rule):
        train, test = split_rows(labels, receipt)
        start, rows = receipt.test_start, labels.to_dicts()
        cutoff = (
            start - rule.embargo if isinstance(rule.embargo, timedelta) else times[times.index(start) - rule.embargo]
        )
        known = [r["label"] is not None and r["label_end"] < start for r in rows]
        newest = sorted({r["time"] for r, usable in zip(rows, known, strict=True) if usable})
        oldest = newest[-rule.window :][0] if rule.window else newest[0]
        kept = [k and oldest <= r["time"] and r["label_end"] < cutoff for r, k in zip(rows, known, strict=True)]
        assert train.tolist() == kept
        assert test.tolist() == [start <= r["time"] <= receipt.test_end for r in rows]
        late = [r["label"] is not None and r["time"] < start <= r["label_end"] for r in rows]
        older = [k and r["time"] < oldest for r, k in zip(rows, known, strict=True)]
        gone = sum(known) - sum(older) - sum(kept)
        counts = (
            receipt.train_rows,
            receipt.test_rows,
            receipt.purged_rows,
            receipt.embargoed_rows,
            receipt.older_rows,
        )
        assert counts == (sum(kept), int(test.sum()), sum(late), gone, sum(older))
        trained = [r for r, keep in zip(rows, kept, strict=True) if keep]
        assert receipt.train_start == min(r["time"] for r in trained)
        assert receipt.train_end == max(r["time"] for r in trained)
        assert receipt.last_train_label_end == max(r["label_end"] for r in trained)


@settings(deadline=None, max_examples=40)
@given(labels=label_tables(), rule=RULES)
def test_a_timestamp_is_on_one_side_and_folds_cover_the_test_span_once(labels: pl.DataFrame, rule: SplitRule) -> None:
    receipts = plan(labels, rule)
    splits = [split_rows(labels, receipt) for receipt in receipts]
    for train, test in splits:
        assert not set(labels["time"].filter(train)) & set(labels["time"].filter(test))
    covered = sum(test.astype(int) for _, test in splits)
    times = labels["time"].unique().sort()
    expected = (labels["time"] >= times[round(len(times) * rule.min_train)]).to_numpy()
    assert (covered == expected).all()
    assert [receipt.fold for receipt in receipts] == list(range(1, rule.folds + 1))
    spans = [labels["time"].filter(test).n_unique() for _, test in splits]
    assert max(spans) - min(spans) <= 1
    for (smaller, _), (larger, _) in pairwise(splits):
        assert rule.window or not (smaller & ~larger).any()


@settings(deadline=None, max_examples=40)
@given(labels=label_tables(), rule=RULES, more=st.integers(1, 5))
def test_growing_the_embargo_never_adds_training_rows(labels: pl.DataFrame, rule: SplitRule, more: int) -> None:
    small = plan(labels, rule)
    longer = rule.embargo + more * (HOUR if isinstance(rule.embargo, timedelta) else 1)
    large = plan(labels, rule.model_copy(update={"embargo": longer}))
    for one, two in zip(small, large, strict=True):
        assert not (split_rows(labels, two)[0] & ~split_rows(labels, one)[0]).any()
        assert two.embargoed_rows >= one.embargoed_rows


@settings(deadline=None, max_examples=40)
@given(labels=label_tables(), share=st.floats(0.05, 0.95))
def test_the_tail_is_purged_by_time(labels: pl.DataFrame, share: float) -> None:
    try:
        fit, tail = holdout_tail(labels, share)
    except SplitError:
        assume(False)
    start = labels["time"].filter(tail).min()
    rows = labels.to_dicts()
    assert fit.tolist() == [r["label"] is not None and r["label_end"] < start for r in rows]
    assert tail.tolist() == [r["label"] is not None and r["time"] >= start for r in rows]


def test_a_regular_market_gives_the_numbers_one_expects() -> None:
    first, *_, last = plan_folds(regular(), SplitRule(folds=5, min_train=0.5, embargo=3))
    assert (first.test_start, first.test_end) == (START + 50 * HOUR, START + 59 * HOUR)
    assert (first.train_rows, first.test_rows, first.purged_rows, first.embargoed_rows) == (84, 20, 10, 6)
    assert first.last_train_label_end == START + 46 * HOUR
    assert last.test_end == START + 99 * HOUR
    fit, tail = holdout_tail(regular(), 0.2)
    assert (int(fit.sum()), int(tail.sum())) == (142, 38)  # 95 labelled hours: 76 before the tail, 5 of them purged


def test_a_rolling_window_counts_timestamps_known_before_the_fold_and_pays_for_the_embargo() -> None:
    rolling = plan_folds(regular(), SplitRule(folds=5, min_train=0.5, window=20))
    assert [receipt.train_rows for receipt in rolling] == [40] * 5
    assert [receipt.older_rows for receipt in rolling] == [2 * (25 + 10 * fold) for fold in range(5)]
    assert (rolling[0].train_start, rolling[0].train_end) == (START + 25 * HOUR, START + 44 * HOUR)
    gapped = plan_folds(regular(), SplitRule(folds=5, min_train=0.5, window=20, embargo=3))
    assert [receipt.train_start for receipt in gapped] == [receipt.train_start for receipt in rolling]
    assert {receipt.train_rows for receipt in gapped} == {34}


def test_an_embargo_is_bars_or_time() -> None:
    assert plan_folds(regular(), SplitRule(embargo=3)) == plan_folds(regular(), SplitRule(embargo=3 * HOUR))
    every_other = regular().filter(pl.col("time").dt.hour() % 2 == 0)
    (bars, *_), (time, *_) = (plan_folds(every_other, SplitRule(embargo=gap)) for gap in (4, 4 * HOUR))
    assert (bars.embargoed_rows, time.embargoed_rows) == (8, 4)
    assert SplitRule.model_validate({"embargo": "P2D"}).embargo == timedelta(days=2)


@pytest.mark.parametrize("embargo", [2.5, -1, "-P1D"])
def test_an_embargo_of_half_a_bar_or_backwards_is_refused(embargo: object) -> None:
    with pytest.raises(ValidationError, match=r"a number counts whole bars|greater than or equal to"):
        SplitRule.model_validate({"embargo": embargo})


@pytest.mark.parametrize(
    ("embargo", "said"), [("P2X", "valid timedelta"), (2.5, "ISO 8601"), ("many", "valid timedelta")]
)
def test_a_wrong_embargo_is_told_once_and_without_names_of_types(embargo: object, said: str) -> None:
    with pytest.raises(ValidationError, match=said) as refused:
        SplitRule.model_validate({"embargo": embargo})
    assert refused.value.error_count() == 1
    assert "function" not in str(refused.value)


@settings(deadline=None, max_examples=50)
@given(labels=label_tables(), rule=RULES)
def test_the_first_test_time_is_that_of_the_plan(labels: pl.DataFrame, rule: SplitRule) -> None:
    first = plan(labels, rule)[0]
    assert first_test_time(labels["time"].reverse(), rule) == first.test_start


def test_the_first_test_time_is_rounded_and_needs_enough_times() -> None:
    hours = pl.Series([START + HOUR * hour for hour in range(99)])
    assert first_test_time(hours, SplitRule(min_train=0.5)) == START + 50 * HOUR  # 49.5: to the even number
    assert first_test_time(hours[:97], SplitRule(min_train=0.5)) == START + 48 * HOUR  # 48.5
    with pytest.raises(SplitError, match=r"split: too few timestamps\n.*\n  found: 5 unique timestamps, of which 2"):
        first_test_time(hours[:5], SplitRule(folds=5))


def test_rows_before_the_first_fold_are_its_training_rows() -> None:
    labels = regular()
    receipts = plan_folds(labels, SplitRule(embargo=2))
    assert (before_first_fold(labels, receipts[::-1]) == split_rows(labels, receipts[0])[0]).all()
    with pytest.raises(SplitError, match="no receipts"):
        before_first_fold(labels, [])


@pytest.mark.parametrize(
    ("labels", "rule", "message"),
    [
        (regular(bars=3), SplitRule(), r"(?s)too few timestamps.*3 unique timestamps, of which 2"),
        (regular(bars=100, horizon=60), SplitRule(), r"(?s)fold 1: the training part has no labelled row.*80 purged"),
        (regular(bars=100), SplitRule(embargo=60), r"(?s)training part.*10 purged, 90 embargoed.*embargo"),
        (regular(bars=40, horizon=8), SplitRule(), r"(?s)fold 4: the test fold has no labelled row"),
        (regular().clear(), SplitRule(), "0 unique timestamps"),
    ],
)
def test_an_empty_part_is_an_error(labels: pl.DataFrame, rule: SplitRule, message: str) -> None:
    with pytest.raises(SplitError, match=message):
        plan_folds(labels, rule)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 0.001, 0.97])
def test_an_empty_tail_is_an_error(share: float) -> None:
    with pytest.raises(SplitError, match=r"(?s)early-stopping tail.*found"):
        holdout_tail(regular(), share)


def test_a_receipt_survives_json_and_verifies_itself() -> None:
    receipt = plan_folds(regular(), SplitRule())[0]
    form = TypeAdapter(Receipt)
    state = form.dump_python(receipt, mode="json")
    assert state["test_start"] == "2024-01-03T02:00:00Z"
    assert form.validate_python(state) == receipt
    with pytest.raises(SplitError, match=r"(?s)receipt of fold 1: the training part touches the test fold"):
        replace(receipt, last_train_label_end=receipt.test_start)
    with pytest.raises(SplitError, match="times in order"):
        form.validate_python(state | {"train_end": "2023-01-01T00:00:00+00:00"})
