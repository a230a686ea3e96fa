"""The index page: every workload, its runs, and how its verdict went from run to run."""

from collections.abc import Mapping, Sequence

from assay.report.elements import Block, Cell, Column, Drawer, Figure, Table, estimate_cell
from assay.report.figures.trend import Moment, trend_figure
from assay.report.format import counted, number, opening, quantity, slug, spelled, title
from assay.report.history.difference import difference_tables
from assay.report.history.record import Estimate, Record
from assay.report.page import environment

SHOWN = 30  # newest runs that are drawn
_SHORT = 8  # characters of a hash that are shown
_TREND_LEDE = (
    "One dot per run that judged its declared primary, oldest first, with its interval. Runs of other data, parameters "
    "or claims stand side by side here: a line that climbs because things were tried until it did is no progress. "
    "Every configuration that was tried counts in the deflated Sharpe ratio of the reports."
)


def build_comparison(pairs: Mapping[str, tuple[Record, ...]]) -> str:
    """Build a page on what differs between two runs.

    Args:
        pairs: By workload the run before and the run after.

    Returns:
        One HTML page that loads nothing from elsewhere.
    """
    blocks = [
        Block(slug(name), opening(title(name)), "", reading=_headline(pair[-1]), tables=difference_tables(*pair))
        for name, pair in pairs.items()
    ]
    return _page("Two runs", blocks)


def build_index(records: Mapping[str, Sequence[Record]]) -> str:
    """Build the index page.

    Args:
        records: By workload its runs, oldest first.

    Returns:
        One HTML page that loads nothing from elsewhere and links to the reports; the same records give the same bytes.
    """
    blocks = [_block(workload, runs) for workload, runs in records.items() if runs]
    return _page("All runs", blocks)


def _page(heading: str, blocks: Sequence[Block]) -> str:
    return environment().get_template("index.html").render(heading=heading, blocks=blocks)


def _newest(runs: Sequence[Record]) -> Record:
    """The newest run with a report, which stands for the workload; else the newest."""
    return next((run for run in reversed(runs) if run.report), runs[-1])


def _block(workload: str, runs: Sequence[Record]) -> Block:
    judged = [run for run in runs if run.level]
    newest = _newest(runs)
    return Block(
        slug(workload),
        opening(title(workload)),
        _TREND_LEDE,
        reading=_headline(newest),
        figures=_figures(workload, judged[-SHOWN:]),
        tables=[_runs_table(workload, runs)],
        more=_against_the_one_before(judged),
        badge=Cell(newest.level or newest.status, mark=slug(newest.level or newest.status)),
    )


def _headline(run: Record) -> str:
    return opening(spelled(run.headline, run.scores.get(str(run.primary.get("head")), ())))


def _against_the_one_before(judged: Sequence[Record]) -> list[Drawer]:
    if len(judged) == 1 or not judged:
        return []
    return [Drawer("The newest run against the one before", difference_tables(*judged[-2:]))]


def _figures(workload: str, judged: Sequence[Record]) -> list[Figure]:
    if not judged:
        return []
    direction = [_moment(run, run.judged.direction) for run in judged]
    sharpe = [_moment(run, run.judged.sharpe) for run in judged]
    drawn = (
        (judged[-1].label or "Direction", direction, "", "direction"),
        ("Net Sharpe", sharpe, "ratio", "sharpe"),
    )
    return [
        Figure(
            f"{name} of the declared primary",
            trend_figure(moments, unit=unit, slug=f"{slug(workload)}-{part}", title=f"{name} of the declared primary"),
            caption=f"The newest {counted(len(moments), 'run')}; the last is marked.",
            size="half",
        )
        for name, moments, unit, part in drawn
    ]


def _moment(run: Record, estimate: Estimate) -> Moment:
    return Moment(_when(run.id), estimate["value"], estimate["low"], estimate["high"])


def _when(run: str) -> str:
    """Day and minute of a run's id."""
    return run[5:16].replace("T", " ").replace(".", ":")


def _runs_table(workload: str, runs: Sequence[Record]) -> Table:
    columns = [
        Column("Run", mark="text"),
        Column("Verdict", mark="text"),
        Column("Declared primary", mark="text"),
        Column("Direction", hint="Information coefficient of the primary, with its interval"),
        Column("Net Sharpe", hint="After costs, annualised, with its interval"),
        Column("Rows"),
        Column("Inputs", hint="Beginning of a hash of all inputs: equal means the same data"),
        Column("Parameters", hint="Beginning of the hash of all parameters"),
        Column("Seconds"),
        Column("Wrote"),
    ]
    return Table(f"Runs of {title(workload)}, newest first", columns, [_run_row(run) for run in reversed(runs)])


def _run_row(run: Record) -> list[Cell]:
    claim = ", ".join(title(run.primary[part]) for part in ("head", "model") if part in run.primary)
    return [
        Cell(run.id, mark="text code", link=run.report or ""),
        Cell(run.level or run.status, mark="text"),
        Cell(claim or number(None), mark="text"),
        estimate_cell(dict(run.judged.direction)),
        estimate_cell(dict(run.judged.sharpe), "ratio"),
        Cell(quantity(run.rows)),
        Cell(run.inputs[:_SHORT], mark="code"),
        Cell(str(run.facts.get("parameters") or "")[:_SHORT], mark="code"),
        Cell(quantity(round(run.seconds))),
        Cell(f"{run.size / 2**20:,.1f} MiB"),
    ]
