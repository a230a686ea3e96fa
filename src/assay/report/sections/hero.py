"""The first screen: the verdict in words, why, and three numbers to go with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assay.market.trading import BUY_AND_HOLD
from assay.report.elements import Figure
from assay.report.facts import LEVELS, ReportFacts
from assay.report.figures.curves import sparkline
from assay.report.figures.intervals import Estimate, interval_bar
from assay.report.format import counted, day, interval, number, opening, prose, quantity, spelled, title
from assay.report.sections.audit import banner
from assay.report.sections.costs import curves, performance
from assay.report.sections.models import best_baseline, estimates
from assay.report.view import HeadView, head_view

_MEANINGS = {
    "no evidence": "cannot be told from chance",
    "weak": "some signs of skill, not enough to rely on",
    "evidence": "skill that chance and naive forecasts do not explain",
    "implausible": "too good to be true; look for a leak first",
}
_MARKS = {True: ("✓", "holds"), False: ("✗", "does not hold"), None: ("–", "not known")}


@dataclass(frozen=True)
class Card:
    """One number of the first screen: its value, interval, what stands beside it, and a drawing."""

    name: str
    value: str
    interval: str
    beside: str
    figure: Figure | None


@dataclass(frozen=True)
class Rule:
    """One written rule of the verdict: its mark, the mark in a word, its name and what was found."""

    mark: str
    word: str
    name: str
    said: str


@dataclass(frozen=True)
class Hero:
    """The first screen: a banner if the audit failed, level, headline, reasons, cards, written rules, notes."""

    banner: tuple[str, str] | None
    level: str
    levels: Sequence[tuple[str, str]]
    headline: str
    reasons: Sequence[Mapping[str, str]]
    about: Sequence[tuple[str, str]]
    cards: Sequence[Card]
    rules: Sequence[Rule]
    notes: Sequence[str]


def hero(facts: ReportFacts) -> Hero:
    """Put the verdict, its reasons and the three primary numbers together.

    Args:
        facts: The facts of the report.

    Returns:
        The first screen.
    """
    view = head_view(facts, facts.primary["head"])
    verdict = facts.verdict
    return Hero(
        banner=banner(facts.audit),
        level=verdict["level"],
        levels=[(level, _MEANINGS[level]) for level in LEVELS],
        headline=opening(spelled(verdict["headline"], view.models)),
        reasons=[{name: spelled(text, view.models) for name, text in reason.items()} for reason in verdict["reasons"]],
        about=_about(facts, view),
        cards=[_metric_card(view), _sharpe_card(view), _equity_card(view)],
        rules=[_rule(rule, view) for rule in verdict["rules"]],
        notes=[prose(note) for note in facts.notes],
    )


def _rule(rule: Mapping[str, Any], view: HeadView) -> Rule:
    mark, word = _MARKS[rule["holds"]]
    return Rule(mark, word, opening(rule["name"]), opening(spelled(rule["said"], view.known)))


def _about(facts: ReportFacts, view: HeadView) -> list[tuple[str, str]]:
    found, span = view.evaluation, view.evaluation["span"]
    worth = quantity(round(found["effective_rows"]))
    return [
        ("Declared primary", f"{title(view.lead)} on {title(view.name)}, judged by {view.info(view.metric).label}"),
        ("Out-of-sample span", f"{day(span[0])} to {day(span[1])}"),
        ("Test rows", f"{quantity(found['rows'])}, worth {worth} independent ones"),
        ("Entities", quantity(found["entities"])),
        ("Horizon", counted(found["horizon"], "bar")),
        ("Profile", view.facts.profile),
        ("Run", facts.provenance.run),
        ("Data", facts.provenance.data),
    ]


def _metric_card(view: HeadView) -> Card:
    info, found = view.info(view.metric), view.estimate(view.lead, view.metric)
    references = [model for model in view.shown if view.role(model) != "model"]
    lead = estimates(view, view.metric, (view.lead,))[0]
    figure = interval_bar(
        lead,
        estimates(view, view.metric, tuple(references)),
        unit=info.unit,
        slug="hero-metric",
        title=f"{info.label}, value and {view.confidence} interval",
    )
    best = best_baseline(view, view.metric)
    beside = (
        f"best baseline {number(best[1], info.unit)}, {title(best[0])}; ticks: all baselines" if best else "no baseline"
    )
    return Card(
        info.label,
        number(found["value"], info.unit),
        interval(found["low"], found["high"], info.unit),
        beside,
        Figure("", figure),
    )


def _sharpe_card(view: HeadView) -> Card:
    mine, held = (performance(view, name)["sharpe"] for name in (view.lead, BUY_AND_HOLD))
    lead = Estimate(title(view.lead), mine["value"], mine["low"], mine["high"], lead=True)
    market = Estimate(BUY_AND_HOLD, held["value"], None, None, role="baseline")
    svg = interval_bar(lead, [market], unit="ratio", slug="hero-sharpe", title="Sharpe ratio after costs and interval")
    return Card(
        "Sharpe after costs",
        number(mine["value"], "ratio"),
        interval(mine["low"], mine["high"], "ratio"),
        f"buy and hold {number(held['value'], 'ratio')} (tick)",
        Figure("", svg),
    )


def _equity_card(view: HeadView) -> Card:
    drawn = curves(view, [view.lead, BUY_AND_HOLD], limit=200)
    mine, held = performance(view, view.lead), performance(view, BUY_AND_HOLD)
    return Card(
        "Total return after costs",
        number(mine["total_return"], "share"),
        f"deepest drawdown {number(mine['max_drawdown'], 'share')}",
        f"buy and hold {number(held['total_return'], 'share')} (dashed)",
        Figure("", sparkline(drawn, slug="hero-equity")),
    )
