"""Sections right of the walk-forward test: searches, ensembles, calibration, intervals; heads that are not traded."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from assay.report import HeadFacts, ReportFacts, build_report, comparison_table
from assay.report.elements import Table
from assay.report.figures.coverage import coverage_strip, short_of
from assay.report.figures.parallel import Line, Scale, parallel_figure
from assay.report.figures.trials import floor, trial_figure
from assay.report.figures.weights import gain_strip, weight_grid
from assay.report.sections.calibration import calibration_block
from assay.report.sections.costs import cost_block
from assay.report.sections.coverage import coverage_block
from assay.report.sections.ensembles import ensemble_block
from assay.report.sections.importance import importance_block
from assay.report.sections.models import model_comparison
from assay.report.sections.skill import skill_block
from assay.report.sections.tuning import tuning_block
from assay.report.view import HeadView, head_view

NARROW = "\u202f"


@pytest.fixture
def signal(facts: ReportFacts) -> HeadView:
    return head_view(facts, "signal")


@pytest.fixture
def returns(facts: ReportFacts) -> HeadView:
    return replace(head_view(facts, "forward_return"), lead="xgboost")


def _with(view: HeadView, **fields: Any) -> HeadView:
    return replace(view, facts=replace(view.facts, **fields))


def _evaluated(view: HeadView, models: dict[str, Any]) -> HeadFacts:
    return replace(view.facts, evaluation={**view.evaluation, "models": models})


def column(table: Table, label: str) -> list[str]:
    place = [found.label for found in table.columns].index(label)
    return [row[place].text for row in table.rows]


# --- searches -------------------------------------------------------------------------------------------------------
def test_the_search_of_the_lead_is_drawn_and_the_others_are_in_a_drawer(signal: HeadView) -> None:
    block = tuning_block(signal)
    assert [figure.title for figure in block.figures] == [
        "XGBoost, patience ran out: 25 trials without a better one",
        "XGBoost, what each parameter did",
        "XGBoost, which combinations scored well",
    ]
    assert len(block.more[0].figures) == 6
    assert block.reading == "120 trials of 3 models (18 pruned, 3 failed), profile quick."


def test_where_the_lead_was_not_searched_the_best_searched_model_is_drawn(signal: HeadView) -> None:
    block = tuning_block(replace(signal, lead="logistic"))
    best = next(model for model in signal.best_first if model in ("xgboost", "lightgbm", "random_forest"))
    assert block.figures[0].title.lower().startswith(best.replace("_", " "))


def test_every_search_says_how_it_ended(signal: HeadView) -> None:
    table = tuning_block(signal).tables[0]
    ended = dict(zip(column(table, "Model"), column(table, "Stopped"), strict=True))
    assert ended == {
        "XGBoost": "Patience ran out: 25 trials without a better one",
        "LightGBM": "All trials done",
        "random forest": "Time ran out",
    }
    assert column(table, "Trials") == ["33"] * 3
    assert {row[1].sub for row in table.rows} == {"6 pruned, 1 failed"}
    first = [trial for trial in signal.facts.trials if trial["model"] == "xgboost"]
    best = max(trial["score"] for trial in first if trial["state"] == "complete")
    assert float(column(table, "Gain")[0]) == pytest.approx(best - first[0]["score"], abs=1e-4)
    assert column(table, "Chosen parameters")[0] == "max_depth=4  learning_rate=0.0437  layers=[128, 64]"


def test_a_search_without_a_complete_trial_is_told_and_not_drawn(signal: HeadView) -> None:
    failed = [
        {**trial, "state": "failed", "score": None} for trial in signal.facts.trials if trial["model"] == "xgboost"
    ]
    block = tuning_block(_with(signal, trials=failed, searches={"xgboost": signal.facts.searches["xgboost"]}))
    assert block.figures == []
    assert column(block.tables[0], "Best score") == ["–"]
    assert len(block.more[0].tables[0].rows) == 40


def test_few_trials_are_said_to_be_few(signal: HeadView) -> None:
    few = [trial for trial in signal.facts.trials if trial["number"] < 4]
    block = tuning_block(_with(signal, trials=few))
    assert block.reading.endswith("Fewer than 8 complete trials are too few to tell what a parameter did.")
    assert [figure.size for figure in block.figures] == ["half", "whole"]


def test_pruned_and_failed_trials_are_marked_in_the_history() -> None:
    complete = [{"number": n, "state": "complete", "score": -1.0 + 0.01 * n} for n in range(4)]
    pruned = {"number": 4, "state": "pruned", "score": -0.99}
    failed = {"number": 5, "state": "failed", "score": None}

    def drawn(*trials: dict[str, Any]) -> str:
        return trial_figure([*complete, *trials], wide=True, slug="t", title="m")

    assert "6 trials, 1 pruned, 1 failed, best score -0.97" in drawn(pruned, failed)
    assert "var(--bad)" in drawn(failed)
    assert "var(--bad)" not in drawn(pruned)
    assert "var(--surface)" in drawn(pruned)
    assert "var(--surface)" not in drawn(failed)


def test_a_hopeless_trial_does_not_squash_the_history() -> None:
    trials = [{"number": n, "state": "complete", "score": score} for n, score in enumerate((-1.0, -0.9, -0.8, -99.0))]
    assert floor(trials) == pytest.approx(-0.8 - 4 * 0.15)
    assert floor(trials[:3]) == -1.0
    ticks = re.findall(r">\u2212([\d.]+)</text>", trial_figure(trials, wide=False, slug="t", title="m"))
    assert max(map(float, ticks)) < 2


def test_trials_are_counted_in_whole_numbers_and_scores_told_apart(signal: HeadView) -> None:
    one = {**signal.facts.trials[0], "model": "xgboost", "state": "complete"}
    two = [{**one, "number": 0, "score": -1.0902}, {**one, "number": 1, "score": -1.0906}]
    history, parallel = tuning_block(_with(signal, trials=two)).figures
    assert ">0</text>" in history.svg
    assert "0.2</text>" not in history.svg
    assert ">−1.09020</text>" in parallel.svg
    assert ">−1.09060</text>" in parallel.svg


def test_lines_are_the_stronger_the_better_the_trial() -> None:
    scales = [Scale("rate", [(0.0, 0.01), (1.0, 0.3)]), Scale("layers", [(0.0, (64, 32)), (1.0, (128,))])]
    shades = {}
    for rank in (0.0, 0.5, 1.0, None):
        svg = parallel_figure(scales, [Line((0.2, 1.0), rank)], wide=True, label="p", slug="p")
        shades[rank] = max(map(int, re.findall(r"var\(--ramp-(\d)\)", svg)), default=-1)
        assert ("stroke-dasharray" in svg) is (rank is None)
    assert shades == {None: -1, 0.0: 0, 0.5: 4, 1.0: 8}
    assert "64 · 32" in svg


def test_a_line_that_crosses_one_axis_only_is_no_line() -> None:
    scales = [Scale("a", []), Scale("b", []), Scale("c", [])]

    def strokes(*places: float | None) -> int:
        return parallel_figure(scales, [Line(places, 1.0)], wide=False, label="p", slug="p").count("--ramp-8")

    assert strokes(0.1, None, None) == 0
    assert strokes(0.1, None, 0.4) == 1


def test_many_trials_are_thinned_and_the_best_one_stays(signal: HeadView) -> None:
    one = {**signal.facts.trials[0], "model": "xgboost", "state": "complete"}
    many = [{**one, "number": n, "score": -1.0 - abs(n - 301) * 1e-4} for n in range(600)]
    figures = tuning_block(_with(signal, trials=many)).figures
    assert "Parallel coordinates of 120 trials of XGBoost" in figures[-1].svg
    assert "stroke-width: 3.2" in figures[-1].svg


def test_of_very_many_trials_the_best_are_listed(signal: HeadView) -> None:
    one = {**signal.facts.trials[0], "model": "xgboost", "state": "complete"}
    many = [{**one, "number": n, "score": -0.001 * n} for n in range(400)]
    pruned = {**one, "number": 400, "state": "pruned", "score": 9.0}
    table = tuning_block(_with(signal, trials=[*many, pruned])).more[0].tables[0]
    assert column(table, "Trial") == [str(n) for n in range(240)]
    assert table.note == "The best of 401 trials; all of them are in the trial ledger."
    assert tuning_block(signal).more[1].tables[0].note == ""


# --- ensembles ------------------------------------------------------------------------------------------------------
def test_ensembles_say_who_is_in_them_who_is_not_and_what_was_learned(signal: HeadView) -> None:
    block = ensemble_block(signal)
    rows = {row[0].text: [cell.text for cell in row[1:]] for row in block.tables[0].rows}
    assert set(rows) == {"stacking", "soft voting", "meta"}
    assert rows["stacking"][2:] == [
        "XGBoost, LightGBM and random forest",
        "MLP: left out by the profile quick.",
        "2 of 5 folds",
    ]
    assert rows["soft voting"][2] == "XGBoost 0.33, LightGBM 0.33, random forest 0.33"
    assert rows["soft voting"][4] == "nothing to learn"
    assert rows["meta"][2:] == ["XGBoost", "–", "3 of 5 folds"]


def test_only_learned_weights_are_drawn(signal: HeadView) -> None:
    titles = [figure.title for figure in ensemble_block(signal).figures]
    assert titles == ["Weights of stacking, by fold", "Gain of stacking, by fold"]


def test_fallbacks_and_gains_are_told_fold_by_fold(signal: HeadView) -> None:
    tables = {table.caption: table for table in ensemble_block(signal).more[0].tables}
    assert set(tables) == {"Stacking, fold by fold", "Meta, fold by fold"}
    stacking = tables["Stacking, fold by fold"]
    assert column(stacking, "Fold") == ["1", "2", "3", "4", "5", "next"]
    assert column(stacking, "What was applied")[1:4] == [
        "Equal weights: no two older folds to fit and to accept others on",
        "What was fitted",
        "Equal weights: fitted ones gain nothing on fold 3",
    ]
    assert column(stacking, "Gain there")[2:4] == ["+0.0021", "−0.0004"]
    assert column(stacking, "Accepted on fold")[2] == "2"


def test_an_ensemble_is_held_against_its_best_member(signal: HeadView) -> None:
    reading = ensemble_block(signal).reading
    value = {name: signal.estimate(name, "direction_ic")["value"] for name in ("stacking", "xgboost")}
    assert value["stacking"] < value["xgboost"]
    assert "Stacking (Direction IC 0.0320) is not ahead of its best member, XGBoost (0.0362)." in reading
    assert "Not made: Mean: 1 of 3 members there, 2 needed; without MLP (left out by the profile quick)." in reading
    models = {name: {**found} for name, found in signal.evaluation["models"].items()}
    for mine, said in (
        (0.05, "is ahead of its best member, XGBoost (0.0362), by value alone."),
        (value["xgboost"] + 1e-7, "Stacking (Direction IC 0.0362) is level with its best member, XGBoost (0.0362)."),
    ):
        ic = {"direction_ic": {"value": mine, "low": 0.0, "high": 0.1}}
        models["stacking"]["metrics"] = {**models["stacking"]["metrics"], **ic}
        other = _with(signal, evaluation={**signal.evaluation, "models": models})
        assert said in ensemble_block(other).reading


def test_a_head_without_ensembles_has_no_such_section(signal: HeadView) -> None:
    nothing = {"contenders": {}, "left_out": {}, "fits": []}
    assert ensemble_block(_with(signal, ensembles=nothing)).empty


def test_weights_are_written_and_negative_ones_have_another_colour() -> None:
    grid = weight_grid(("xgboost", "mlp"), {"1": None, "2": {"xgboost": 1.1, "mlp": -0.1}}, wide=True, slug="w")
    assert ">1.10</text>" in grid
    assert ">−0.10</text>" in grid
    assert "2: XGBoost 1.10, MLP −0.10" in grid
    assert grid.count("var(--short)") == 1
    assert grid.count("var(--line)") >= 2  # nothing to show in fold 1


def test_gains_that_were_not_applied_are_grey() -> None:
    grey = gain_strip({"3": 0.1, "4": -0.1}, [], wide=True, slug="g")
    blue = gain_strip({"3": 0.1, "4": -0.1}, ["3"], wide=True, slug="g")
    assert (grey.count("var(--accent)"), blue.count("var(--accent)")) == (0, 1)


def test_ensembles_are_marked_in_the_comparison_and_its_table(facts: ReportFacts, signal: HeadView) -> None:
    columns = model_comparison(signal).tables[0].columns
    assert {found.label for found in columns if found.sub == "ensemble"} == {"stacking", "soft voting", "meta"}
    table = comparison_table(facts)
    roles = dict(table.select("model", "role").unique().iter_rows())
    assert (roles["stacking"], roles["xgboost"], roles["logistic"]) == ("ensemble", "model", "baseline")


def test_what_was_left_out_stands_beside_the_comparison(signal: HeadView) -> None:
    table = model_comparison(signal).tables[1]
    assert table.caption == "Left out of this comparison"
    assert [[cell.text for cell in row] for row in table.rows][::2] == [
        ["MLP", "Left out by the profile quick"],
        ["mean", "1 of 3 members there, 2 needed; without MLP (left out by the profile quick)"],
    ]
    whole = _with(signal, left_out={}, ensembles={**signal.facts.ensembles, "left_out": {}})
    assert len(model_comparison(whole).tables) == 1


def test_an_ensemble_in_front_leaves_the_importance_to_the_models(signal: HeadView) -> None:
    figures = importance_block(replace(signal, lead="stacking")).figures
    best = [model for model in signal.best_first if model in ("xgboost", "lightgbm", "random_forest")][:2]
    assert [figure.title.lower().split(",")[0].replace(" ", "_") for figure in figures] == best


def test_the_twins_shown_are_those_of_the_lead_alone(signal: HeadView) -> None:
    models = signal.evaluation["models"]
    longer = {**models, "xgboost_deep (volatility only)": models["lightgbm (volatility only)"]}
    twins = replace(signal, facts=_evaluated(signal, longer)).twins
    assert "xgboost (volatility only)" not in twins
    assert "xgboost_deep (volatility only)" in twins


# --- calibration ----------------------------------------------------------------------------------------------------
def test_reliability_is_drawn_per_class_and_told_with_its_null(signal: HeadView) -> None:
    block = calibration_block(signal)
    assert [figure.title for figure in block.figures] == ["SHORT, XGBoost", "NEUTRAL, XGBoost", "LONG, XGBoost"]
    assert block.reading == (
        "XGBoost: the calibrator was accepted in 1 of 2 folds. An error of 0.0120 is not beyond 0.0190."
    )
    rows = {row[0].text: [cell.text for cell in row[1:]] for row in block.tables[0].rows}
    assert rows["XGBoost"] == ["1 of 2", "0.6421", "0.6395", "−0.0026", "0.0120", "0.0190", "within chance"]
    assert rows["LightGBM"] == ["0 of 2", "0.6421", "0.6421", "0.0000", "0.0310", "0.0190", "beyond chance"]
    assert block.tables[0].note == "Method: dirichlet."


def test_every_bin_of_a_class_is_drawn_with_its_interval(signal: HeadView) -> None:
    found = signal.facts.calibration["models"]["xgboost"]["reliability"]
    bins = [one for one in found if one["class"] == "LONG"]
    svg = calibration_block(signal).figures[2].svg
    said = re.findall(r"given ([\d.]+)\u202f%, came ([\d.]+)\u202f% \[", svg)
    assert [float(p) for p, _ in said] == pytest.approx([100 * one["p"] for one in bins], abs=0.05)
    assert [float(share) for _, share in said] == pytest.approx([100 * one["share"] for one in bins], abs=0.05)
    assert svg.count("var(--long)") > len(bins)  # bars and dots


def test_folds_say_whether_and_why_they_were_calibrated(signal: HeadView) -> None:
    [*_, drawer] = calibration_block(signal).more
    assert len(drawer.tables) == 6
    table = drawer.tables[0]
    assert column(table, "Applied") == ["nothing", "calibrator"]
    assert column(table, "Why") == ["No older folds to fit and to accept on", "The Brier score of fold 3 falls"]
    assert column(table, "Fitted on folds") == ["–", "1, 2"]
    assert column(table, "Brier there, before") == ["–", "0.6412"]


def test_calibration_and_intervals_stay_on_their_kind_of_head(signal: HeadView, returns: HeadView) -> None:
    assert calibration_block(returns).empty
    assert coverage_block(signal).empty
    assert not coverage_block(returns).empty


# --- intervals ------------------------------------------------------------------------------------------------------
def _covered(view: HeadView, **changed: Any) -> HeadView:
    document = view.facts.calibration
    models = {**document["models"], "xgboost": {**document["models"]["xgboost"], **changed}}
    return _with(view, calibration={**document, "models": models})


def test_intervals_are_held_against_what_they_promise(returns: HeadView) -> None:
    good = coverage_block(_covered(returns, coverage=0.893, low=0.88, high=0.91))
    assert good.reading == (
        f"XGBoost: intervals of 90{NARROW}% hold 89.3{NARROW}% [88.0, 91.0]{NARROW}% of the outcomes; "
        "37 rows without a bound."
    )
    assert good.tone == ""
    bad = coverage_block(_covered(returns, coverage=0.85, low=0.83, high=0.87, infinite=0))
    assert bad.reading.endswith(f"85.0{NARROW}% [83.0, 87.0]{NARROW}% of the outcomes. That is less than promised.")
    assert bad.tone == "caution"


def test_coverage_is_shown_by_volatility_entity_and_month(returns: HeadView) -> None:
    block = coverage_block(returns)
    assert [figure.title for figure in block.figures] == [
        "Every model",
        "XGBoost, by volatility",
        "XGBoost, by entity",
        "XGBoost, by month",
    ]
    parts = block.more[0].tables[0]
    assert len(parts.rows) == 3 + 2 + 60
    found = returns.facts.calibration["models"]["xgboost"]
    row = block.tables[0].rows[0]
    assert [cell.text for cell in row[4:6]] == [
        f"{100 * found['by_volatility'][at]['coverage']:.1f}{NARROW}%" for at in (0, -1)
    ]
    short = sum(month["high"] < 0.9 for month in found["by_month"])
    assert row[-1].text == f"{short} of 60"


def test_of_many_entities_those_farthest_off_are_drawn(returns: HeadView) -> None:
    many = [{"name": f"E{n}", "rows": 9, "coverage": 0.9 + 0.001 * n, "low": 0.8, "high": 1.0} for n in range(40)]
    figure = coverage_block(_covered(returns, by_entity=many)).figures[2]
    assert figure.title == "XGBoost, the 14 entities farthest off"
    assert "E39 " in figure.svg
    assert "E25 " not in figure.svg
    assert figure.svg.index("E26 ") < figure.svg.index("E39 ")


def test_a_period_that_falls_short_is_in_alarm() -> None:
    fine = {"name": "2020-01", "rows": 9, "coverage": 0.88, "low": 0.8, "high": 0.95}
    short = {**fine, "high": 0.89}
    assert (short_of(fine, 0.9), short_of(short, 0.9), short_of({**fine, "high": None}, 0.9)) == (False, True, False)
    drawn = [coverage_strip([fine, one], nominal=0.9, wide=True, slug="c") for one in (fine, short)]
    assert ["var(--bad)" in svg for svg in drawn] == [False, True]
    assert "1 fall short" in drawn[1]


# --- heads that are not traded, or take no part ---------------------------------------------------------------------
@pytest.fixture(scope="module")
def untraded(facts: ReportFacts, change: Callable[..., ReportFacts]) -> ReportFacts:
    """The same run, in which no position earns what the second head predicts, and a third head has no data."""
    head = replace(facts.heads["forward_return"], traded=False, backtest={}, costs="", funding="", outer_trials=0)
    heads = {"signal": facts.heads["signal"], "forward_return": head}
    return change(heads=heads, absent={"open_interest": "these data have no open_interest_amount"})


@pytest.fixture(scope="module")
def page(untraded: ReportFacts) -> str:
    return build_report(untraded)


def test_a_head_that_is_not_traded_says_nothing_about_money(untraded: ReportFacts, page: str) -> None:
    view = head_view(untraded, "forward_return")
    assert cost_block(view).empty
    assert skill_block(view).title == "Skill"
    assert "is no return" in skill_block(view).lede
    assert 'id="forward-return-costs"' not in page
    assert 'id="signal-costs"' in page
    assert "forecast change" in page
    chapter = page[page.index('id="forward-return"') : page.index('id="appendix"')]
    assert "Sharpe" not in chapter
    assert "forecast return" not in chapter


def test_a_head_without_data_is_told_in_one_line(page: str) -> None:
    chapter = page[page.index('<section class="chapter" id="open-interest">') : page.index('id="appendix"')]
    assert "took no part in this run" in chapter
    assert "These data have no open_interest_amount." in chapter
    assert "<svg" not in chapter
    assert 'href="#open-interest"' in page


def test_its_metrics_are_in_the_table_all_the_same(facts: ReportFacts, untraded: ReportFacts) -> None:
    assert comparison_table(untraded).equals(comparison_table(facts))


def test_intervals_that_nothing_judged_are_said_to_be_unjudged(returns: HeadView) -> None:
    nothing = {"coverage": None, "low": None, "high": None, "by_volatility": [], "by_entity": [], "by_month": []}
    block = coverage_block(_covered(returns, **nothing))
    assert block.reading == "XGBoost: no outcome to judge an interval by."
    assert [figure.title for figure in block.figures] == ["Every model"]
    assert block.tables[0].rows[0][3].sub == "42 waiting"
