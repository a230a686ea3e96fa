"""The leak audit on the page: every outcome can be seen, and a FAIL cannot be overlooked."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from assay.market.errors import DataError
from assay.report import ReportFacts
from assay.report.figures.audit import Scored, ic_band
from assay.report.format import number
from assay.report.page import environment
from assay.report.sections.audit import audit_block, banner
from assay.report.sections.hero import hero

Change = Callable[..., ReportFacts]


@pytest.fixture
def failed(facts: ReportFacts, change: Change, leaking: dict[str, Any]) -> ReportFacts:
    return change(audit=leaking, verdict={**facts.verdict, "level": "implausible"})


def test_every_test_is_listed_with_what_it_found(facts: ReportFacts) -> None:
    block = audit_block(facts)
    table = block.tables[0]
    assert [row[0].sub for row in table.rows] == [test["id"] for test in facts.audit["tests"]]
    for row, test in zip(table.rows, facts.audit["tests"], strict=True):
        assert row[0].text == test["name"]
        assert row[1].text.lower() == test["outcome"]
        assert row[3].text.casefold() == test["found"].casefold()
        assert (row[4].text != "–") == (test["detectable"] is not None)
    assert table.rows[1][4].text == "A look-ahead on 15\u202f% of the rows"


def test_the_sentence_of_the_audit_is_the_reading(facts: ReportFacts) -> None:
    block = audit_block(facts)
    assert block.reading == facts.audit["said"].replace("%", "\u202f%")
    assert (block.tone, block.badge and block.badge.text) == ("", "INCOMPLETE")


@pytest.mark.parametrize(
    ("outcome", "mark"),
    [("pass", "pass"), ("fail", "fail"), ("suspect", "warning"), ("incomplete", "warning"), ("informative", "unknown")],
)
def test_every_outcome_has_its_mark(facts: ReportFacts, change: Change, outcome: str, mark: str) -> None:
    tests = [{**facts.audit["tests"][0], "outcome": outcome}]
    cell = audit_block(change(audit={**facts.audit, "tests": tests})).tables[0].rows[0][1]
    assert cell.mark == f"text status {mark}"


def test_every_feature_is_in_the_drawer(facts: ReportFacts) -> None:
    drawer = audit_block(facts).more[0]
    assert drawer.title == "Every audited feature (80)"
    for row, feature in zip(drawer.tables[0].rows, facts.audit["features"], strict=True):
        scores = [number(feature[name]) for name in ("ic", "delayed_ic", "null_ic")]
        needed = "–" if feature["needed_warm_up"] is None else str(feature["needed_warm_up"])
        assert [cell.text for cell in row] == [feature["name"], "none found", *scores, needed]


def test_features_that_did_not_pass_come_first_with_their_reasons(failed: ReportFacts) -> None:
    table = audit_block(failed).tables[0]
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["alpha_7", "FAIL", "A1: changes on 312 rows when the future is cut off"],
        ["volume_2", "SUSPECT", "A8: IC 0.21 above 0.15 and above chance"],
    ]
    assert [row[1].mark for row in table.rows] == ["text status fail", "text status warning"]


def test_many_that_did_not_pass_are_counted(change: Change, leaking: dict[str, Any]) -> None:
    features = [{**feature, "verdict": "SUSPECT"} for feature in leaking["features"]]
    table = audit_block(change(audit={**leaking, "verdict": "SUSPECT", "features": features})).tables[0]
    assert (len(table.rows), table.note) == (20, "And 60 more, in the drawer below.")


def test_a_feature_that_could_not_be_tested_says_why_in_the_drawer(facts: ReportFacts, change: Change) -> None:
    untold = {"verdict": "INCOMPLETE", "failures": [{"test": "A6", "said": "reads a feed without times"}]}
    features = [{**feature, **untold} for feature in facts.audit["features"]]
    block = audit_block(change(audit={**facts.audit, "features": features}))
    assert [table.caption for table in block.tables] == ["Tests"]
    judgement = block.more[0].tables[0].rows[0][1]
    assert (judgement.text, judgement.hint) == ("INCOMPLETE", "A6: reads a feed without times")


def test_a_name_at_the_start_of_a_sentence_is_kept(failed: ReportFacts) -> None:
    assert audit_block(failed).tables[1].rows[1][3].text == "alpha_7 changes on 312 rows before the cuts"


def test_an_overridden_fail_is_red_in_two_places(failed: ReportFacts) -> None:
    block = audit_block(failed)
    assert (block.tone, block.badge and block.badge.mark) == ("alarm", "fail")
    assert block.reading.startswith("Failed, and allowed by allow_leaks. A1 found alpha_7;")
    first = environment().get_template("hero.html").render(hero=hero(failed), workload="equity")
    assert re.search(r'<p class="banner" role="alert"><b>The leak audit failed\.</b> allow_leaks is set', first)
    assert first.index('class="banner"') < first.index("<h1>")
    section = environment().get_template("macros.html").module.block(block, 2)  # type: ignore[attr-defined]
    assert '<p class="reading alarm" role="alert">Failed, and allowed' in section
    assert '<span class="badge status fail"><span>FAIL</span></span></h2>' in section


def test_only_a_fail_has_a_banner(facts: ReportFacts, leaking: dict[str, Any]) -> None:
    assert hero(facts).banner is None
    assert banner({**leaking, "verdict": "SUSPECT"}) is None
    told = banner({**leaking, "allowed": False})
    assert told is not None
    assert told[1].startswith("Found after the fits.")


def test_suspicion_asks_for_a_second_look(change: Change, leaking: dict[str, Any]) -> None:
    block = audit_block(change(audit={**leaking, "verdict": "SUSPECT"}))
    assert (block.tone, block.badge and block.badge.mark) == ("caution", "warning")


def test_a_fail_with_a_better_level_is_refused(change: Change, leaking: dict[str, Any]) -> None:
    with pytest.raises(DataError, match=r"verdict\.level: unknown name\n  expected: implausible\n  found: weak"):
        change(audit=leaking)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("verdict",), "CLEAN", "verdict of the audit: unknown name"),
        (("tests", 0, "outcome"), "maybe", "outcome of test A0: unknown name"),
        (("features", 0, "verdict"), "fine", "audit of alpha_1: unknown name"),
        (("tests", 0), {"id": "A0"}, "a row of tests: incomplete"),
        (("features", 0), {"name": "alpha_1"}, "a row of audited features: incomplete"),
        (("features", 0, "failures"), [{"test": "A1"}], "a row of failures: incomplete"),
    ],
)
def test_an_audit_that_is_not_whole_is_refused(
    change: Change, leaking: dict[str, Any], path: tuple[Any, ...], value: Any, said: str
) -> None:
    *outer, last = path
    part: Any = leaking
    for name in outer:
        part = part[name]
    part[last] = value
    with pytest.raises(DataError, match=said):
        change(audit=leaking)


def test_without_a_null_there_is_no_picture(facts: ReportFacts, change: Change) -> None:
    assert audit_block(facts).figures[0].title == "IC of 80 features, in units of what chance reaches"
    features = [{**feature, "null_ic": None} for feature in facts.audit["features"]]
    block = audit_block(change(audit={**facts.audit, "features": features}))
    assert block.figures == []
    assert block.more[0].tables[0].rows[0][4].text == "–"
    assert audit_block(change(audit={**facts.audit, "features": []})).more == ()


def test_the_picture_tells_what_lies_outside_chance() -> None:
    features = [Scored("low", -0.2, 0.05, "SUSPECT"), Scored("leak", 0.3, 0.05, "FAIL"), Scored("mid", 0.0, 0.05, "x")]
    svg = ic_band(features, wide=True, slug="s")
    assert (
        "IC of 3 features against chance, from −0.2000, low, to 0.3000, leak; 2 lie outside what chance reaches" in svg
    )
    assert svg.count("var(--bad)") >= 1
    assert re.findall(r">(low|mid|leak)</text>", svg) == ["low", "leak"]
    assert "</text>" not in re.sub(r">[−0-9.]+</text>", "", ic_band(features, wide=False, slug="s"))
