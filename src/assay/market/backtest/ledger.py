"""A vectorised ledger of overlapping tranches after costs."""

import numpy as np
import polars as pl

from assay.market.backtest.accounts import Book, keep_accounts
from assay.market.backtest.limits import scale_of, whole_lots
from assay.market.backtest.orders import Orders, place_orders
from assay.market.backtest.setup import BacktestSetup
from assay.market.backtest.tape import Floats, Tape
from assay.market.costs import liquidity


def traded_bars(bars: pl.DataFrame, decisions: pl.DataFrame) -> pl.DataFrame:
    """Give the bars of the ledger: per entity from its first decision to the end of its data."""
    first = decisions.group_by("entity").agg(first=pl.col("time").min())
    return bars.join(first, on="entity", maintain_order="left").filter(pl.col("time") >= pl.col("first")).drop("first")


def run_ledger(
    bars: pl.DataFrame, decisions: pl.DataFrame, *, setup: BacktestSetup, settlements: pl.DataFrame | None
) -> pl.DataFrame:
    """Keep the books of every entity, bar by bar.

    A decision at t opens a tranche of fixed quantity ``weight / (horizon * price)`` at row t + delay and closes it
    ``horizon`` rows later, so a tranche earns ``weight * forward_return / horizon`` of the entity's capital. Tranches
    are netted before they trade. What is still open at the last bar of an entity is closed there and pays its cost. A
    fill whose price field is null is made at the close of that bar. With ``price: open`` a row is valued at the open of
    its bar. Notional is fixed: gains are not reinvested.

    With ``holding: label_end`` a tranche leaves earlier: at the first row at or after ``exit`` (with ``price: open`` at
    the first open after it), or, where ``exit_return`` is given, inside that bar at ``entry * (1 + exit_return)``, as
    an order resting at a barrier does; such an exit is not netted with other trades.

    Limits scale all tranches of an entity alike. Every entity of the ledger has the same share of the capital at all
    times. Funding is paid at settlements inside (previous time, time] on the position held during that bar, and borrow
    cost on a short one for the time between, both valued at its close.

    Args:
        bars: Bars, sorted by entity and time.
        decisions: ``entity, time, weight`` (signed share of the entity's capital; beyond 1 is leverage), with
            ``holding: label_end`` also ``exit`` (null = after the horizon) and, if orders rest at barriers,
            ``exit_return`` (simple return of the price from entry to exit; null = at the price of the row). A bar
            without a decision opens nothing.
        setup: Horizon, execution, costs and limits.
        settlements: Funding settlements, see ``funding_schedule``.

    Returns:
        Ledger: ``entity, time, position`` (signed share of the entity's capital at the row's price, held into the next
        bar), ``turnover, fees, slippage, impact, borrow, funding, gross, pnl`` (shares of the entity's capital),
        ``equity`` (1 + cumulative pnl). Grain of ``traded_bars``; no nulls.

    Raises:
        DataError: A decision has no bar, is there twice, has no finite weight, leaves before it enters or at a price
            that its bar has not traded at; funding is required but not covered; or impact cannot be priced.
        ConfigurationError: A lot is unknown or not positive.
    """
    tape = _tape(bars, decisions, setup)
    book = _book(tape, place_orders(tape, decisions, setup), setup)
    return keep_accounts(tape, book, setup=setup, settlements=settlements)


def buy_and_hold(
    bars: pl.DataFrame, decisions: pl.DataFrame, *, setup: BacktestSetup, settlements: pl.DataFrame | None
) -> pl.DataFrame:
    """Hold each entity long with its whole share of the capital, from the first fill of the ledger to the end.

    Same rows, prices, funding and fixed notional as ``run_ledger``: every bar earns its simple return on the same
    notional, so the total is the sum of the simple returns, not the price change. Only the entry pays; the position is
    brought back to its notional without cost and stays open, which favours this benchmark. No limit holds for it.

    Args:
        bars: Bars, sorted by entity and time.
        decisions: The decisions of the ledger to compare with; their weights are not read.
        setup: Execution and costs.
        settlements: Funding settlements, see ``funding_schedule``.

    Returns:
        Ledger, see ``run_ledger``.

    Raises:
        DataError: Funding is required but not covered, or impact cannot be priced.
    """
    tape = _tape(bars, decisions, setup)
    age = np.arange(len(tape.times)) - tape.by_row(tape.first)
    quantity = np.where(age >= setup.execution.delay, 1 / tape.price, 0.0)
    book = Book(quantity, turnover=(age == setup.execution.delay).astype(np.float64))
    return keep_accounts(tape, book, setup=setup, settlements=settlements)


def _tape(bars: pl.DataFrame, decisions: pl.DataFrame, setup: BacktestSetup) -> Tape:
    known = liquidity(bars) if setup.charges_impact else bars
    return Tape.of(traded_bars(known, decisions), setup.execution)


def _book(tape: Tape, orders: Orders, setup: BacktestSetup) -> Book:
    """What is held and traded: the tranches, scaled to the limits and rounded to lots."""
    held, scale = _tranches(tape, orders, setup), _scale(tape, orders, setup)
    quantity = held[0] * scale
    if setup.limits.lot is not None:
        quantity = whole_lots(tape, quantity, setup.limits, capital=setup.share(len(tape.first)))
    quantity[tape.last] = 0.0
    change = quantity - tape.before(quantity)
    if not orders.has_resting:
        return Book(quantity, np.abs(change) * tape.price)
    # An exit inside the bar comes after the fills at its open and before those at its close.
    left, size, worth = held[1:] * (scale if setup.at_open else tape.before(scale))
    return Book(quantity, np.abs(change + left) * tape.price + size, inside=worth - left * tape.price)


def _tranches(tape: Tape, orders: Orders, setup: BacktestSetup) -> Floats:
    """Quantity after each row and what left inside its bar, see ``kernels.hold``."""
    from assay.market.backtest.kernels import hold

    held = np.zeros((4 if orders.has_resting else 1, len(tape.times)))
    placed = np.stack([tape.price, orders.weight, orders.resting])
    hold(tape.bounds, setup.walk, placed, orders.leave, held)
    return held


def _scale(tape: Tape, orders: Orders, setup: BacktestSetup) -> Floats:
    """The share of the tranches that the limits let the book hold after each row."""
    from assay.market.backtest.kernels import expose

    planned = np.zeros(len(tape.times))
    if not setup.limits.scales:
        return planned + 1
    placed = np.stack([tape.price, orders.weight, tape.close])
    expose(tape.bounds, setup.walk, placed, orders.leave, planned)
    return scale_of(tape, planned, setup.limits, setup.execution.delay)
