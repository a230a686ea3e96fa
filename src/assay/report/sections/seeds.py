"""The luck of the seed, apart from the luck of the rows."""

from assay.report.elements import Block, Cell, Column, Figure, Table, value_cell
from assay.report.figures.intervals import Estimate
from assay.report.figures.luck import seed_figure
from assay.report.format import is_number, opening, spelled, title
from assay.report.view import HeadView

_LEDE = (
    "The same recipe on the same rows gives other answers from another seed. That spread says how much of a result is "
    "the draw of the fit; the interval says how much is the draw of the rows. They are two different kinds of luck and "
    "do not contain each other."
)
_CAPTION = "Bar: interval of the IC over other rows. Dots: the IC of the same recipe from each seed."


def seed_block(view: HeadView) -> Block:
    """Show the IC of the declared model from every seed beside its interval.

    Args:
        view: The head.

    Returns:
        The block; only its reading where the declared model was not fitted again, and empty on exploratory heads.
    """
    seeds, name = view.facts.seeds, f"{view.slug}-seeds"
    if not view.declared:
        return Block(name, "The luck of the seed", _LEDE)
    known = [float(ic) for ic in seeds["ic"] if is_number(ic)]
    drawn = seeds["model"] is not None and bool(known)
    return Block(
        name,
        "The luck of the seed",
        _LEDE,
        reading=opening(spelled(seeds["said"], view.known)),
        figures=[_figure(view, known)] if drawn else (),
        tables=[_table(view)] if drawn else (),
    )


def _figure(view: HeadView, known: list[float]) -> Figure:
    model = view.facts.seeds["model"]
    ic = view.evaluation["skill"][model]["direction"]["ic"]
    rows = Estimate(title(model), ic["value"], ic["low"], ic["high"])
    wide, narrow = (seed_figure(rows, known, wide=w, slug=f"{view.slug}-seeds-{w}") for w in (True, False))
    return Figure(f"IC of {title(model)}", wide, narrow, _CAPTION, "half")


def _table(view: HeadView) -> Table:
    seeds = view.facts.seeds
    columns = [Column("Model", mark="text"), *(Column(f"Seed {seed}") for seed in seeds["seeds"])]
    told = [title(seeds["model"]), *seeds["ic"], seeds["mean"], seeds["sd"]]
    row = [Cell(told[0], mark="text lead"), *(value_cell(value) for value in told[1:])]
    return Table("IC by seed", [*columns, Column("Mean"), Column("Standard deviation")], [row])
