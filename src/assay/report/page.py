"""The page: sections in reading order, rendered into one self-contained HTML file."""

import gc
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from assay.report.elements import Block
from assay.report.facts import Provenance, ReportFacts
from assay.report.format import opening, percent, prose, slug, title
from assay.report.glossary import GLOSSARY
from assay.report.sections.audit import audit_block
from assay.report.sections.breakdown import breakdown_block
from assay.report.sections.calibration import calibration_block
from assay.report.sections.classes import class_block
from assay.report.sections.contest import contest_block
from assay.report.sections.costs import cost_block
from assay.report.sections.coverage import coverage_block
from assay.report.sections.earned import earned_block
from assay.report.sections.ensembles import ensemble_block
from assay.report.sections.explanation import explanation_block
from assay.report.sections.features import feature_block
from assay.report.sections.folds import fold_block
from assay.report.sections.hero import hero
from assay.report.sections.importance import importance_block
from assay.report.sections.models import model_comparison
from assay.report.sections.null_check import null_block
from assay.report.sections.quality import quality_block
from assay.report.sections.regression import regression_block
from assay.report.sections.run import run_block
from assay.report.sections.seeds import seed_block
from assay.report.sections.selection import selection_block
from assay.report.sections.significance import significance_block
from assay.report.sections.skill import skill_block
from assay.report.sections.splits import split_block
from assay.report.sections.stress import stress_block
from assay.report.sections.tuning import tuning_block
from assay.report.sections.wanted import wanted_block
from assay.report.view import HeadView, head_view

if TYPE_CHECKING:
    from jinja2 import Environment

_HEAD_SECTIONS: tuple[Callable[[HeadView], Block], ...] = (
    model_comparison,
    contest_block,
    ensemble_block,
    skill_block,
    seed_block,
    cost_block,
    stress_block,
    earned_block,
    significance_block,
    fold_block,
    breakdown_block,
    class_block,
    calibration_block,
    regression_block,
    coverage_block,
    importance_block,
    explanation_block,
    selection_block,
    split_block,
    tuning_block,
)


@dataclass(frozen=True)
class Chapter:
    """One head on the page: its name, what it predicts, whether it holds the declared primary, and its blocks."""

    slug: str
    name: str
    kind: str
    declared: bool
    blocks: Sequence[Block]


def build_report(facts: ReportFacts) -> str:
    """Build the report of one workload.

    Args:
        facts: Everything it shows.

    Returns:
        One HTML page that loads nothing from elsewhere; the same facts give the same bytes.

    Raises:
        DataError: The facts contradict themselves (raised when they are made).
    """
    with _known_objects_left_alone():
        return environment(facts.provenance).get_template("page.html").render(**_content(facts))


def _content(facts: ReportFacts) -> dict[str, Any]:
    return {
        "workload": title(facts.workload),
        "hero": hero(facts),
        "wanted": wanted_block(facts),
        "checks": [audit_block(facts), null_block(facts)],
        "chapters": [_chapter(facts, name) for name in _order(facts)],
        "absent": {title(name): opening(prose(reason)) for name, reason in facts.absent.items()},
        "appendix": [quality_block(facts), feature_block(facts)],
        "run": run_block(facts),
        "confidence": percent(facts.declared.evaluation["confidence"]),
        "glossary": GLOSSARY,
    }


@contextmanager
def _known_objects_left_alone() -> Iterator[None]:
    """Collect only what the drawings leave behind: a search of everything else for each of them costs a third more."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def environment(provenance: Provenance | None = None) -> "Environment":
    """Return the template environment: autoescape on, undefined names are errors, figures carry where they are from.

    Args:
        provenance: The run and the data that every figure names; None on a page about several runs.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    found = Environment(
        loader=PackageLoader("assay.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters.update(explain=explain, slug=slug, signed=partial(signed, provenance=provenance))
    found.globals["provenance"] = provenance
    return found


def _order(facts: ReportFacts) -> list[str]:
    return sorted(facts.heads, key=lambda name: name != facts.primary["head"])


def _chapter(facts: ReportFacts, name: str) -> Chapter:
    view = head_view(facts, name)
    blocks = [block for section in _HEAD_SECTIONS if not (block := section(view)).empty]
    return Chapter(view.slug, title(name), view.facts.kind, view.declared, blocks)


def signed(svg: Markup, *, provenance: Provenance | None) -> Markup:
    """Write into a drawing which run and which data it is from, so that a copy of it can be traced.

    Args:
        svg: A drawing.
        provenance: Where it is from; None leaves the drawing as it is.

    Returns:
        The drawing with a ``metadata`` element, which is not shown and not read aloud.
    """
    if provenance is None:
        return svg
    opened, rest = svg.split(">", 1)
    return Markup("{}><metadata>{}</metadata>{}").format(Markup(opened), provenance, Markup(rest))  # noqa: S704


def explain(text: str, glossary: Mapping[str, str] = GLOSSARY) -> Markup:
    """Mark the first use of each glossary term in a text, so that its meaning shows on hover and focus.

    Args:
        text: Plain text; it is escaped.
        glossary: Meaning per term.

    Returns:
        The text with ``<abbr title=...>`` around the terms.
    """
    seen: set[str] = set()
    terms = sorted(glossary, key=len, reverse=True)
    pattern = re.compile(rf"(?<![\w-])({'|'.join(map(re.escape, terms))})s?(?![\w-])")

    def mark(match: re.Match[str]) -> str:
        if match[1] in seen:
            return match[0]
        seen.add(match[1])
        return str(Markup('<abbr tabindex="0" title="{}">{}</abbr>').format(glossary[match[1]], Markup(match[0])))  # noqa: S704

    return Markup(pattern.sub(mark, str(escape(text))))  # noqa: S704 -- escaped before the terms are marked
