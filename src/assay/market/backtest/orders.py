"""From decisions to orders on the bars of a ledger."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from assay.market.backtest.setup import BacktestSetup
from assay.market.backtest.tape import Floats, Index, Tape, microseconds
from assay.market.errors import DataError

BEYOND = np.iinfo(np.int64).max  # row of an exit that the horizon alone sets
ROUNDING = 1e-9  # relative; a price of its own that is this near to that of the row is that of the row

RANGE = ("open", "high", "low", "close")


@dataclass(frozen=True)
class Orders:
    """What was decided at each row of a tape.

    Attributes:
        weight: Share of the entity's capital, 0 where nothing was decided.
        leave: Row of the exit; ``BEYOND`` where the horizon sets it.
        resting: Price of an exit inside its bar; NaN where the exit is filled at the price of its row.
    """

    weight: Floats
    leave: Index
    resting: Floats

    @property
    def has_resting(self) -> bool:
        """Whether a tranche leaves at a price of its own."""
        return not bool(np.isnan(self.resting).all())


def place_orders(tape: Tape, decisions: pl.DataFrame, setup: BacktestSetup) -> Orders:
    """Put decisions on the rows that they were made at.

    Args:
        tape: Bars of the ledger.
        decisions: See ``run_ledger``.
        setup: Horizon, execution and holding.

    Raises:
        DataError: See ``run_ledger``.
    """
    rows = _rows(tape, decisions)
    size = len(tape.times)
    weight, leave, resting = np.zeros(size), np.full(size, BEYOND), np.full(size, np.nan)
    weight[rows] = decisions["weight"].cast(pl.Float64).to_numpy()
    if setup.holding == "label_end":
        _check_exits(decisions)
        leave[rows] = _exit_rows(tape, decisions, at_open=setup.at_open)
        if "exit_return" in decisions.columns:
            resting[rows] = _resting(tape, (rows, leave[rows]), decisions["exit_return"], setup)
    return Orders(weight, leave, resting)


def _rows(tape: Tape, decisions: pl.DataFrame) -> Index:
    """Row of each decision."""
    known = decisions["entity"].is_in(tape.entities)
    if not known.all():
        _refuse(decisions.filter(~known), decisions, "have no bar")
    rows = tape.find(decisions["entity"], decisions["time"])
    found = tape.times.take(rows, mode="clip") == microseconds(decisions["time"])
    times = np.bincount(rows, minlength=len(tape.times))[rows]
    finite = decisions["weight"].is_finite().fill_null(value=False)
    problems = {
        "have no bar": ~found,
        "are there more than once": times > 1,
        "have a weight that is no finite number": ~finite.to_numpy(),
    }
    for problem, faulty in problems.items():
        if faulty.any():
            _refuse(decisions.filter(faulty), decisions, problem)
    return rows


def _refuse(faulty: pl.DataFrame, decisions: pl.DataFrame, problem: str) -> None:
    raise DataError(
        "decisions",
        f"{faulty.height} of {decisions.height} {problem}",
        expected="one decision with a finite weight on an existing bar",
        found="first: {} at {}, weight {}".format(*faulty.select("entity", "time", "weight").row(0)),
        do="give the ledger the bars that the predictions were made on",
    )


def _check_exits(decisions: pl.DataFrame) -> None:
    if "exit" not in decisions.columns:
        raise DataError(
            "decisions",
            "the column exit is missing",
            expected="entity, time, weight, exit",
            found=decisions.columns,
            do="say when each decision leaves, or hold for the horizon",
        )
    early = decisions.filter(pl.col("exit") <= pl.col("time"))
    if early.height:
        raise DataError(
            "decisions",
            f"{early.height} of {decisions.height} leave before they enter",
            expected="an exit after the decision",
            found="first: {} at {}, exit {}".format(*early.select("entity", "time", "exit").row(0)),
        )


def _exit_rows(tape: Tape, decisions: pl.DataFrame, *, at_open: bool) -> Index:
    """Row of each exit.

    An exit at the open of a bar that ends at ``exit`` would be too early: it takes the next, unless an order rested.
    """
    rests = pl.col("exit_return").is_not_null() if "exit_return" in decisions.columns else pl.lit(value=False)
    wanted = pl.when(rests | pl.lit(not at_open)).then("exit").otherwise(pl.col("exit").dt.offset_by("1us"))
    times = decisions.select(wanted).to_series()
    rows = np.full(decisions.height, BEYOND)
    known = times.is_not_null()
    rows[known.to_numpy()] = tape.find(decisions["entity"].filter(known), times.filter(known))
    return rows


def _resting(tape: Tape, rows: tuple[Index, Index], returns: pl.Series, setup: BacktestSetup) -> Floats:
    """Price of each exit inside its bar, for decisions at the first and exits at the second of ``rows``."""
    decided, leave = rows
    fill, stop = decided + setup.execution.delay, tape.by_row(tape.bounds[1:])[decided]
    inside = (leave < stop) & (leave <= fill + setup.horizon) & returns.is_not_null().to_numpy()
    price = np.full(len(decided), np.nan)
    entry, at = tape.price[fill[inside]], leave[inside]
    price[inside] = entry * (1 + returns.cast(pl.Float64).to_numpy()[inside])
    _check_range(tape, price[inside], at)
    price[inside] = np.where(np.isclose(price[inside], tape.price[at], rtol=ROUNDING, atol=0), np.nan, price[inside])
    return price


def _check_range(tape: Tape, price: Floats, rows: Index) -> None:
    """Make sure that a bar has traded at the price of the exits inside it."""
    if missing := [name for name in RANGE if name not in tape.rows.columns]:
        raise DataError(
            "bars",
            f"columns {missing} are missing",
            expected=f"{', '.join(RANGE)}, to check exits inside a bar",
            found=tape.rows.columns,
        )
    # Where nobody knows its open, a bar has come from the last close.
    opened = pl.coalesce("open", pl.col("close").shift(1).over("entity"))
    bar = tape.rows.with_columns(opened.alias("open"))[rows]
    low, high = bar.select(RANGE).min_horizontal().to_numpy(), bar.select(RANGE).max_horizontal().to_numpy()
    out = ~((price >= low * (1 - ROUNDING)) & (price <= high * (1 + ROUNDING)))
    if out.any():
        first = int(out.argmax())
        raise DataError(
            "decisions",
            f"{int(out.sum())} of {len(price)} exits have a price that their bar has not traded at",
            expected=f"between {low[first]} and {high[first]}",
            found="first: {} at {}, price {}".format(*tape.rows.row(int(rows[first]))[:2], price[first]),
            do="give exit_return only for orders that rested at a barrier",
        )
