"""From quantities to money: what a book of one model earned and paid on every bar."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from assay.market.backtest.setup import BacktestSetup
from assay.market.backtest.tape import Floats, Tape
from assay.market.costs import LIQUIDITY, funding_schedule, impact_rate
from assay.market.errors import DataError
from assay.market.tables import CHARGES


@dataclass(frozen=True)
class Book:
    """What was held and traded, by row.

    Attributes:
        quantity: Units per unit of the entity's capital, held after the fills of the row.
        turnover: Traded notional as a share of the entity's capital.
        inside: Gain of what left inside the bar at a price of its own, over leaving at the price of the row.
    """

    quantity: Floats
    turnover: Floats
    inside: Floats | float = 0.0


def keep_accounts(tape: Tape, book: Book, *, setup: BacktestSetup, settlements: pl.DataFrame | None) -> pl.DataFrame:
    """Value a book in money.

    Args:
        tape: Bars of the ledger.
        book: What was held and traded.
        setup: Costs and execution.
        settlements: Funding settlements, see ``funding_schedule``.

    Returns:
        Ledger, see ``run_ledger``.

    Raises:
        DataError: Funding is required but not covered, or a trade has an impact that nobody can price.
    """
    before = tape.before(book.quantity)
    during = (book.quantity if setup.at_open else before) * tape.close
    money = {
        "position": book.quantity * tape.price,
        "turnover": book.turnover,
        "fees": book.turnover * setup.costs.fee,
        "slippage": book.turnover * setup.costs.slippage,
        "impact": _impact(tape, book.turnover, setup),
        "borrow": np.maximum(-during, 0.0) * _elapsed(tape) * setup.costs.borrow,
        "funding": _rates(tape, setup, settlements) * during,
        "gross": before * (tape.price - tape.before(tape.price)) + book.inside,
    }
    costs = sum(money[name] for name in CHARGES)
    money["pnl"] = money["gross"] - costs
    money["equity"] = 1 + tape.running_sum(money["pnl"])
    return tape.rows.select("entity", "time", **{name: pl.Series(values) for name, values in money.items()})


def _elapsed(tape: Tape) -> Floats:
    """Microseconds since the bar before; without meaning at the first of an entity, which nothing is held into."""
    return np.diff(tape.times, prepend=0).astype(np.float64)


def _impact(tape: Tape, turnover: Floats, setup: BacktestSetup) -> Floats:
    """Cost of moving the market, as a share of the entity's capital."""
    if not setup.charges_impact:
        return np.zeros(len(turnover))
    sigma, volume = (tape.rows[name].fill_null(float("nan")).to_numpy() for name in LIQUIDITY)
    traded = turnover * setup.share(len(tape.first))
    impact = turnover * impact_rate(traded, sigma=sigma, volume=volume, coefficient=setup.costs.impact or 0.0)
    if (unknown := np.isnan(impact)).any():
        first = int(unknown.argmax())
        raise DataError(
            "market impact",
            f"{int(unknown.sum())} of {int((turnover > 0).sum())} trades cannot be priced",
            expected="volume and at least two moves of the close before every trade",
            found="first: {} at {}".format(*tape.rows.row(first)[:2]),
            do="load bars with volume, or set costs.impact to null",
        )
    return impact


def _rates(tape: Tape, setup: BacktestSetup, settlements: pl.DataFrame | None) -> Floats:
    """Sum of the funding rates settled inside (previous time, time] of each row."""
    schedule = funding_schedule(tape.rows, settlements, setup.funding)
    due = tape.find(schedule["entity"], schedule["time"])
    sums = np.bincount(due, weights=schedule["rate"].to_numpy(), minlength=len(tape.times))
    return sums.astype(np.float64, copy=False)
