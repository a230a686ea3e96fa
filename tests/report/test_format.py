"""How numbers and names are written."""

import math

import pytest

from assay.report.format import (
    counted,
    difference,
    interval,
    moment,
    number,
    opening,
    percent,
    plain,
    prose,
    quantity,
    slug,
    spelled,
    title,
)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.02134, "coefficient", "0.0213"),
        (-0.02134, "coefficient", "−0.0213"),
        (-0.00001, "coefficient", "0.0000"),
        (0.5236, "share", "52.4\u202f%"),
        (0.02364, "return", "2.364\u202f%"),
        (0.000562, "return squared", "5.62·10⁻⁴"),
        (1.256, "ratio", "1.26"),
        (0.0496, "p", "0.050"),
        (12345.0, "rows", "12\u202f345"),
        (None, "share", "–"),
        (math.nan, "share", "–"),
        (math.inf, "", "–"),
        (True, "", "yes"),
        ("as told", "share", "as told"),
    ],
)
def test_number(value: object, unit: str, text: str) -> None:
    assert number(value, unit) == text


def test_difference_shows_its_sign_and_counts_points() -> None:
    assert difference(0.012, "share") == "+1.2\u202fpp"
    assert difference(-0.012, "share") == "−1.2\u202fpp"
    assert difference(0.00001) == "0.0000"
    assert difference(None) == "–"


def test_interval_names_the_unit_once_and_needs_both_ends() -> None:
    assert interval(-0.01, 0.02, "share") == "[−1.0, 2.0]\u202f%"
    assert interval(-0.01, 0.02) == "[−0.0100, 0.0200]"
    assert interval(-0.01, 0.02, "share", points=True) == "[−1.0, 2.0]\u202fpp"
    assert interval(None, 0.02) == ""


def test_free_values() -> None:
    assert [quantity(v) for v in (12345, 0.043712, None, False, math.nan, "x")] == [
        "12\u202f345",
        "0.04371",
        "–",
        "no",
        "–",
        "x",
    ]
    assert plain({"delay": 1, "price": "close"}) == "delay 1, price close"
    assert moment("2014-03-05T21:00:00+00:00") == "2014-03-05 21:00"
    assert moment(None) == "–"


def test_names() -> None:
    assert title("random_forest") == "random forest"
    assert title("xgboost (volatility only)") == "XGBoost (volatility only)"
    assert slug(' A "b"_c<d> ') == "a-b-c-d"
    assert slug("<>") == "x"
    assert opening("random forest") == "Random forest"


def test_prose_of_programs_is_spelled() -> None:
    text = spelled("random_forest_2 and random_forest: [-0.1, +0.2], two-sided", ["random_forest", "two"])
    assert text == "random_forest_2 and random forest: [−0.1, +0.2], two-sided"


@pytest.mark.parametrize(
    ("count", "nouns", "text"),
    [(1, ("fold",), "1 fold"), (0, ("fold",), "0 folds"), (1200, ("family", "families"), "1\u202f200 families")],
)
def test_counts_agree_with_their_nouns(count: int, nouns: tuple[str, ...], text: str) -> None:
    assert counted(count, *nouns) == text


def test_shares_in_prose_look_like_those_in_tables() -> None:
    assert prose("on 26.5% of rows, limit 20 %, -3%") == "on 26.5\u202f% of rows, limit 20\u202f%, \u22123\u202f%"
    assert prose("after 2004-10-21 20:00:00+00:00: -1 and 2004-10-21T20:00:00.5Z") == (
        "after 2004-10-21 20:00: \u22121 and 2004-10-21 20:00"
    )
    assert prose("12,574 facts of vix, 3,5 and 1,2345") == "12\u202f574 facts of vix, 3,5 and 1,2345"
    assert percent(0.95) == "95\u202f%"
    assert percent(0.999) == "99.9\u202f%"
