"""Feature selection and class shares on the page."""

import re
from dataclasses import replace
from statistics import fmean
from typing import Any

import numpy as np
import polars as pl
import pytest

from assay.market.errors import DataError
from assay.market.selection import SelectionRule, Task, select
from assay.report import HeadFacts, ReportFacts
from assay.report.figures.classes import FoldShares, fold_shares
from assay.report.figures.selection import Choice, choice_map
from assay.report.sections.selection import selection_block
from assay.report.sections.splits import split_block
from assay.report.view import HeadView, head_view


@pytest.fixture
def signal(facts: ReportFacts) -> HeadView:
    return head_view(facts, "signal")


def _with(view: HeadView, **fields: Any) -> HeadView:
    return replace(view, facts=replace(view.facts, **fields))


def test_the_reading_counts_what_the_folds_share(signal: HeadView) -> None:
    head = signal.facts
    always = set.intersection(*(set(fold["kept"]) for fold in head.selections))
    reading = selection_block(signal).reading
    assert reading.startswith(f"Of 80 features 24 are kept in each fold, {len(always)} of them in every fold.")
    found = head.stability
    assert reading.endswith(
        f"Stability of the choice: {found['estimate']:.2f} "
        f"(95\u202f% interval [{found['low']:.2f}, {found['high']:.2f}])."
    )


def test_undefined_stability_is_not_told(signal: HeadView) -> None:
    undefined = {**signal.facts.stability, "estimate": None, "low": None, "high": None}
    assert "Stability" not in selection_block(_with(signal, stability=undefined)).reading


def test_folds_that_keep_different_numbers_are_told(signal: HeadView) -> None:
    first, *others = signal.facts.selections
    fewer = {**first, "kept": first["kept"][:20]}
    assert " 20 to 24 are kept in each fold" in selection_block(_with(signal, selections=[fewer, *others])).reading


@pytest.mark.parametrize("shared", [True, False])
def test_a_single_feature_is_told_as_one(signal: HeadView, shared: bool) -> None:
    head = signal.facts
    names = [
        head.selections[0]["kept"][0] if shared else fold["kept"][place] for place, fold in enumerate(head.selections)
    ]
    alone = [{**fold, "kept": [name]} for fold, name in zip(head.selections, names, strict=True)]
    records = [{**record, "share": names.count(record["name"]) / len(names)} for record in head.stability["features"]]
    block = selection_block(_with(signal, selections=alone, stability={**head.stability, "features": records}))
    same = "the same one in all of them" if shared else "not the same one in all"
    assert block.reading.startswith(f"Of 80 features 1 is kept in each fold, {same}.")
    if shared:
        assert block.figures[0].title == "The feature chosen most often"


def test_it_says_that_nothing_fitted_uses_it(signal: HeadView) -> None:
    assert "never used by anything fitted" in selection_block(signal).lede


def test_causes_add_up_to_all_features(signal: HeadView) -> None:
    table = selection_block(signal).tables[0]
    labels = [column.label for column in table.columns]
    assert labels[1:6] == ["Too little coverage", "Constant", "Near-duplicate", "Ranked too low", "Kept"]
    for row, fold in zip(table.rows, signal.facts.selections, strict=True):
        counts = [int(cell.text) for cell in row[1:6]]
        assert sum(counts) == 80
        assert counts[:2] == [1, 1]
        assert counts[2] == sum("correlation" in why for why in fold["dropped"].values())
        assert counts[4] == len(fold["kept"])


def test_the_causes_are_those_that_selection_writes(signal: HeadView) -> None:
    rng = np.random.default_rng(4)
    rows = 400
    times = pl.datetime_range(pl.datetime(2020, 1, 1), pl.datetime(2021, 12, 31), "1d", time_zone="UTC", eager=True)[
        :rows
    ]
    good, other, third = rng.normal(size=(3, rows))
    features = pl.DataFrame(
        {
            "entity": ["A"] * rows,
            "time": times,
            "good": good,
            "twin": good + 1e-6 * other,
            "other": other,
            "third": third,
            "flat": [1.0] * rows,
            "rare": [None] * (rows - 10) + [float(n) for n in range(10)],
        }
    )
    labels = pl.DataFrame(
        {
            "entity": ["A"] * rows,
            "time": times,
            "start": times,
            "label_end": times,
            "forward_return": good + rng.normal(size=rows),
            "scale": [1.0] * rows,
            "label": np.sign(good).astype(np.int8),
        }
    )
    rule = SelectionRule(features=2, methods=("univariate",))
    found = select(features, labels, rule, task=Task(kind="classification")).model_dump(mode="json")
    one = [{"fold": fold, **found} for fold in (1, 2, 3, 4, 5)]
    row = selection_block(_with(signal, selections=one)).tables[0].rows[0]
    assert [cell.text for cell in row[1:6]] == ["1", "1", "1", "1", "2"]


def test_the_drawer_has_every_feature_with_its_ranks(signal: HeadView) -> None:
    drawer, head = selection_block(signal).more[0], signal.facts
    assert drawer.title == "All 80 features and their ranks"
    table = drawer.tables[0]
    assert [column.label for column in table.columns[3:]] == ["Univariate", "Permutation"]
    shown = {row[0].text: [cell.text for cell in row[1:]] for row in table.rows}
    best = head.stability["features"][0]
    mean = fmean(fold["ranks"]["permutation"][best["name"]] for fold in head.selections)
    spread = f"{best['mean_rank']:.1f} ± {best['rank_spread']:.1f}"
    assert shown[best["name"]][:2] == ["100.0\u202f%", spread]
    assert shown[best["name"]][3] == f"{mean:.1f}"
    assert shown["alpha_3"] == ["0.0\u202f%", "–", "–", "–"]


def test_at_most_forty_features_are_drawn_those_chosen_most_often(signal: HeadView) -> None:
    folds = signal.facts.selections
    figure = selection_block(signal).figures[0]
    chosen = {name for fold in folds for name in fold["kept"]}
    assert figure.title == f"The {len(chosen)} features chosen most often"
    everything = [{**fold, "kept": sorted(fold["consensus"])} for fold in folds]
    names = [{**one, "share": 1.0} for one in signal.facts.stability["features"]]
    many = _with(signal, selections=everything, stability={**signal.facts.stability, "features": names})
    assert selection_block(many).figures[0].title == "The 40 features chosen most often"


def test_a_square_is_filled_where_chosen_and_stronger_where_ranked_better() -> None:
    choices = [Choice("a", [0.0, None]), Choice("b", [1.0, 1.0])]
    for wide in (True, False):
        svg = choice_map(choices, [1, 2], wide=wide, slug="s")
        filled = re.findall(r'<path [^>]*style="fill: var\(--accent\)(?:; fill-opacity: ([\d.]+))?', svg)
        assert [float(alpha or 1) for alpha in filled] == [1.0, 0.25, 0.25]
        assert svg.count("fill: var(--line)") == 1
        assert "The 2 features chosen most often over 2 folds; 1 of them in every fold, among them b" in svg


@pytest.mark.parametrize(
    ("field", "change", "said"),
    [
        ("selections", lambda found: found[1:], "selections: is about other folds than the receipts"),
        ("selections", lambda found: [{"fold": 1}, *found[1:]], "a row of selections: incomplete"),
        ("selections", lambda found: [{**found[0], "consensus": {}}, *found[1:]], "consensus of fold 1: incomplete"),
        ("stability", lambda _: {"estimate": 1.0}, "stability of the selection: incomplete"),
        ("class_shares", lambda found: found[:-1], "class_shares: is about other folds than the receipts"),
        ("class_shares", lambda found: [{"fold": 1}, *found[1:]], "a row of class_shares: incomplete"),
        ("fits", lambda found: [{"model": "m"}, *found], "a row of fits: incomplete"),
    ],
)
def test_facts_that_are_not_whole_are_refused(facts: ReportFacts, field: str, change: Any, said: str) -> None:
    head: HeadFacts = facts.heads["signal"]
    with pytest.raises(DataError, match=said):
        replace(head, **{field: change(getattr(head, field))})


def test_class_shares_of_every_fold_are_drawn_on_heads_with_classes(facts: ReportFacts, signal: HeadView) -> None:
    figure = split_block(signal).figures[1]
    assert figure.title == "Class shares per fold"
    said = "fold 1: training SHORT 27.0\u202f%, NEUTRAL 40.0\u202f%, LONG 33.0\u202f%, test SHORT 29."
    assert said in figure.svg
    assert said in (figure.narrow or "")
    assert len(split_block(head_view(facts, "forward_return")).figures) == 1


def test_training_rows_stand_left_of_test_rows() -> None:
    train, test = ({"SHORT": short, "NEUTRAL": 0.3, "LONG": 0.7 - short} for short in (0.2, 0.5))
    svg = fold_shares([FoldShares(1, train, test)], wide=True, slug="s")
    assert re.findall(r">([\d.]+)\u202f%</text>", svg) == ["20.0", "30.0", "50.0", "50.0", "30.0", "20.0"]


def test_small_shares_carry_no_number() -> None:
    shares = {"SHORT": 0.05, "NEUTRAL": 0.9, "LONG": 0.05}
    svg = fold_shares([FoldShares(1, shares, shares)], wide=True, slug="s")
    assert re.findall(r">([\d.]+)\u202f%</text>", svg) == ["90.0", "90.0"]
    assert "%</text>" not in fold_shares([FoldShares(1, shares, shares)], wide=False, slug="s")


def test_the_newest_row_and_label_of_every_kind_of_fit_are_told(signal: HeadView) -> None:
    late = {**signal.facts.fits[0], "last_time_seen": "2008-12-30T21:00:00+00:00", "last_label_end": None}
    table = split_block(_with(signal, fits=[*signal.facts.fits, late])).more[0].tables[0]
    assert [column.label for column in table.columns] == ["Fold", "Selection", "Preprocess", "Model", "Test from"]
    assert [cell.text for cell in table.rows[0]][1:3] == ["2008-12-30 21:00", "2008-12-22 21:00"]
    assert table.rows[0][1].sub == "label 2008-12-29 21:00"
    assert split_block(_with(signal, fits=[])).more == ()
