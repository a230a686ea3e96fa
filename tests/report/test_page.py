"""The page: self-contained, deterministic, complete, safe, accessible."""

import gc
import re
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from importlib.resources import files
from itertools import pairwise

import pytest
from markupsafe import Markup

from assay.report import ReportFacts, build_report
from assay.report.facts import Provenance
from assay.report.format import interval, number, title
from assay.report.page import explain, signed
from assay.report.view import head_view

HOSTILE = '<script>alert("x")</script>&$\\frac{1}{0}$'


class Document(HTMLParser):
    """Collects what the tests ask about."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]

    def values(self, attribute: str) -> list[str]:
        return [value for _, attrs in self.tags if (value := attrs.get(attribute))]


@pytest.fixture(scope="session")
def page(facts: ReportFacts) -> str:
    return build_report(facts)


@pytest.fixture(scope="session")
def document(page: str) -> Document:
    return Document(page)


def test_page_loads_nothing_from_elsewhere(page: str, document: Document) -> None:
    assert "http://" not in page
    assert "https://" not in page
    assert "@import" not in page
    assert re.findall(r"url\((?!#)", page) == []
    assert document.values("src") == []
    assert all(value.startswith("#") for value in document.values("href") + document.values("xlink:href"))


def test_same_facts_give_the_same_bytes(facts: ReportFacts, page: str) -> None:
    assert build_report(facts) == page


def test_page_is_small(page: str) -> None:
    assert len(page.encode()) < 3_000_000


def test_a_page_with_many_features_stays_light_and_its_long_tables_are_closed(
    facts: ReportFacts, change: Callable[..., ReportFacts]
) -> None:
    many = [f"family_{family}_feature_{number}" for family in range(20) for number in range(16)]
    first = facts.audit["features"][0]
    audit = {**facts.audit, "features": [{**first, "name": name, "ic": len(name) / 900} for name in many]}
    described = facts.catalogue["features"][0]
    catalogue = {**facts.catalogue, "features": [{**described, "name": name, "family": name[:10]} for name in many]}
    ranks = {name: float(rank) for rank, name in enumerate(many, start=1)}
    chosen = {"kept": many[:50], "dropped": dict.fromkeys(many[50:], "rank"), "consensus": ranks}
    methods = {"ranks": dict.fromkeys(("univariate", "tree", "permutation"), ranks)}
    shared = [{"name": name, "share": float(name in many[:50]), "mean_rank": 2.0, "rank_spread": 0.5} for name in many]
    heads = {
        name: replace(
            head,
            selections=[{**one, **chosen, **methods} for one in head.selections],
            stability={**head.stability, "features": shared},
            importance=[{**head.importance[0], "feature": name} for name in many],
        )
        for name, head in facts.heads.items()
    }
    page = build_report(change(heads=heads, audit=audit, catalogue=catalogue))
    assert len(page.encode()) < 5_000_000
    assert "<details open" not in page
    outside = re.sub(r"<details>.*?</details>|<svg.*?</svg>", "", page, flags=re.DOTALL)
    assert sum(name in outside for name in many) == 0


def test_ids_are_unique_and_every_link_inside_the_page_has_a_target(page: str, document: Document) -> None:
    ids = document.values("id")
    assert len(ids) == len(set(ids))
    targets = set(document.values("href")) | {f"#{found}" for found in re.findall(r"url\(#([^)]+)\)", page)}
    assert targets <= {f"#{found}" for found in ids}


def test_verdict_comes_first_and_marks_one_of_four_levels(page: str, document: Document) -> None:
    assert page.index("A hint, not proof: XGBoost leans") < page.index("<svg")
    current = [attrs for attrs in document.all("li") if attrs.get("aria-current")]
    assert [attrs["class"] for attrs in current] == ["is weak"]
    assert "<b>Direction.</b> The " in page
    assert "<b>Claim.</b> One claim was declared beforehand; everything else" in page
    assert "[−0.14, 1.10]" in page  # minus signs of the verdict's own prose


def test_every_section_of_both_heads_is_there(document: Document) -> None:
    ids = set(document.values("id"))
    common = ("models", "costs", "folds", "importance", "selection", "splits", "tuning")
    wanted = {f"{head}-{name}" for head in ("signal", "forward-return") for name in common}
    wanted |= {"verdict", "wanted", "audit", "signal-skill", "signal-classes", "forward-return-fit"}
    wanted |= {"signal-ensembles", "signal-calibration", "forward-return-intervals", "signal-explanation"}
    wanted |= {"null-check", "signal-seeds", "signal-significance", "forward-return-significance"}
    wanted |= {f"{head}-{name}" for head in ("signal", "forward-return") for name in ("contest", "breakdown")}
    assert wanted | {"data", "features", "run", "glossary"} <= ids


@pytest.mark.parametrize("head", ["signal", "forward_return"])
def test_every_metric_of_every_model_stands_with_its_interval(facts: ReportFacts, page: str, head: str) -> None:
    view = head_view(facts, head)
    text = unescape(page)
    for model in view.models:
        assert title(model) in text
        for metric in view.metrics:
            found, unit = view.estimate(model, metric), view.info(metric).unit
            written = f"<span>{number(found['value'], unit)}</span><small>{interval(found['low'], found['high'], unit)}"
            assert found["value"] is None or written in text, (model, metric)


def test_nothing_says_that_there_is_no_leak(page: str) -> None:
    assert "no leak" not in page.lower().replace("no leak found by tests", "")


def test_the_audit_comes_before_the_numbers_of_any_head(page: str) -> None:
    assert page.index('id="wanted"') < page.index('id="audit"') < page.index('id="signal"')


def test_undefined_values_are_dashes_that_say_why(page: str) -> None:
    assert re.search(r'<abbr tabindex="0" title="undefined in this run: [^"]+">–</abbr>', page)
    assert ">None<" not in page
    assert ">nan<" not in page


def test_notes_costs_and_seeds_are_shown(page: str) -> None:
    for text in (
        "An index is not tradable",
        "Turnover pays 1 bp of fees and 0.5 bp of slippage.",
        "Positions pay no funding.",
        "sp500_daily.parquet",
    ):
        assert text in page


def test_hostile_text_is_shown_and_never_run(facts: ReportFacts, change: Callable[..., ReportFacts]) -> None:
    head = facts.heads["signal"]
    info = {
        name: {**told, "label": HOSTILE, "definition": HOSTILE} for name, told in head.evaluation["metric_info"].items()
    }
    named = replace(
        head,
        evaluation={**head.evaluation, "metric_info": info},
        importance=[{**head.importance[0], "feature": HOSTILE}],
        best_params={"xgboost": {HOSTILE: HOSTILE}},
        left_out={HOSTILE: HOSTILE},
        ensembles={**head.ensembles, "left_out": {HOSTILE: HOSTILE}},
        trials=[{**trial, "params": {HOSTILE: HOSTILE}} for trial in head.trials],
        contest={**head.contest, "said": HOSTILE, "loss": {"name": HOSTILE, "definition": HOSTILE}},
        significance={**head.significance, "said": HOSTILE},
        seeds={**head.seeds, "said": HOSTILE},
        searches={name: {"stopped": HOSTILE, "spans": {HOSTILE: {"options": [HOSTILE, 1]}}} for name in head.searches},
        selections=[{**one, "kept": [HOSTILE], "consensus": {HOSTILE: 1.0}} for one in head.selections],
        stability={
            **head.stability,
            "features": [{"name": HOSTILE, "share": 1.0, "mean_rank": 1.0, "rank_spread": None}],
        },
    )
    quality = {**facts.quality, HOSTILE: {HOSTILE: 3}, "notes": [HOSTILE]}
    verdict = {**facts.verdict, "headline": HOSTILE, "reasons": [{"about": HOSTILE, "said": HOSTILE}], "wanted": []}
    verdict["rules"] = [{"name": HOSTILE, "said": HOSTILE, "holds": None}]
    audit = {**facts.audit, "said": HOSTILE, "tests": [{**facts.audit["tests"][0], "name": HOSTILE, "found": HOSTILE}]}
    audit["features"] = [{**facts.audit["features"][0], "name": HOSTILE, "failures": [{"test": "A1", "said": HOSTILE}]}]
    feature = {**facts.catalogue["features"][0], "name": HOSTILE, "family": HOSTILE, "definition": HOSTILE}
    null = facts.null_calibration
    assert null is not None
    page = build_report(
        change(
            workload=HOSTILE,
            verdict=verdict,
            notes=[HOSTILE],
            heads={"signal": named},
            quality=quality,
            audit=audit,
            catalogue={**facts.catalogue, "features": [feature]},
            manifest={"facts": {HOSTILE: {HOSTILE: HOSTILE}, "inputs": {}}, "run": {"id": HOSTILE}},
            null_calibration={**null, "said": HOSTILE, "kinds": {HOSTILE: null["total"]}, "rules": HOSTILE},
        )
    )
    assert len(Document(page).all("script")) == 1
    assert "alert(" not in "".join(re.findall(r"<script>.*?</script>", page, flags=re.DOTALL))
    assert page.count("&lt;script&gt;alert(") > 10


def test_figures_are_described_and_headings_go_one_level_at_a_time(document: Document) -> None:
    assert all(attrs.get("role") == "img" and attrs.get("aria-label") for attrs in document.all("svg"))
    levels = [int(tag[1]) for tag, _ in document.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_figures_follow_the_theme(page: str) -> None:
    drawings = "".join(re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL))
    assert "var(--accent)" in drawings
    assert re.findall(r"#[0-9a-fA-F]{6}\b", drawings) == []
    assert "font-family" not in drawings


def test_a_head_with_nothing_but_one_model_makes_a_page(change: Callable[..., ReportFacts], facts: ReportFacts) -> None:
    head, name = facts.heads["signal"], "xgboost"
    model = {**head.evaluation["models"][name], "versus": {}}
    skill = {name: {**head.evaluation["skill"][name], "volatility": {}}}
    alone = replace(
        head,
        evaluation={**head.evaluation, "models": {name: model}, "skill": skill},
        backtest={book: head.backtest[book] for book in (name, "buy and hold", "always flat")},
        importance=[],
        trials=[],
        searches={},
        best_params={},
        bundles=[],
        ensembles={"contenders": {}, "left_out": {}, "fits": []},
        calibration={**head.calibration, "models": {}},
        explanation={"models": {}, "left_out": {}},
        shap_sample=[],
        contest={**head.contest, **{key: {} for key in ("models", "pesaran_timmermann")}, "pairs": [], "spa": None}
        | {"accuracy_of_forecast": {"models": {}}},
        significance={**head.significance, "models": {name: head.significance["models"][name]}},
    )
    page = build_report(change(heads={"signal": alone}))
    assert "no baseline" in page
    for section in ("importance", "tuning", "ensembles", "calibration", "explanation"):
        assert f'id="signal-{section}"' not in page


def test_intervals_are_named_by_their_own_confidence(change: Callable[..., ReportFacts], facts: ReportFacts) -> None:
    head = facts.heads["signal"]
    evaluation, stability = ({**found, "confidence": 0.9} for found in (head.evaluation, head.stability))
    heads = {"signal": replace(head, evaluation=evaluation, stability=stability)}
    verdict = {**facts.verdict, "reasons": []}
    audit = {**facts.audit, "said": "Nothing found."}
    page = build_report(change(heads=heads, verdict=verdict, audit=audit, null_calibration=None))
    assert "and its 90\u202f% interval." in page
    assert "Direction IC, value and 90\u202f% interval: XGBoost" in page
    assert not re.search(r"\b95.%", page)


def test_every_colour_of_a_drawing_is_one_of_the_page(page: str) -> None:
    used = set(re.findall(r"var\((--[\w-]+)\)", "".join(re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL))))
    css = (files("assay.report") / "templates" / "style.css").read_text(encoding="utf-8")
    assert {f"--ramp-{place}" for place in range(9)} <= used
    assert used <= set(re.findall(r"(--[\w-]+):", css))


def test_every_drawing_and_figure_says_which_run_and_data_it_is_from(facts: ReportFacts, page: str) -> None:
    said = str(facts.provenance)
    drawings = re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL)
    assert all(svg.count(f"<metadata>{said}</metadata>") == 1 for svg in drawings)
    figures = re.findall(r"<figure.*?</figure>", page, flags=re.DOTALL)
    assert all(figure.count(f'<p class="stamp" aria-hidden="true">{said}</p>') == 1 for figure in figures)
    assert f"<dd>{facts.provenance.data}</dd>" in page


def test_a_page_about_several_runs_signs_nothing() -> None:
    svg = Markup("<svg a='1'><g/></svg>")
    assert signed(svg, provenance=None) == svg
    assert signed(svg, provenance=Provenance("<r>", "d")) == (
        "<svg a='1'><metadata>run &lt;r&gt; · data d</metadata><g/></svg>"
    )


def test_what_was_frozen_while_drawing_is_collected_again_afterwards(page: str) -> None:
    assert page
    assert gc.get_freeze_count() == 0


def test_paper_is_white_and_nothing_on_it_is_closed() -> None:
    folder = files("assay.report") / "templates"
    css, script = ((folder / name).read_text(encoding="utf-8") for name in ("style.css", "page.js"))
    assert "prefers-color-scheme: dark" not in css.replace("@media screen and (prefers-color-scheme: dark)", "")
    assert "beforeprint" in script
    assert "details::details-content { content-visibility: visible" in css[css.index("@media print") :]


def test_groups_that_scroll_are_no_landmarks_and_headings_of_tables_are_never_empty(page: str) -> None:
    assert 'role="region"' not in page
    assert not re.search(r"<th scope=\"col\"[^>]*></th>", page)


def test_terms_are_explained_once_per_text_and_text_is_escaped() -> None:
    text = str(explain("IC and IC of <b> and rank IC"))
    assert text.count(">IC</abbr>") == 1
    assert text.count(">rank IC</abbr>") == 1
    assert "&lt;b&gt;" in text


def _luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_text_colours_meet_wcag_aa(theme: str) -> None:
    css = (files("assay.report") / "templates" / "style.css").read_text(encoding="utf-8")
    start = css.index("color-scheme: dark" if theme == "dark" else "color-scheme: light;\n  --page")
    colours = dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6})", css[start : css.index("}", start)]))
    for ground in ("page", "surface", "sunk"):
        for ink in ("ink", "muted", "accent", "good", "amber", "bad", "none"):
            lighter, darker = sorted((_luminance(colours[ground]), _luminance(colours[ink])), reverse=True)
            assert (lighter + 0.05) / (darker + 0.05) >= 4.5, (ink, ground)
