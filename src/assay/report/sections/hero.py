"""The first screen: the verdict in words, why, and three numbers to go with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assay.report.elements import Figure
from assay.report.facts import LEVELS, ReportFacts
from assay.report.figures.curves import sparkline
from assay.report.figures.intervals import Estimate, interval_bar
from assay.report.format import MISSING, day, interval, is_number, number, opening, quantity, spelled, title
from assay.report.sections.costs import HOLD, curves, performance
from assay.report.sections.models import best_baseline, estimates, finite
from assay.report.view import HeadView, head_view

_MEANINGS = {
    "no evidence": "cannot be told from chance",
    "weak": "some signs of skill, not enough to rely on",
    "evidence": "skill that chance and naive forecasts do not explain",
    "implausible": "too good to be true; look for a leak first",
}


@dataclass(frozen=True)
class Card:
    """One number of the first screen: its value, interval, what stands beside it, and a drawing."""

    name: str
    value: str
    interval: str
    beside: str
    figure: Figure | None


@dataclass(frozen=True)
class Hero:
    """The first screen: level among all levels, headline, reasons, meta data, cards, notes."""

    level: str
    levels: Sequence[tuple[str, str]]
    headline: str
    reasons: Sequence[tuple[str, str]]
    about: Sequence[tuple[str, str]]
    cards: Sequence[Card]
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
        level=verdict["level"],
        levels=[(level, _MEANINGS[level]) for level in LEVELS],
        headline=opening(spelled(verdict.get("headline") or verdict["level"], view.models)),
        reasons=[_led(spelled(reason, view.models)) for reason in verdict.get("reasons") or ()],
        about=_about(facts, view),
        cards=[card for card in (_metric_card(view), _sharpe_card(view), _equity_card(view)) if card],
        notes=[str(note) for note in facts.notes],
    )


def _led(reason: str) -> tuple[str, str]:
    """Split ``Profit: the net ...`` into what it is about and what it says."""
    about, colon, said = reason.partition(": ")
    return (about, opening(said)) if colon and len(about) < 48 and "(" not in about else ("", reason)


def _about(facts: ReportFacts, view: HeadView) -> list[tuple[str, str]]:
    found, run = view.evaluation, facts.manifest.get("run") or {}
    span = found.get("span") or (None, None)
    rows = [
        ("Declared primary", f"{title(view.lead)} on {title(view.name)}, judged by {view.info(view.metric).label}"),
        ("Out-of-sample span", f"{day(span[0])} to {day(span[1])}"),
        ("Test rows", _rows(found)),
        ("Entities", quantity(found.get("entities"))),
        ("Horizon", f"{quantity(found.get('horizon'))} bars"),
        ("Run", quantity(run.get("run_id") or run.get("id"))),
    ]
    return [(name, text) for name, text in rows if not text.startswith(MISSING)]


def _rows(found: Mapping[str, Any]) -> str:
    effective = found.get("effective_rows")
    tail = f", worth {quantity(round(effective))} independent ones" if is_number(effective) else ""
    return quantity(found.get("rows")) + tail


def _metric_card(view: HeadView) -> Card:
    info, found = view.info(view.metric), view.estimate(view.lead, view.metric)
    references = [model for model in view.shown if view.role(model) != "model"]
    lead = estimates(view, view.metric, (view.lead,))[0]
    figure = interval_bar(
        lead, estimates(view, view.metric, tuple(references)), unit=info.unit, slug="hero-metric", title=info.label
    )
    best = best_baseline(view, view.metric)
    beside = (
        f"best baseline {number(best[1], info.unit)}, {title(best[0])}; ticks: all baselines" if best else "no baseline"
    )
    return Card(
        info.label,
        number(found.get("value"), info.unit),
        interval(found.get("low"), found.get("high"), info.unit),
        beside,
        Figure("", figure),
    )


def _sharpe_card(view: HeadView) -> Card | None:
    sharpe = performance(view, view.lead).get("sharpe")
    if not isinstance(sharpe, dict):
        return None
    held = performance(view, HOLD).get("sharpe")
    other = held.get("value") if isinstance(held, dict) else held
    value, low, high = (finite(sharpe.get(name)) for name in ("value", "low", "high"))
    mine = Estimate(title(view.lead), value, low, high, lead=True)
    market = Estimate(HOLD, finite(other), None, None, role="baseline")
    svg = interval_bar(mine, [market], unit="ratio", slug="hero-sharpe", title="Sharpe ratio after costs")
    return Card(
        "Sharpe after costs",
        number(sharpe.get("value"), "ratio"),
        interval(sharpe.get("low"), sharpe.get("high"), "ratio"),
        f"buy and hold {number(other, 'ratio')} (tick)",
        Figure("", svg),
    )


def _equity_card(view: HeadView) -> Card | None:
    drawn = curves(view, [view.lead, HOLD], limit=200)
    if not drawn:
        return None
    mine, held = performance(view, view.lead), performance(view, HOLD)
    return Card(
        "Total return after costs",
        number(mine.get("total_return"), "share"),
        f"deepest drawdown {number(mine.get('max_drawdown'), 'share')}",
        f"buy and hold {number(held.get('total_return'), 'share')} (dashed)",
        Figure("", sparkline(drawn, slug="hero-equity")),
    )
