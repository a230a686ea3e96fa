"""Pages about several runs."""

import re
from dataclasses import replace
from typing import Any

from assay.report.history import Record, Scores, build_comparison, build_index, difference_tables
from assay.report.history.difference import Part, differing

WIDE = {"value": 0.03, "low": -0.01, "high": 0.07}
FACTS: dict[str, Any] = {
    "workload": "w",
    "code": {"revision": "a" * 40, "dirty": False},
    "parameters": "b" * 64,
    "configured": {"learning": {"seed": 7, "folds": 5}},
    "inputs": {"w.bars_raw": "c" * 64},
    "rows": {"node": {"in": 1}},
}


def record(number: int, **changed: Any) -> Record:
    known: dict[str, Any] = {
        "id": f"2026-01-{number:02d}T00.00.00.000Z",
        "status": "complete",
        "seconds": 61.4,
        "size": 3 * 2**20,
        "facts": FACTS,
        "level": "weak",
        "headline": "A hint: lightgbm <b>leans</b> the right way.",
        "primary": {"head": "signal", "model": "lightgbm", "metric": "direction_ic"},
        "label": "Direction IC",
        "scores": {"signal": {"lightgbm": Scores(WIDE, {"value": 1.2, "low": 0.1, "high": 2.0})}},
        "rows": 1234,
        "span": ("2020-01-01T00:00:00+00:00", "2021-01-01T00:00:00+00:00"),
        "report": f"w/report.html/{number}/report.html",
    }
    return Record(**(known | changed))


def texts(table: Any) -> dict[str, list[str]]:
    return {row[0].text: [cell.text for cell in row[1:]] for row in table.rows}


def test_only_what_differs_is_listed_by_its_path() -> None:
    other = FACTS | {"configured": {"learning": {"seed": 8, "folds": 5}, "new": 1}, "rows": {}, "parameters": "d" * 64}
    assert differing(FACTS, other) == [Part("configured.learning.seed", 7, 8), Part("configured.new", None, 1)]
    assert differing(FACTS, FACTS) == []


def test_without_the_parameters_their_hash_is_compared() -> None:
    older = {name: value for name, value in FACTS.items() if name != "configured"}
    assert differing(older, older | {"parameters": "d" * 64}) == [Part("parameters", "b" * 64, "d" * 64)]


def test_two_runs_side_by_side() -> None:
    better = {"signal": {"lightgbm": Scores({"value": 0.05, "low": 0.01, "high": 0.09}), "new": Scores(WIDE)}}
    other = FACTS | {"code": {"revision": "e" * 40, "dirty": True}}
    outcome, inputs, scores = difference_tables(record(1), record(2, level="evidence", scores=better, facts=other))
    assert texts(outcome)["Verdict"] == ["weak", "evidence"]
    assert texts(outcome)["Its net Sharpe"] == ["1.20", "–"]
    assert texts(inputs) == {"code.dirty": ["no", "yes"], "code.revision": ["a" * 12, "e" * 12]}
    assert texts(scores)["signal: LightGBM"] == ["0.0300", "0.0500", "+0.0200", "1.20", "–", "–"]
    assert texts(scores)["signal: new"][:3] == ["–", "0.0300", "–"]
    assert "no interval" in scores.note


def test_equal_runs_say_so() -> None:
    assert "are the same" in difference_tables(record(1), record(2))[1].note


def test_the_index_shows_every_run_and_links_to_its_report() -> None:
    runs = [record(1), record(2, level=None, status="killed", report=None, scores={}, primary={}), record(3)]
    page = build_index({"w": runs, "empty": []})
    for run in runs:
        assert run.id in page
    assert re.findall(r'href="(w/[^"]+)"', page) == ["w/report.html/3/report.html", "w/report.html/1/report.html"]
    assert "LightGBM &lt;b&gt;leans" in page
    assert page.count("<svg") == 2
    assert 'id="empty"' not in page
    assert page == build_index({"w": runs, "empty": []})


def test_a_trend_says_every_value_aloud() -> None:
    page = build_index({"w": [record(1), record(2)]})
    assert "01-01 00:00 0.0300 [−0.0100, 0.0700]; 01-02 00:00" in page


def test_runs_that_judged_nothing_have_no_trend() -> None:
    page = build_index({"w": [record(1, level=None, scores={}, report=None)]})
    assert "<svg" not in page
    assert "complete" in page


def test_no_runs_at_all() -> None:
    assert "There are no runs yet" in build_index({"w": []})


def test_the_comparison_as_a_page() -> None:
    page = build_comparison({"w": (record(1), record(2))})
    assert "Scores of every model" in page
    assert "http" not in page.replace("http://www.w3.org", "")


def test_equal_inputs_have_equal_hashes() -> None:
    assert record(1).inputs == record(2).inputs
    assert record(1).inputs != replace(record(1), facts=FACTS | {"inputs": {"w.bars_raw": "d"}}).inputs
