"""Which models can be told apart: the confidence set, the pairs, and whether the calls have the right sign."""

from collections.abc import Mapping, Sequence
from typing import Any

from assay.report.comparison import contest_ranks
from assay.report.elements import Block, Cell, Column, Drawer, Figure, Table, value_cell
from assay.report.figures.confidence_set import Ranked, set_figure
from assay.report.figures.intervals import Estimate, interval_panel
from assay.report.format import MISSING, counted, interval, number, opening, percent, prose, quantity, spelled, title
from assay.report.view import HeadView

_LEDE = (
    "Models that saw the same rows differ less than their intervals suggest, so they are held against each other row "
    "by row, in blocks of time. A model leaves the confidence set when it is worse than the rest by more than luck "
    "explains; those left cannot be told from the best. The more models are tried, the better the best of them looks "
    "by luck alone: the SPA test counts them all."
)
_SET = (
    "Dot: IC with its interval. Band, filled: inside the set; hollow: told from the best. p: the level at which a "
    "model would leave."
)
_PAIRS = "Mean loss of {} less that of the rival; below zero is better."
Found = Mapping[str, Any]


def contest_block(view: HeadView) -> Block:
    """Show the model confidence set, the tests over all models, and the differences between pairs.

    Args:
        view: The head.

    Returns:
        The block; only its reading where fewer than two models have a score.
    """
    contest = view.facts.contest
    order = contest_ranks(contest)
    pairs = [pair for pair in contest["pairs"] if pair["model"] == view.lead]
    return Block(
        f"{view.slug}-contest",
        "Which models can be told apart?",
        _LEDE,
        reading=spelled(contest["said"], view.known),
        figures=[*([_set(view, order)] if order else []), *([_pairs(view, pairs)] if pairs else [])],
        tables=[_ranking(view, order), _signs(view), _all_at_once(view)] if order else (),
        more=[Drawer("Every pair", [_every_pair(view)])] if contest["pairs"] else (),
    )


def _set(view: HeadView, order: Mapping[str, int]) -> Figure:
    contest = view.facts.contest
    rows = [_ranked(view, name, contest["models"][name]) for name in order]
    heading = f"Model confidence set, {percent(1 - contest['level'])}"
    slug = f"{view.slug}-set"
    wide, narrow = (set_figure(rows, wide=w, slug=f"{slug}-{w}", title=heading) for w in (True, False))
    return Figure(heading, wide, narrow, _SET, "half")


def _ranked(view: HeadView, name: str, found: Found) -> Ranked:
    ic = view.evaluation["skill"][name]["direction"]["ic"]
    ends = (ic["value"], ic["low"], ic["high"])
    return Ranked(title(name), *ends, p=found["mcs_p"], inside=bool(found["inside"]), lead=name == view.lead)


def _pairs(view: HeadView, pairs: Sequence[Found]) -> Figure:
    rows = [
        Estimate(title(pair["rival"]), difference["value"], difference["low"], difference["high"], _part(view, pair))
        for pair in pairs
        for difference in [pair["difference"]]
    ]
    heading = f"{opening(title(view.lead))} against each rival"
    svg = interval_panel(rows, unit="", reference=0.0, slug=f"{view.slug}-pairs", title=heading)
    return Figure(heading, svg, caption=_PAIRS.format(title(view.lead)))


def _part(view: HeadView, pair: Found) -> str:
    return view.part(pair["rival"]) if pair["rival"] in view.models else "baseline"


def _ranking(view: HeadView, order: Mapping[str, int]) -> Table:
    contest = view.facts.contest
    columns = [
        Column("Model", mark="text"),
        Column("Rank"),
        Column("Mean loss", hint=prose(contest["loss"]["definition"])),
        Column("p", hint="level at which the model would leave the set; small: told from the best"),
        Column("Confidence set", mark="text"),
        Column("p, size of errors", hint=_accuracy_hint(contest["accuracy_of_forecast"])),
        Column("Confidence set, size of errors", mark="text", hint="for information: it rewards volatility skill too"),
    ]
    rows = [_row(view, name, rank) for name, rank in order.items()]
    worth = f"{counted(contest['timestamps'], 'timestamp')}, blocks of about {quantity(round(contest['block']))}"
    note = f"Loss: {prose(contest['loss']['name'])}. {prose(contest['loss']['definition'])} {worth}."
    return Table("Models by their loss", columns, rows, note=note)


def _accuracy_hint(accuracy: Found) -> str:
    loss = accuracy.get("loss", {})
    return prose(loss["definition"]) if loss else "the same by log loss or squared error"


def _row(view: HeadView, name: str, rank: int) -> list[Cell]:
    contest = view.facts.contest
    found, sizes = contest["models"][name], contest["accuracy_of_forecast"]["models"].get(name)
    return [
        Cell(title(name), mark="text lead" if name == view.lead else "text"),
        Cell(str(rank)),
        value_cell(found["mean_loss"]),
        value_cell(found["mcs_p"], "p"),
        _inside(found),
        value_cell(sizes["mcs_p"] if sizes else None, "p"),
        _inside(sizes),
    ]


def _inside(found: Found | None) -> Cell:
    if found is None:
        return Cell(MISSING, mark="text")
    return Cell("inside" if found["inside"] else "outside", mark="text" if found["inside"] else "text quiet")


def _all_at_once(view: HeadView) -> Table:
    contest = view.facts.contest
    spa, stepm = contest["spa"], contest["stepm"]
    rival = title(contest["reference"])
    better = ", ".join(title(name) for name in stepm["better"]) or "none"
    ends = f"{number(spa['p_lower'], 'p')} to {number(spa['p_upper'], 'p')}"
    best = f"p of the best of {counted(spa['models'], 'model')} being no better than the reference, {rival}"
    rows = [
        [
            Cell("SPA", "Hansen 2005", mark="text"),
            Cell(number(spa["p_consistent"], "p"), ends),
            Cell(best, mark="text prose"),
        ],
        [
            Cell("StepM", "Romano and Wolf 2005", mark="text"),
            Cell(better, percent(stepm["level"])),
            Cell("models better than the reference, all tests counted", mark="text prose"),
        ],
    ]
    columns = [Column("Test", mark="text"), Column("Found"), Column("What it says", mark="text")]
    return Table("All models at once", columns, rows)


def _signs(view: HeadView) -> Table:
    columns = [
        Column("Model", mark="text"),
        Column("Hits", hint="share of calls with the right sign"),
        Column("Expected", hint="share that calls as one-sided as these would hit without any skill"),
        Column("p", hint="as if neighbouring rows were independent, which overlapping labels are not"),
        Column("t, overlap", hint="regression of signs, errors that know of the overlap and of entities together"),
        Column("p, overlap"),
        Column("What it says", mark="text"),
    ]
    rows = [
        [
            Cell(title(name), mark="text lead" if name == view.lead else "text"),
            value_cell(test["hits"], "share"),
            value_cell(test["expected"], "share"),
            value_cell(test["p"], "p"),
            value_cell(test["overlapping"]["t"], "t"),
            value_cell(test["overlapping"]["p"], "p"),
            Cell(opening(spelled(test["said"], view.known)), mark="text prose"),
        ]
        for name, test in view.facts.contest["pesaran_timmermann"].items()
    ]
    return Table("Do the calls have the right sign? (Pesaran and Timmermann 1992)", columns, rows)


def _every_pair(view: HeadView) -> Table:
    columns = [
        Column("Model", mark="text"),
        Column("Rival", mark="text"),
        Column("Difference of loss", "below zero: better"),
        Column("DM", hint="Diebold-Mariano statistic with the small-sample correction"),
        Column("p"),
        Column("What it says", mark="text"),
    ]
    rows = [
        [
            Cell(title(pair["model"]), mark="text lead" if pair["model"] == view.lead else "text"),
            Cell(title(pair["rival"]), mark="text"),
            Cell(number(found["value"]), interval(found["low"], found["high"])),
            value_cell(pair["dm"], "t"),
            value_cell(pair["p"], "p"),
            Cell(opening(spelled(pair["said"], view.known)), mark="text prose"),
        ]
        for pair in view.facts.contest["pairs"]
        for found in [pair["difference"]]
    ]
    note = "The intervals do not count how many pairs there are."
    return Table("Differences between pairs", columns, rows, note=note)
