"""The section about SHAP values: what it says, what it draws, and that the drawings stay small and follow the page."""

import re
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from assay.market.explanation import ExplanationRule, Explanations, Prediction, rank_features
from assay.market.explanation.folds import SHAP_VALUES, Accounts
from assay.report.figures.shap_beeswarm import beeswarm_figure, swarm
from assay.report.figures.shap_dependence import dependence_figure
from assay.report.figures.shap_folds import place_figure, size_figure
from assay.report.figures.shap_points import UNKNOWN, Cloud
from assay.report.figures.shap_waterfall import waterfall_picture, waterfall_steps
from assay.report.figures.shap_words import cut
from assay.report.gather import shap_sample
from assay.report.sections.explanation import explanation_block

NAMES = [f"feature_{place}" for place in range(14)]
FOLDS, ROWS = 3, 60


def explanations(models: tuple[str, ...] = ("lightgbm", "ridge"), unit: Any = "log-odds") -> Explanations:
    """Feature 0 matters most in every model; fold 3 does not read feature 1."""
    rng = np.random.default_rng(4)
    rows = [
        (model, fold, f"E{row % 2}", row, name, value, value / (place + 2) * 0.3)
        for model in models
        for fold in range(1, FOLDS + 1)
        for place, name in enumerate(NAMES)
        if (fold, place) != (3, 1)
        for row, value in enumerate(rng.standard_normal(ROWS).tolist())
    ]
    table = pl.DataFrame(rows, schema=list(SHAP_VALUES), orient="row").cast(SHAP_VALUES)  # type: ignore[arg-type]
    return Explanations(table, {model: Accounts(unit, 2e-7) for model in models}, {"zero": "no feature is read"})


def view(
    found: Explanations, *, sampled: str | None = "lightgbm", tried: tuple[str, ...] = ("stacking", "ridge")
) -> Any:
    document = rank_features(found, ExplanationRule())
    facts = SimpleNamespace(explanation=document, shap_sample=shap_sample(found.table, document, sampled))
    return SimpleNamespace(facts=facts, slug="signal", tried=tried)


def clouds(count: int = 5, rows: int = 400) -> list[Cloud]:
    rng = np.random.default_rng(5)
    values = rng.standard_normal((count, rows))
    return [Cloud(f"feature_{place}", found, found * 0.1) for place, found in enumerate(values)]


def test_the_reading_names_the_largest_feature_and_the_agreement() -> None:
    found = explanations()
    block = explanation_block(view(found))
    document = rank_features(found, ExplanationRule())["models"]["lightgbm"]
    assert block.reading.startswith(
        "LightGBM: on 180 out-of-sample rows feature_0 moved the log-odds of LONG against SHORT most, by "
        f"{document['features'][0]['mean']:.4f} on average"
    )
    assert f"agree at {document['stability']['spearman']:.2f} (Spearman" in block.reading
    assert "of their 10 largest features, where chance would give" in block.reading
    assert not block.empty
    assert "fold" in block.lede


def test_one_fold_leaves_the_agreement_out() -> None:
    found = explanations()
    first = Explanations(found.table.filter(fold=1), found.accounts, found.left_out)
    reading = explanation_block(view(first)).reading
    assert reading.startswith("LightGBM: on 60 out-of-sample rows")
    assert "agree" not in reading


def test_every_picture_is_there_for_wide_and_narrow_screens_and_small() -> None:
    block = explanation_block(view(explanations()))
    assert [figure.title for figure in block.figures] == [
        "LightGBM: what each feature added, row by row",
        "What was added by value, 4 largest features",
        "LightGBM: mean size of what was added",
        "Place in the ranking of each fold",
    ]
    drawings = [drawing for figure in block.figures for drawing in (figure.svg, figure.narrow)]
    assert all(drawing and drawing.startswith("<svg") for drawing in drawings)
    assert sum(map(len, map(str, drawings))) < 150_000
    ids = [found for drawing in drawings for found in re.findall(r' id="([^"]+)"', str(drawing))]
    assert len(ids) == len(set(ids))


def test_the_section_knows_the_other_models_and_who_is_not_explained() -> None:
    block = explanation_block(view(explanations()))
    agreement, others = block.more
    table = agreement.tables[0]
    assert [row[0].text for row in table.rows] == ["LightGBM", "ridge"]
    assert table.rows[0][3].text == "feature_0"
    assert table.note == "Not explained: Zero: no feature is read."
    assert [figure.title for figure in others.figures] == ["Ridge: mean size of what was added"]


@pytest.mark.parametrize(
    ("sampled", "tried", "shown"), [(None, ("stacking", "ridge"), "Ridge"), (None, (), "LightGBM")]
)
def test_without_rows_the_best_explained_model_is_shown_by_its_sizes(
    sampled: str | None, tried: tuple[str, ...], shown: str
) -> None:
    block = explanation_block(view(explanations(), sampled=sampled, tried=tried))
    assert [figure.title for figure in block.figures] == [
        f"{shown}: mean size of what was added",
        "Place in the ranking of each fold",
    ]


def test_where_no_model_is_explained_there_is_no_section() -> None:
    found = Explanations(pl.DataFrame(schema=SHAP_VALUES), {}, {"lstm": "no torch"})
    assert explanation_block(view(found, sampled=None)).empty


@pytest.mark.parametrize(
    ("unit", "words", "amount"),
    [
        ("probability", "probability of LONG less that of SHORT", "\u202f% on average"),
        ("return", "forecast", "\u202f% on average"),
        ("log-odds", "log-odds of LONG against SHORT", " on average"),
    ],
)
def test_amounts_are_written_in_the_unit_of_the_model(unit: str, words: str, amount: str) -> None:
    block = explanation_block(view(explanations(unit=unit)))
    assert f"moved the {words} most, by " in block.reading
    assert amount in block.reading
    assert f"added to the {words}" in str(block.figures[0].svg)
    assert ("a higher forecast" in block.figures[0].caption) == (unit == "return")


def test_an_unknown_value_is_grey_and_the_others_go_from_low_to_high() -> None:
    cloud = Cloud("a", np.array([3.0, np.nan, 1.0, 2.0, 5.0, 4.0]), np.zeros(6))
    assert cloud.shades.tolist() == [2, UNKNOWN, 0, 1, 4, 3]
    assert Cloud("b", np.full(3, np.nan), np.zeros(3)).shades.tolist() == [UNKNOWN] * 3
    drawn = str(beeswarm_figure([cloud], axis="added", unit="", wide=True, slug="s"))
    for share in (0, 25, 50, 75, 100):
        assert drawn.count(f"color-mix(in oklab, var(--accent) {share}%, var(--short))") == 2  # dots and key
    assert "#f0f1" not in drawn


def test_every_row_is_one_dot_of_a_swarm() -> None:
    found = clouds(count=3, rows=50)
    drawn = str(beeswarm_figure(found, axis="added", unit="", wide=False, slug="s"))
    assert len(re.findall(r"M[\d.]+ [\d.]+h0", drawn)) == 3 * 50
    assert "feature_0, feature_1" in drawn  # read aloud


def test_dots_of_a_swarm_lie_on_their_value() -> None:
    """The place of each dot, read back from the drawing, is linear in its SHAP value."""
    shap = np.array([-0.2, -0.1, 0.0, 0.1, 0.3])
    drawn = str(beeswarm_figure([Cloud("a", np.zeros(5), shap)], axis="added", unit="", wide=True, slug="s"))
    across = np.array([float(x) for x, _ in re.findall(r"M([\d.]+) ([\d.]+)h0", drawn)])
    fit = np.polyfit(shap, across, 1)
    assert fit[0] > 0
    np.testing.assert_allclose(np.polyval(fit, shap), across, atol=0.2)


def test_dots_that_would_cover_each_other_are_moved_apart() -> None:
    offsets = swarm(np.array([10.0, 10.5, 11.0, 100.0]), 5.0, most=12)
    assert sorted(offsets[:3]) == [-4.0, 0.0, 4.0]
    assert offsets[3] == 0.0
    crowded = swarm(np.zeros(101), 5.0, most=12)
    assert np.abs(crowded).max() == pytest.approx(12)
    assert len(np.unique(crowded)) == 101


def test_dependence_has_one_panel_per_feature_and_leaves_unknown_values_out() -> None:
    found = clouds(count=4, rows=80)
    found[0] = Cloud("feature_0", np.where(np.arange(80) < 30, np.nan, found[0].value), found[0].shap)
    drawn = str(dependence_figure(found, unit="", wide=True, slug="s"))
    assert all(f">feature_{place}</text>" in drawn for place in range(4))
    dots = len(re.findall(r"M[\d.]+ [\d.]+h0", drawn))
    assert 4 * 80 - 30 - 20 < dots <= 4 * 80 - 30
    assert dependence_figure([Cloud("a", np.full(3, np.nan), np.ones(3))], unit="", wide=False, slug="s")


def test_bars_end_at_the_mean_and_lines_at_the_folds() -> None:
    features = [{"name": "a", "mean": 0.2, "mean_abs": [0.1, 0.3]}, {"name": "b", "mean": 0.1, "mean_abs": [0.1, 0.1]}]
    drawn = str(size_figure(features, axis="log-odds", unit="", wide=True, slug="s"))
    assert "largest: a, b" in drawn
    ends = {
        part: [tuple(map(float, found)) for found in re.findall(rf'd="M ([\d.]+) [\d.]+ L ([\d.]+) [^>]+{part}', drawn)]
        for part in ("fill: var\\(--accent", "stroke: var\\(--ink")
    }
    (zero, long), (start, short) = ends["fill: var\\(--accent"]
    assert start == zero
    assert long - zero == pytest.approx(2 * (short - zero), rel=0.01)
    assert ends["stroke: var\\(--ink"][0] == pytest.approx((short, zero + 1.5 * (long - zero)), abs=0.1)
    assert ">log-odds</text>" in drawn


def test_places_are_written_and_a_fold_that_did_not_read_a_feature_has_none() -> None:
    features = [{"name": "a", "rank": [1, 2]}, {"name": "b", "rank": [None, 17]}]
    drawn = str(place_figure(features, [4, 5], wide=False, slug="s"))
    written = re.findall(r">(\d+)</text>", drawn)
    assert sorted(written) == ["1", "17", "2", "4", "5"]
    assert "b not read, 17" in drawn


def prediction(count: int = 6) -> Prediction:
    shap = np.array([0.5, -0.4, 0.3, 0.2, -0.1, 0.05])[:count]
    names, values = [f"f{place}" for place in range(6)], [1.5, None, 2.0, 3.0, 4.0, 5.0]
    parts = pl.DataFrame({"feature": names[:count], "value": values[:count], "shap": shap})
    return Prediction({"SHORT": 0.2, "NEUTRAL": 0.3, "LONG": 0.5}, "log-odds", 0.1, parts)


@pytest.mark.parametrize("count", [1, 3, 6, 50])
def test_a_waterfall_leads_from_what_is_expected_to_the_answer(count: int) -> None:
    told = prediction()
    steps = waterfall_steps(told, count)
    assert steps[0].start == told.base
    assert steps[-1].end == pytest.approx(told.total)
    assert all(one.end == other.start for one, other in pairwise(steps))
    assert len(steps) == min(count + 1, 6)
    assert steps[0].label == "f0 = 1.5"


def test_a_waterfall_says_what_is_not_known_and_what_is_taken_together() -> None:
    assert [step.label for step in waterfall_steps(prediction(), 2)] == [
        "f0 = 1.5",
        "f1 = not known",
        "4 other features",
    ]
    assert waterfall_steps(prediction(2), 1)[-1].label == "1 other feature"


@pytest.mark.parametrize(("kind", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG")])
def test_the_picture_of_a_waterfall_is_the_same_twice(kind: Any, start: bytes) -> None:
    one, other = (waterfall_picture(prediction(), title=("what $x$", "answer"), kind=kind) for _ in range(2))
    assert one.startswith(start)
    assert one == other
    assert one != waterfall_picture(prediction(), title=("what $x$", "answer"), kind=kind, count=2)
    assert one != waterfall_picture(prediction(), title=("another", "answer"), kind=kind)


def test_names_are_cut_in_their_middle() -> None:
    assert cut("market_correlation_60", 21) == "market_correlation_60"
    assert cut("autocorrelation_lag_2_60", 20) == "autocorrela…lag_2_60"
    assert len({cut(f"autocorrelation_lag_{lag}_60", 20) for lag in (1, 2)}) == 2
