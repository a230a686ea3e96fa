"""Sections say what the numbers say."""

from dataclasses import replace
from typing import Any

import pytest

from assay.report import ReportFacts
from assay.report.elements import value_cell
from assay.report.sections.classes import class_block
from assay.report.sections.costs import cost_block
from assay.report.sections.features import feature_block
from assay.report.sections.folds import fold_block
from assay.report.sections.importance import importance_block
from assay.report.sections.models import best_baseline, model_comparison
from assay.report.sections.quality import flatten, quality_block
from assay.report.sections.regression import regression_block
from assay.report.sections.skill import skill_block
from assay.report.sections.splits import split_block
from assay.report.sections.tuning import tuning_block
from assay.report.sections.wanted import wanted_block
from assay.report.view import HeadView, head_view


@pytest.fixture
def signal(facts: ReportFacts) -> HeadView:
    return head_view(facts, "signal")


def _with(view: HeadView, **fields: Any) -> HeadView:
    return replace(view, facts=replace(view.facts, **fields))


def test_lead_is_the_declared_primary_and_else_the_best_tried_model(facts: ReportFacts, signal: HeadView) -> None:
    assert (signal.lead, signal.declared) == ("xgboost", True)
    other = head_view(facts, "forward_return")
    tried = {name: other.estimate(name, "ic")["value"] for name in other.models if other.role(name) == "model"}
    assert (other.lead, other.declared) == (max(tried, key=tried.__getitem__), False)


def test_lead_comes_first_then_models_twins_and_baselines(signal: HeadView) -> None:
    assert signal.models[0] == "xgboost"
    assert replace(signal, lead="lightgbm").models[0] == "lightgbm"
    roles = [signal.role(name) for name in signal.models]
    assert roles == sorted(roles, key=["model", "volatility_only", "baseline"].index)
    parts = [signal.part(name) for name in signal.models]
    assert parts == sorted(parts, key=["model", "ensemble", "volatility_only", "baseline"].index)
    assert signal.twins[:2] == ("lightgbm (volatility only)", "random_forest (volatility only)")


def test_metrics_that_matter_come_first_whatever_the_order_of_the_file(signal: HeadView) -> None:
    info = signal.evaluation["metric_info"]
    view = _with(signal, evaluation={**signal.evaluation, "metric_info": dict(sorted(info.items()))})
    assert view.metrics[:3] == ("direction_ic", "directional_accuracy_tradable", "mcc")
    assert set(view.metrics) == set(info)


def test_reading_names_the_strongest_baseline(signal: HeadView) -> None:
    reading = model_comparison(signal).reading
    assert reading.startswith("XGBoost reaches Direction IC ")
    assert "its strongest baseline, " in reading


def test_best_baseline_follows_the_direction_of_the_metric(signal: HeadView) -> None:
    name, value = best_baseline(signal, "log_loss")
    others = [signal.estimate(m, "log_loss")["value"] for m in signal.shown if signal.role(m) != "model"]
    assert value == min(others)
    assert signal.role(name) != "model"


def test_coverage_is_never_marked_as_good_or_bad(signal: HeadView) -> None:
    rows = {row[0].text: row[1:] for row in model_comparison(signal).tables[0].rows}
    assert any("win" in cell.mark for cell in rows["Balanced accuracy"])
    assert not any("win" in cell.mark or "loss" in cell.mark for cell in rows["Coverage (tradable)"])


def test_skill_reading_tells_whether_zero_is_inside(signal: HeadView) -> None:
    assert skill_block(signal).reading.endswith("the interval excludes zero, the value of no skill.")
    mine = {**signal.evaluation["skill"]["xgboost"]}
    mine["direction"] = {"ic": {"value": 0.01, "low": -0.01, "high": 0.03}, "t_hac": 0.5}
    skill = {**signal.evaluation["skill"], "xgboost": mine}
    inside = _with(signal, evaluation={**signal.evaluation, "skill": skill})
    assert "the interval contains zero" in skill_block(inside).reading


def test_clean_splits_are_said_so_and_leaking_ones_raise_an_alarm(signal: HeadView) -> None:
    block = split_block(signal)
    assert block.tone == ""
    assert "checked in 5 folds; the smallest gap is 3.0 days. 60 rows purged, 20 embargoed." in block.reading
    receipts = [dict(receipt) for receipt in signal.facts.receipts]
    receipts[1]["last_train_label_end"] = receipts[1]["test_start"]
    leaking = split_block(_with(signal, receipts=receipts))
    assert leaking.tone == "alarm"
    assert "In fold 2 a training label ends" in leaking.reading


def test_costs_are_beside_the_money(signal: HeadView) -> None:
    tables = {table.caption: table for table in cost_block(signal).tables}
    assert [column.label for column in tables["From gross to net"].columns][-1] == "Total return"
    assert tables["From gross to net"].note.startswith("Turnover pays 1 bp of fees and 0.5 bp of slippage. Posi")
    rows = {row[0].text: row for row in tables["Performance after costs"].rows}
    assert list(rows)[-2:] == ["buy and hold", "always flat"]


def test_every_fold_and_its_spread_is_in_the_table(signal: HeadView) -> None:
    block = fold_block(signal)
    table = block.tables[0]
    assert [column.label for column in table.columns] == ["Model", *(f"Fold {n}" for n in range(1, 6)), "Mean ± std"]
    assert " ± " in table.rows[0][-1].text
    assert table.note == "Models are compared on the common folds 3, 4, 5."


def test_confusion_shares_add_up_by_true_class(signal: HeadView) -> None:
    matrix = class_block(signal).tables[0]
    assert matrix.kind == "heat"
    for row in matrix.rows:
        assert sum(cell.heat for cell in row[1:]) == pytest.approx(1)


def test_classes_keep_their_order_and_stay_on_classification_heads(facts: ReportFacts, signal: HeadView) -> None:
    shuffled = {"NEUTRAL": 0.4, "LONG": 0.3, "SHORT": 0.3}
    block = class_block(_with(signal, evaluation={**signal.evaluation, "class_shares": shuffled}))
    assert "SHORT 30.0\u202f%, NEUTRAL 40.0\u202f%, LONG 30.0\u202f%" in block.figures[0].svg
    other = head_view(facts, "forward_return")
    assert class_block(other).empty
    assert regression_block(signal).empty
    assert not regression_block(other).empty


def test_the_threshold_says_until_when_it_was_estimated(signal: HeadView) -> None:
    caption = class_block(signal).figures[0].caption
    assert caption.startswith(
        "kind: fixed horizon · horizon: 5 · threshold: 0.43, estimated on labels known by 2008-12-22"
    )
    fixed = {**signal.facts.label_manifest, "threshold_seen": None}
    assert "estimated" not in class_block(_with(signal, label_manifest=fixed)).figures[0].caption


def test_features_that_remember_everything_are_marked(facts: ReportFacts) -> None:
    drawers = {drawer.title: drawer.tables[0] for drawer in feature_block(facts).more}
    column = [column.label for column in drawers["Trend (8)"].columns].index("Memory")
    assert {row[column].text for row in drawers["Trend (8)"].rows} == {"recursive"}
    assert {row[column].text for row in drawers["Volume (6)"].rows} == {"windowed"}


def test_importance_is_ranked(signal: HeadView) -> None:
    drawer = importance_block(signal).more[-1]
    means = [float(row[1].text.removesuffix("\u202f%")) for row in drawer.tables[0].rows]
    assert means == sorted(means, reverse=True)


def test_all_trials_are_listed(signal: HeadView) -> None:
    table = tuning_block(signal).more[1].tables[0]
    assert len(table.rows) == len(signal.facts.trials)
    assert {row[2].text for row in table.rows} == {"complete", "pruned", "failed"}
    assert tuning_block(_with(signal, trials=[], searches={}, best_params={}, bundles=[])).empty


def test_a_bundle_is_shown_with_the_score_of_its_recipe(signal: HeadView) -> None:
    table = tuning_block(signal).more[-1].tables[0]
    score = signal.evaluation["models"][signal.facts.bundles[0]["model"]]["full_span"][signal.metric]
    assert [row[1].text for row in table.rows] == [bundle["bundle_id"] for bundle in signal.facts.bundles]
    assert table.rows[0][-1].text == value_cell(score).text
    assert table.columns[-1].label == "Direction IC of the recipe, all folds"


def test_wanted_levels_are_written_in_their_unit_and_counted(facts: ReportFacts) -> None:
    block = wanted_block(facts)
    assert block.reading == "Of 4 wanted levels 1 pass, 1 warn and 2 fail; 1 of them trivial."
    accuracy = block.tables[0].rows[0]
    assert [cell.text for cell in accuracy[:4]] == ["Accuracy", "55.0\u202f%", "47.3\u202f%", "FAIL"]
    assert accuracy[3].mark == "text status fail"


def test_a_level_after_costs_is_written_in_its_own_unit(facts: ReportFacts) -> None:
    sharpe = {"name": "Sharpe after costs", "unit": "ratio", "wanted": 1.5, "found": 0.47, "low": -0.1, "high": 1.1}
    told = {**facts.verdict, "wanted": [sharpe | {"status": "FAIL", "trivial": False, "note": "Buy and hold: 0.8%."}]}
    block = wanted_block(replace(facts, verdict=told))
    assert [cell.text for cell in block.tables[0].rows[0][1:3]] == ["1.50", "0.47"]
    assert block.tables[0].rows[0][-1].text == "Buy and hold: 0.8\u202f%."
    assert block.reading == "Of 1 wanted level 0 pass, 0 warn and 1 fail."


def test_the_coverage_a_feature_needs_is_that_of_the_run(facts: ReportFacts) -> None:
    assert "at least 50.0\u202f% of its training part" in feature_block(facts).lede
    stricter = {**facts.heads, "signal": replace(facts.heads["signal"], min_coverage=0.7)}
    block = feature_block(replace(facts, heads=stricter))
    assert "at least 70.0\u202f% of its training part" in block.lede
    assert block.reading == "40 features in 5 families, 2 disabled. Feature set fs-4c1d9be20a77."
    assert block.more[0].tables[0].rows[0][1].text == "open equals the previous close on 61.0\u202f% of rows"


def test_nested_counts_are_shown_as_they_come(facts: ReportFacts) -> None:
    assert list(flatten({"counts": {"duplicate": 3, "deep": {"x": None}}, "list": []})) == [
        ("counts · duplicate", "3"),
        ("counts · deep · x", "–"),
        ("list", "none"),
    ]
    assert list(flatten({"coverage": 0.2497})) == [("coverage", "25.0\u202f%")]
    stale = "The open equals the previous close on 61.2\u202f% of rows."
    assert quality_block(facts).reading == f"{stale} Open-based features are off."
    assert quality_block(replace(facts, notes=["Open-based features are off."])).reading == stale


def test_models_other_than_the_first_are_drawn_once_three_in_a_row(signal: HeadView) -> None:
    others = importance_block(signal).more[0].figures
    searches = tuning_block(signal).more[0].figures
    assert len(searches) == 2 * 3
    assert {(figure.size, figure.narrow) for figure in (*others, *searches)} == {("third", None)}
    assert all(figure.narrow is not None for figure in importance_block(signal).figures)
