"""Combinatorial purged splits against every pair of label spans, one at a time, and against splitters that leak."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import comb

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from assay.market.errors import SplitError
from assay.market.splits import (
    CombinatorialRule,
    CombinatorialSplit,
    Embargo,
    Mask,
    PurgedReceipt,
    combinatorial_purged,
    paths,
    purged_k_fold,
)

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
TIME = pl.Datetime("us", "UTC")
Rows = list[tuple[str, int, int | None]]
Broken = Callable[[pl.DataFrame, CombinatorialSplit, Embargo], Mask]


def table(rows: Rows) -> pl.DataFrame:
    """Labels from (entity, hour of decision, hour of label end or None)."""
    return pl.DataFrame(
        {
            "entity": [entity for entity, _, _ in rows],
            "time": [START + HOUR * hour for _, hour, _ in rows],
            "label_end": [None if end is None else START + HOUR * end for _, _, end in rows],
            "label": [None if end is None else 0 for _, _, end in rows],
        },
        schema={"entity": pl.String, "time": TIME, "label_end": TIME, "label": pl.Int8},
    )


def regular(bars: int = 120, horizon: int = 4, entities: int = 2) -> pl.DataFrame:
    hours = [(f"E{number}", hour) for hour in range(bars) for number in range(entities)]
    return table([(entity, hour, hour + horizon if hour + horizon < bars else None) for entity, hour in hours])


@st.composite
def label_tables(draw: st.DrawFn) -> pl.DataFrame:
    """Several entities, gaps and ties in time, labels of any length (also none at all), rows in any order."""
    rows: Rows = []
    for number in range(draw(st.integers(1, 3))):
        hours = draw(st.lists(st.integers(0, 90), min_size=12, max_size=45, unique=True))
        lengths = draw(st.lists(st.integers(-2, 9), min_size=len(hours), max_size=len(hours)))
        rows += [(f"E{number}", h, None if n < 0 else h + n) for h, n in zip(hours, lengths, strict=True)]
    return table(draw(st.permutations(rows)))


RULES = st.builds(
    lambda groups, tested, embargo: CombinatorialRule(
        groups=groups, test_groups=min(tested, groups - 1), embargo=embargo
    ),
    st.integers(2, 7),
    st.integers(1, 3),
    st.integers(0, 6) | st.integers(0, 8).map(lambda hours: hours * HOUR),
)


def split(labels: pl.DataFrame, rule: CombinatorialRule) -> list[CombinatorialSplit]:
    """Split, and drop the examples that are too small."""
    try:
        return combinatorial_purged(labels, rule)
    except SplitError:
        assume(False)
        raise


def spans(labels: pl.DataFrame) -> list[tuple[datetime, datetime]]:
    """Closed label span of each row; the decision alone where there is no label."""
    return [
        (time, end or time) for time, end in zip(labels["time"].to_list(), labels["label_end"].to_list(), strict=True)
    ]


def blocks(labels: pl.DataFrame, test: Mask) -> list[list[int]]:
    """Test rows by runs of neighbouring timestamps."""
    times = labels["time"].to_list()
    tested = {times[j] for j in np.flatnonzero(test)}
    runs: list[list[datetime]] = [[]]
    for time in sorted(set(times)):
        if time in tested:
            runs[-1].append(time)
        elif runs[-1]:
            runs.append([])
    return [[j for j in range(len(times)) if times[j] in run] for run in runs if run]


def allowed(labels: pl.DataFrame, test: Mask, embargo: Embargo) -> tuple[list[bool], list[bool]]:
    """Rows that the purge leaves, and those of them that the embargo leaves too: every pair of rows is looked at."""
    known, times = spans(labels), sorted(set(labels["time"].to_list()))
    usable = [label is not None for label in labels["label"].to_list()]
    free, clear = list(usable), list(usable)
    for block in blocks(labels, test):
        last = max(known[j][1] for j in block)
        later = [time for time in times if time > last]
        until = last + embargo if isinstance(embargo, timedelta) else ([last, *later][: embargo + 1])[-1]
        for i, (start, end) in enumerate(known):
            free[i] &= not test[i] and not any(start <= known[j][1] and known[j][0] <= end for j in block)
            clear[i] &= not last < start <= until
    return free, [one and two for one, two in zip(free, clear, strict=True)]


def assert_sound(labels: pl.DataFrame, splits: list[CombinatorialSplit], embargo: Embargo) -> None:
    """No overlap (a), no row inside an embargo (b), a timestamp on one side (d)."""
    times, known = labels["time"].to_list(), spans(labels)
    for one in splits:
        train, tests = np.flatnonzero(one.train), np.flatnonzero(one.test)
        for i in train:
            for j in tests:
                apart = known[i][1] < known[j][0] or known[j][1] < known[i][0]
                assert apart, f"{known[i]} meets {known[j]}"
        assert not {times[i] for i in train} & {times[j] for j in tests}, "a timestamp on both sides"
        _, clear = allowed(labels, one.test, embargo)
        assert all(clear[i] for i in train), "trains inside an embargo"


@settings(deadline=None, max_examples=50)
@given(labels=label_tables(), rule=RULES)
@example(labels=regular(60), rule=CombinatorialRule(embargo=3))
def test_train_and_test_never_overlap(labels: pl.DataFrame, rule: CombinatorialRule) -> None:
    assert_sound(labels, split(labels, rule), rule.embargo)


@settings(deadline=None, max_examples=50)
@given(labels=label_tables(), rule=RULES)
def test_nothing_is_left_out_without_a_cause_and_all_of_it_is_counted(
    labels: pl.DataFrame, rule: CombinatorialRule
) -> None:
    for one in split(labels, rule):
        free, clear = allowed(labels, one.test, rule.embargo)
        assert one.train.tolist() == clear
        others = labels["label"].is_not_null().to_numpy() & ~one.test
        counts = (one.receipt.train_rows, one.receipt.test_rows, one.receipt.purged_rows, one.receipt.embargoed_rows)
        purged, embargoed = int(others.sum()) - sum(free), sum(free) - sum(clear)
        assert counts == (sum(clear), int(one.test.sum()), purged, embargoed)


@settings(deadline=None, max_examples=50)
@given(labels=label_tables(), rule=RULES)
def test_the_receipt_names_the_blocks_and_the_training_rows_next_to_them(
    labels: pl.DataFrame, rule: CombinatorialRule
) -> None:
    known = spans(labels)
    for one in split(labels, rule):
        expected = blocks(labels, one.test)
        assert len(one.receipt.blocks) == len(expected)
        for told, block in zip(one.receipt.blocks, expected, strict=True):
            assert told.start == min(known[j][0] for j in block)
            assert told.end == max(known[j][0] for j in block)
            assert told.last_label_end == max(known[j][1] for j in block)
            train = [known[i] for i in np.flatnonzero(one.train)]
            assert told.known_before == max((end for time, end in train if time < told.start), default=None)
            assert told.resumes == min((time for time, _ in train if time > told.end), default=None)


@settings(deadline=None, max_examples=50)
@given(labels=label_tables(), rule=RULES)
def test_every_group_is_tested_equally_often_and_paths_cover_each_row_once(
    labels: pl.DataFrame, rule: CombinatorialRule
) -> None:
    splits = split(labels, rule)
    assert len(splits) == comb(rule.groups, rule.test_groups)
    often = comb(rule.groups - 1, rule.test_groups - 1)
    groups = [group for one in splits for group in one.receipt.groups]
    assert [groups.count(group) for group in range(1, rule.groups + 1)] == [often] * rule.groups
    assert (sum(one.test.astype(int) for one in splits) == often).all()
    strung = paths(splits)
    assert len(strung) == often
    used = {(int(at), row) for path in strung for row, at in enumerate(path)}
    assert used == {(at, row) for at, one in enumerate(splits) for row in np.flatnonzero(one.test).tolist()}
    per_group = [labels["time"].filter(one.test).n_unique() for one in split(labels, rule)]
    assert max(per_group) - min(per_group) <= rule.test_groups


@settings(deadline=None, max_examples=40)
@given(labels=label_tables(), rule=RULES, more=st.integers(1, 40))
def test_growing_the_embargo_never_adds_training_rows(labels: pl.DataFrame, rule: CombinatorialRule, more: int) -> None:
    longer = rule.embargo + more * (HOUR if isinstance(rule.embargo, timedelta) else 1)
    large = split(labels, rule.model_copy(update={"embargo": longer}))
    for one, two in zip(split(labels, rule), large, strict=True):
        assert not (two.train & ~one.train).any()
        assert two.receipt.purged_rows == one.receipt.purged_rows


def _unpurged_before(labels: pl.DataFrame, one: CombinatorialSplit, _: Embargo) -> Mask:
    """The mistake of purging by decision time before a block: labels reach into it."""
    outside = labels["label"].is_not_null().to_numpy() & ~one.test
    after = np.logical_or.reduce([(labels["time"] > block.end).to_numpy() for block in one.receipt.blocks])
    return outside & (one.train | ~after)


def _unpurged_after(labels: pl.DataFrame, one: CombinatorialSplit, _: Embargo) -> Mask:
    """The mistake of forgetting that labels of the block reach beyond it."""
    outside = labels["label"].is_not_null().to_numpy() & ~one.test
    before = np.logical_or.reduce([(labels["time"] < block.start).to_numpy() for block in one.receipt.blocks])
    return outside & (one.train | ~before)


def _from_the_first_label_end(labels: pl.DataFrame, one: CombinatorialSplit, _: Embargo) -> Mask:
    """The mistake of letting the test window begin at the end of its first label."""
    train = one.train.copy()
    for block in one.receipt.blocks:
        first = labels.filter(pl.col("time") == block.start)["label_end"].min()
        early = (labels["label_end"] < first) & (labels["label_end"] >= block.start) & (labels["time"] < block.start)
        train |= early.fill_null(value=False).to_numpy() & ~one.test
    return train


def _touching(labels: pl.DataFrame, one: CombinatorialSplit, _: Embargo) -> Mask:
    """The mistake of half-open spans: a label may end when the block begins."""
    ends = labels["label_end"].is_in([block.start for block in one.receipt.blocks]).fill_null(value=False)
    return one.train | (ends.to_numpy() & ~one.test)


def _embargo_from_the_last_decision(labels: pl.DataFrame, one: CombinatorialSplit, embargo: Embargo) -> Mask:
    """The mistake of counting the embargo from the last decision, so that the purge swallows it."""
    assert isinstance(embargo, int)
    free = np.array(allowed(labels, one.test, 0)[1])
    for block in one.receipt.blocks:
        free &= ~labels["time"].is_between(block.end, block.end + embargo * HOUR).to_numpy()
    return free


def _no_embargo(labels: pl.DataFrame, one: CombinatorialSplit, _: Embargo) -> Mask:
    """The mistake of ignoring the argument."""
    return np.array(allowed(labels, one.test, 0)[1])


def _by_row(labels: pl.DataFrame, one: CombinatorialSplit, _: Embargo) -> Mask:
    """The mistake of cutting stacked rows: one entity of the first test timestamp trains."""
    block = one.receipt.blocks[-1]
    return one.train | ((labels["time"] == block.start) & (labels["entity"] == "E0")).to_numpy()


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (_unpurged_before, "meets"),
        (_unpurged_after, "meets"),
        (_from_the_first_label_end, "meets"),
        (_touching, "meets"),
        (_by_row, "meets|both sides"),
        (_embargo_from_the_last_decision, "inside an embargo"),
        (_no_embargo, "inside an embargo"),
    ],
)
def test_a_splitter_with_a_known_mistake_is_caught(broken: Broken, message: str) -> None:
    labels, rule = regular(60), CombinatorialRule(groups=5, embargo=3)
    splits = combinatorial_purged(labels, rule)
    leaky = [replace(one, train=broken(labels, one, rule.embargo)) for one in splits]
    with pytest.raises(AssertionError, match=message):
        assert_sound(labels, leaky, rule.embargo)


def test_two_entities_at_one_time_with_short_labels_are_never_on_both_sides() -> None:
    labels = table([(entity, hour, hour) for hour in range(20) for entity in ("A", "B")])
    leaky = combinatorial_purged(labels, CombinatorialRule(groups=4))[0]
    train = leaky.train | ((labels["time"] == START) & (labels["entity"] == "A")).to_numpy()
    test = leaky.test & ~train
    with pytest.raises(AssertionError, match=r"meets|both sides"):
        assert_sound(labels, [replace(leaky, train=train, test=test)], 0)


def test_a_regular_market_gives_the_numbers_one_expects() -> None:
    splits = combinatorial_purged(regular(), CombinatorialRule(groups=6, test_groups=2, embargo=3))
    assert (len(splits), len(paths(splits))) == (15, 5)
    both = {one.receipt.groups: one.receipt for one in splits}
    first = both[(1, 2)]  # one block at the very beginning: hours 0 to 39, labels to hour 43, embargo to hour 46
    assert [(b.start, b.end, b.last_label_end) for b in first.blocks] == [(START, START + 39 * HOUR, START + 43 * HOUR)]
    assert (first.purged_rows, first.embargoed_rows) == (2 * 4, 2 * 3)
    assert first.blocks[0].resumes == START + 47 * HOUR
    apart = both[(2, 4)]  # labels reach in for 4 hours, out for 4 hours, then 3 hours of embargo, twice
    assert (len(apart.blocks), apart.purged_rows, apart.embargoed_rows) == (2, 2 * 2 * 8, 2 * 2 * 3)
    last = both[(5, 6)]  # nothing comes after the end of the data
    assert (last.purged_rows, last.embargoed_rows, last.blocks[0].resumes) == (8, 0, None)


def test_k_fold_is_one_test_group_at_a_time() -> None:
    labels = regular()
    splits = purged_k_fold(labels, folds=4, embargo=2 * HOUR)
    same = combinatorial_purged(labels, CombinatorialRule(groups=4, test_groups=1, embargo=2))
    assert [one.train.tolist() for one in splits] == [one.train.tolist() for one in same]
    (path,) = paths(splits)
    assert path.tolist() == [hour // 30 for hour in range(120) for _ in range(2)]
    assert len(purged_k_fold(labels)) == 5


@pytest.mark.parametrize(
    ("labels", "rule", "message"),
    [
        (regular(5), CombinatorialRule(), r"(?s)too few timestamps.*each of 6 groups.*5 unique"),
        (
            regular(60, 50),
            CombinatorialRule(groups=3),
            r"(?s)split 1 \(test groups 1, 2\).*training part has no labelled",
        ),
        (
            regular(60),
            CombinatorialRule(groups=3, embargo=60),
            r"(?s)training part has no.*0 to train on \(8 purged, 24 em",
        ),
        (regular(60), CombinatorialRule(groups=3, embargo=60 * HOUR), r"(?s)training part has no.*8 purged, 24 em"),
        (
            regular(30, 8),
            CombinatorialRule(groups=5, test_groups=1),
            r"(?s)groups 5.*the test part has no labelled row",
        ),
    ],
)
def test_an_empty_part_is_an_error(labels: pl.DataFrame, rule: CombinatorialRule, message: str) -> None:
    with pytest.raises(SplitError, match=message):
        combinatorial_purged(labels, rule)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"groups": 3, "test_groups": 3}, r"test_groups \(3\) must be below groups \(3\)"),
        ({"groups": 40, "test_groups": 20}, "40 choose 20 is more than 10,000 splits"),
    ],
)
def test_a_rule_that_leaves_nothing_or_never_ends_is_refused(rule: dict[str, int], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        CombinatorialRule.model_validate(rule)


def test_paths_need_all_splits() -> None:
    splits = combinatorial_purged(regular(), CombinatorialRule())
    with pytest.raises(
        SplitError, match=r"(?s)paths: cannot be strung together.*14 splits, rows tested \[4, 5\] times"
    ):
        paths(splits[1:])
    with pytest.raises(SplitError, match="0 splits"):
        paths([])


def test_a_receipt_survives_json_and_verifies_itself() -> None:
    receipt = combinatorial_purged(regular(), CombinatorialRule())[1].receipt
    form = TypeAdapter(PurgedReceipt)
    state = form.dump_python(receipt, mode="json")
    assert form.validate_python(state) == receipt
    block = receipt.blocks[1]
    for late in ({"known_before": block.start}, {"resumes": block.embargo_end}, {"last_label_end": START}):
        with pytest.raises(SplitError, match="the training part touches the block"):
            replace(block, **late)
