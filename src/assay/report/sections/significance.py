"""What is left of a Sharpe ratio once everything that was ever tried is counted."""

from collections.abc import Mapping, Sequence
from typing import Any

from assay.report.elements import Block, Cell, Column, Figure, Table, value_cell
from assay.report.figures.intervals import Estimate, interval_panel
from assay.report.figures.luck import Deflated, deflation_figure
from assay.report.format import (
    MISSING,
    counted,
    is_number,
    number,
    opening,
    prose,
    quantity,
    spelled,
    title,
    together,
)
from assay.report.sections.costs import performance
from assay.report.view import HeadView

_LEDE = (
    "Try enough things and the best of them looks good. Every configuration that ever had an out-of-sample result is "
    "kept, and counted here, whether or not it is on this page. PSR is the probability that the true Sharpe ratio is "
    "above zero; DSR, that it is above what the best of all those tries would show by luck alone (Bailey and Lopez de "
    "Prado 2014). PBO is how often the best of one half of the time is below the middle in the other half."
)
_ASKED = 0.95
_LUCK = "Dot: Sharpe ratio a year after costs, with its interval. Dashed: what the best of all tries shows by luck."
_DEFLATED = "Hollow: PSR. Filled: DSR, all tries counted. Dashed: what is usually asked for."
Found = Mapping[str, Any]


def significance_block(view: HeadView) -> Block:
    """Show what luck among the trials reaches, and the probability of each model to be more than that.

    Args:
        view: The head.

    Returns:
        The block; empty where no position earns what the head predicts.
    """
    name, heading = f"{view.slug}-significance", "Skill, or the best of many tries?"
    if not view.facts.traded:
        return Block(name, heading, _LEDE)
    found = view.facts.significance
    order = _order(view, found["models"])
    tried = [model for model in order if view.role(model) == "model"]
    return Block(
        name,
        heading,
        _LEDE,
        reading=_reading(view),
        figures=[_luck(view, tried), _deflation(view, tried)] if tried else (),
        tables=[*([_models(view, order)] if order else []), _trials(view)],
    )


def _order(view: HeadView, models: Mapping[str, Found]) -> list[str]:
    return [*(name for name in view.tried if name in models), *(name for name in models if name not in view.tried)]


def _luck(view: HeadView, models: Sequence[str]) -> Figure:
    found = view.facts.significance
    expected = found["trials"]["expected_max_sharpe"]
    annual = expected * found["bars_per_year"] ** 0.5 if is_number(expected) else None
    rows = [
        Estimate(title(name), sharpe["value"], sharpe["low"], sharpe["high"], view.part(name), lead=name == view.lead)
        for name in models
        for sharpe in [performance(view, name)["sharpe"]]
    ]
    heading = "Sharpe ratio, and what luck reaches"
    svg = interval_panel(rows, unit="ratio", reference=annual, slug=f"{view.slug}-luck", title=heading)
    return Figure(heading, svg, caption=_LUCK)


def _deflation(view: HeadView, models: Sequence[str]) -> Figure:
    found = view.facts.significance["models"]
    rows = [Deflated(title(name), found[name]["psr"], found[name]["dsr"], lead=name == view.lead) for name in models]
    svg = deflation_figure(rows, level=_ASKED, slug=f"{view.slug}-deflation")
    return Figure("How sure, before and after counting", svg, caption=_DEFLATED)


def _models(view: HeadView, order: Sequence[str]) -> Table:
    columns = [
        Column("Model", mark="text"),
        Column("PSR", hint="probability of a true Sharpe ratio above zero"),
        Column("DSR", hint="probability of a true Sharpe ratio above what luck reaches in all trials"),
        Column("Sharpe a bar"),
        Column("Sharpe a year", "Lo 2002", "annualised with the autocorrelation of the returns"),
        Column("Skew"),
        Column("Kurtosis", "3: normal"),
        Column("Years needed", "track record", "length of record at which the PSR would reach what is asked for"),
        Column("Years needed", "backtest", "length at which as many tries without skill show no such Sharpe ratio"),
    ]
    return Table("Sharpe ratios after counting", columns, [_model(view, name) for name in order], note=_note(view))


def _model(view: HeadView, name: str) -> list[Cell]:
    found = view.facts.significance["models"][name]
    part = "" if view.role(name) == "model" else "quiet"
    return [
        Cell(title(name), mark="text lead" if name == view.lead else f"text {part}".strip()),
        value_cell(found["psr"], "share"),
        value_cell(found["dsr"], "share"),
        value_cell(found["sharpe_per_bar"]),
        value_cell(found["lo_annual_sharpe"], "ratio"),
        value_cell(found["skew"], "ratio"),
        value_cell(found["kurtosis"], "ratio"),
        value_cell(found["min_track_record_years"], "years"),
        value_cell(found["min_backtest_years"], "years"),
    ]


def _note(view: HeadView) -> str:
    found = view.facts.significance
    years = number(found["bars"] / found["bars_per_year"], "years")
    span = f"{quantity(found['bars'])} bars, {quantity(round(found['bars_per_year']))} a year: {years} years."
    return f"{span} {prose(found['said'])}"


def _reading(view: HeadView) -> str:
    found = view.facts.significance["models"].get(view.lead)
    if found is None or not is_number(found["dsr"]):
        return f"{opening(title(view.lead))} has no Sharpe ratio to hold against what was tried."
    tried = counted(view.facts.significance["trials"]["configurations"], "configuration")
    return (
        f"{opening(title(view.lead))}: the true Sharpe ratio lies above zero with a probability of "
        f"{number(found['psr'], 'share')}; above what the luckiest of {tried} ever tried would show, with "
        f"{number(found['dsr'], 'share')}."
    )


def _trials(view: HeadView) -> Table:
    trials, pbo = view.facts.significance["trials"], view.facts.significance["pbo"]
    claims = together(trials["claims"]) if trials["claims"] else "none"
    told = (
        ("Results ever recorded", quantity(trials["records"]), "Runs on the same configuration are counted once."),
        ("Configurations ever tried", quantity(trials["configurations"]), spelled(trials["said"], view.known)),
        ("Compared on this span", quantity(trials["compared"]), "Those with returns on the bars judged here."),
        ("Worth independent ones", _effective(trials), "After grouping returns that move together."),
        ("What luck reaches", number(trials["expected_max_sharpe"]), "Sharpe ratio a bar of the best without skill."),
        ("Ever declared primary", claims, "Each claim is one more try to be right."),
        ("PBO", number(pbo["value"], "share"), opening(prose(pbo["said"]))),
    )
    rows = [
        [Cell(name, mark="text"), Cell(value), Cell(said or MISSING, mark="text prose")] for name, value, said in told
    ]
    columns = [Column("What", mark="text"), Column("Found"), Column("Meaning", mark="text")]
    return Table("Everything ever tried on this head", columns, rows)


def _effective(trials: Found) -> str:
    effective = trials["effective"]
    return quantity(round(effective)) if is_number(effective) else MISSING
