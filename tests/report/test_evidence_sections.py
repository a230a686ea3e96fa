"""Sections about luck: who can be told apart, what was ever tried, seeds, regimes, runs without a signal."""

import re
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from assay.report import ReportFacts
from assay.report.figures.confidence_set import Ranked, set_figure
from assay.report.figures.hours import hour_strip
from assay.report.figures.intervals import Estimate
from assay.report.figures.luck import Deflated, deflation_figure, seed_figure
from assay.report.sections.breakdown import breakdown_block
from assay.report.sections.contest import contest_block
from assay.report.sections.hero import hero
from assay.report.sections.null_check import null_block
from assay.report.sections.seeds import seed_block
from assay.report.sections.significance import significance_block
from assay.report.view import HeadView, head_view


@pytest.fixture
def signal(facts: ReportFacts) -> HeadView:
    return head_view(facts, "signal")


def _with(view: HeadView, **fields: Any) -> HeadView:
    return replace(view, facts=replace(view.facts, **fields))


def _table(tables: Any, start: str) -> Any:
    return next(table for table in tables if table.caption.startswith(start))


def test_written_rules_keep_their_order_and_say_in_words_what_their_mark_means(facts: ReportFacts) -> None:
    rules = hero(facts).rules
    assert [rule.name for rule in rules][:2] == ["Direction above zero", "Above the class prior"]
    assert [(rule.mark, rule.word) for rule in rules] == [
        ("✓", "holds"),
        ("✓", "holds"),
        ("✗", "does not hold"),
        ("✗", "does not hold"),
        ("✓", "holds"),
        ("–", "not known"),
    ]
    assert rules[0].said == "The IC of XGBoost is +0.036 [+0.013, +0.061]; the interval excludes 0."


def test_models_stand_in_the_order_of_their_loss_with_the_set_marked(signal: HeadView) -> None:
    block = contest_block(signal)
    models = signal.facts.contest["models"]
    order = sorted(models, key=lambda name: models[name]["mean_loss"])
    rows = _table(block.tables, "Models by their loss").rows
    assert [row[1].text for row in rows] == [str(rank) for rank in range(1, len(models) + 1)]
    assert [row[4].text for row in rows] == ["inside" if models[name]["inside"] else "outside" for name in order]
    assert block.figures[0].title == "Model confidence set, 90\u202f%"
    assert block.reading.startswith("XGBoost is the best of 7, and the 90\u202f% confidence set")


def test_the_lead_is_held_against_each_rival_and_every_pair_is_in_the_drawer(signal: HeadView) -> None:
    block = contest_block(signal)
    assert block.figures[1].title == "XGBoost against each rival"
    assert block.figures[1].svg.count("meta ") == 1
    assert len(block.more[0].tables[0].rows) == len(signal.facts.contest["pairs"])


def test_a_contest_of_nothing_says_why_and_draws_nothing(signal: HeadView) -> None:
    nothing = {**signal.facts.contest, "models": {}, "pairs": [], "spa": None, "said": "No score varies."}
    block = contest_block(_with(signal, contest=nothing))
    assert (block.reading, list(block.figures), list(block.tables), list(block.more)) == (
        "No score varies.",
        [],
        [],
        [],
    )


def test_what_luck_reaches_is_drawn_in_the_unit_of_the_sharpe_ratios(signal: HeadView) -> None:
    """An expected maximum of 10 a bar is 40 a year with 16 bars: far right of every model, and in sight."""
    found = deepcopy(dict(signal.facts.significance))
    found["trials"]["expected_max_sharpe"], found["bars_per_year"] = 10.0, 16.0
    figure = significance_block(_with(signal, significance=found)).figures[0]
    assert max(float(tick) for tick in re.findall(r">(\d+)</text>", figure.svg)) in (30, 40)


def test_everything_ever_tried_is_told_beside_the_models(signal: HeadView) -> None:
    block = significance_block(signal)
    dsr = signal.facts.significance["models"]["xgboost"]["dsr"]
    assert block.reading.endswith(
        f"the luckiest of 23 configurations ever tried would show, with {100 * dsr:.1f}\u202f%."
    )
    told = {row[0].text: row[1].text for row in _table(block.tables, "Everything ever tried").rows}
    assert (told["Configurations ever tried"], told["Results ever recorded"]) == ("23", "61")
    assert (told["Ever declared primary"], told["PBO"]) == ("XGBoost and LightGBM", "41.0\u202f%")


def test_undefined_ratios_are_said_and_untraded_heads_have_none(signal: HeadView) -> None:
    found = deepcopy(dict(signal.facts.significance))
    found["models"]["xgboost"] = dict.fromkeys(found["models"]["xgboost"])
    block = significance_block(_with(signal, significance=found))
    assert block.reading == "XGBoost has no Sharpe ratio to hold against what was tried."
    assert significance_block(_with(signal, traded=False)).empty


def test_seeds_stand_beside_the_interval_on_the_declared_head_alone(facts: ReportFacts, signal: HeadView) -> None:
    block = seed_block(signal)
    assert [column.label for column in block.tables[0].columns[1:4]] == ["Seed 7", "Seed 8", "Seed 9"]
    assert "over other seeds 0.0339, 0.0251, 0.0402" in block.figures[0].svg
    assert seed_block(head_view(facts, "forward_return")).empty
    unfitted = {**signal.facts.seeds, "model": None, "seeds": [], "ic": [], "said": "it was fitted in no fold"}
    told = seed_block(_with(signal, seeds=unfitted))
    assert (told.reading, list(told.figures), list(told.tables)) == ("It was fitted in no fold", [], [])
    constant = seed_block(_with(signal, seeds={**signal.facts.seeds, "ic": [None, None, None]}))
    assert not constant.figures


def _parts(*ends: tuple[float | None, float | None]) -> list[dict[str, Any]]:
    nothing = {"value": None, "low": None, "high": None}
    return [
        {"name": f"part {place}", "rows": 9, "timestamps": 9, "accuracy": nothing}
        | {"ic": {"value": 0.01 * place, "low": low, "high": high}}
        for place, (low, high) in enumerate(ends)
    ]


def _broken_down(view: HeadView, **dimensions: Any) -> HeadView:
    breakdown = {**{name: {} for name in view.tried}, "xgboost": dimensions}
    return _with(view, evaluation={**view.evaluation, "breakdown": breakdown})


def test_parts_off_zero_are_counted_beside_what_luck_gives(signal: HeadView) -> None:
    parts = _parts((0.1, 0.2), (-0.2, -0.1), (-0.1, 0.1), (None, None))
    block = breakdown_block(_broken_down(signal, trend=parts))
    said = "XGBoost: the IC lies above zero in 1 of 3 parts and below it in 1; by luck alone about 2.5\u202f% of them"
    assert block.reading.startswith(said)
    marks = [row[4].mark for row in block.more[0].tables[0].rows]
    assert marks == ["win", "loss", "", ""]


def test_a_single_part_is_listed_and_not_drawn(signal: HeadView) -> None:
    block = breakdown_block(_broken_down(signal, entity=_parts((0.1, 0.2)), trend=_parts((0.1, 0.2), (0.1, 0.2))))
    assert [figure.title for figure in block.figures] == ["By trend"]
    assert len(block.more[0].tables[0].rows) == 3
    assert breakdown_block(_broken_down(signal)).empty


def test_of_many_entities_those_farthest_off_are_drawn_in_their_order(signal: HeadView) -> None:
    many = _parts(*[(-0.1, 0.1)] * 30)
    figure = breakdown_block(_broken_down(signal, entity=many)).figures[0]
    assert figure.title == "The 14 entities farthest off"
    drawn = [int(name) for name in re.findall(r">part (\d+)</text>", figure.svg)]
    assert drawn == sorted(drawn)
    assert len(drawn) == 14
    assert 29 in drawn


def test_the_rate_of_false_evidence_stands_against_its_level(facts: ReportFacts) -> None:
    block = null_block(facts)
    assert block.tone == ""
    assert "the 5\u202f% that are allowed" in block.figures[0].caption
    rows = {row[0].text: [cell.text for cell in row[1:]] for row in block.tables[0].rows}
    assert rows["all together"] == ["200", "191", "4", "5", "0", "2.5\u202f%"]
    assert rows["planted 0.10"][-1] == "87.5\u202f%"
    assert block.tables[0].note.endswith("1 run failed and came to no verdict.")
    rules = {row[0].text: [cell.text for cell in row[1:]] for row in block.more[0].tables[0].rows}
    assert rules["Direction"][0] == "4.0\u202f%"
    assert rules["Seeds"][0] == "–"


def test_rules_that_find_too_much_are_a_caution_and_a_check_never_run_says_how(facts: ReportFacts) -> None:
    found = facts.null_calibration
    assert found is not None
    changed = null_block(replace(facts, verdict={**facts.verdict, "judged_by": "1" * 64}))
    assert changed.reading.startswith("Of other rules than those of this report")
    assert changed.tone == "caution"
    told = null_block(replace(facts, null_calibration={**found, "holds": False, "power": None}))
    assert (told.tone, len(told.figures)) == ("caution", 1)
    never = null_block(replace(facts, null_calibration=None))
    assert "kedro run --pipelines null_check" in never.reading
    assert not never.tables


def test_the_set_is_a_band_of_filled_dots() -> None:
    inside, outside = (Ranked("a", 0.1, 0.0, 0.2, 0.5, inside=found) for found in (True, False))
    both = [set_figure([model], wide=False, slug="s", title="Set") for model in (inside, outside)]
    assert ["var(--soft)" in svg for svg in both] == [True, False]
    assert ["var(--surface)" in svg for svg in both] == [False, True]
    assert "a 0.1000 [0.0000, 0.2000], p 0.500, outside" in both[1]
    assert ">–</text>" in set_figure([replace(inside, p=None)], wide=False, slug="s", title="Set")


def test_the_lead_alone_has_the_colour_of_the_lead() -> None:
    svg = [deflation_figure([Deflated("a", 0.9, 0.4, lead=lead)], level=0.95, slug="s") for lead in (True, False)]
    assert ["var(--accent)" in one for one in svg] == [True, False]
    assert "a 90.0\u202f%, then 40.0\u202f%" in svg[0]
    assert deflation_figure([Deflated("a", None, None)], level=0.95, slug="s").count(" C ") == 0


def test_drawings_of_undefined_values_are_drawings() -> None:
    unknown = Estimate("a", None, None, None)
    assert "IC of a: – over other rows" in seed_figure(unknown, [0.1], wide=True, slug="s")
    assert ": a –" in hour_strip([unknown], overall=None, wide=False, slug="s", title="Hours")
