"""A vectorised ledger of overlapping tranches after costs."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.market.costs import BP, Costs, Funding, funding_schedule
from assay.market.errors import DataError
from assay.market.execution import Execution
from assay.market.tables import CLASSES

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class BacktestSetup:
    """What the ledger needs to know besides bars and decisions.

    Attributes:
        horizon: Bars a tranche is held; that of the labels.
        execution: Delay and price field of fills; that of the labels.
        costs: Cost of trading.
        funding: Cost of holding.
    """

    horizon: int
    execution: Execution
    costs: Costs
    funding: Funding


def traded_bars(bars: pl.DataFrame, decisions: pl.DataFrame) -> pl.DataFrame:
    """Give the bars of the ledger: per entity from its first decision to the end of its data."""
    first = decisions.group_by("entity").agg(first=pl.col("time").min())
    return bars.join(first, on="entity", maintain_order="left").filter(pl.col("time") >= pl.col("first")).drop("first")


def run_ledger(
    bars: pl.DataFrame, decisions: pl.DataFrame, *, setup: BacktestSetup, settlements: pl.DataFrame | None
) -> pl.DataFrame:
    """Keep the books of every entity, bar by bar.

    A decision at t opens a tranche of fixed quantity ``side / (horizon * price)`` at row t + delay and closes it
    ``horizon`` rows later, so a tranche earns ``side * forward_return / horizon`` of the entity's capital. Tranches are
    netted before they trade. What is still open at the last bar of an entity is closed there and pays its cost. A fill
    whose price field is null is made at the close of that bar. With ``price: open`` a row is valued at the open of its
    bar. Funding is paid at settlements inside (previous time, time] on the position held during that bar, valued at
    its close. Notional is fixed: gains are not reinvested.

    Args:
        bars: Bars, sorted by entity and time.
        decisions: ``entity, time, side``; a bar without a decision opens nothing.
        setup: Horizon, execution and costs.
        settlements: Funding settlements, see ``funding_schedule``.

    Returns:
        Ledger: ``entity, time, position`` (signed share of the entity's capital at the row's price, held into the next
        bar), ``turnover, fees, slippage, funding, gross, pnl`` (shares of the entity's capital), ``equity``
        (1 + cumulative pnl). Grain of ``traded_bars``; no nulls.

    Raises:
        DataError: A decision has no bar, is there twice or has another side than -1, 0, 1; or funding is required but
            not covered.
    """
    _check_decisions(bars, decisions)
    rows = _priced(bars, decisions, setup.execution).join(
        decisions.select("entity", "time", "side"), on=["entity", "time"], how="left", maintain_order="left"
    )
    rows = rows.with_columns(q=_tranches(rows, setup))
    traded = (pl.col("q") - pl.col("q").shift(1, fill_value=0.0)).abs() * pl.col("price")
    return _book(rows.with_columns(turnover=traded.over("entity")), setup=setup, settlements=settlements)


def buy_and_hold(
    bars: pl.DataFrame, decisions: pl.DataFrame, *, setup: BacktestSetup, settlements: pl.DataFrame | None
) -> pl.DataFrame:
    """Hold each entity long with its whole share of the capital, from the first fill of the ledger to the end.

    Same rows, prices, funding and fixed notional as ``run_ledger``: every bar earns its simple return on the same
    notional, so the total is the sum of the simple returns, not the price change. Only the entry pays; the position is
    brought back to its notional without cost and stays open, which favours this benchmark.

    Args:
        bars: Bars, sorted by entity and time.
        decisions: The decisions of the ledger to compare with; their sides are not read.
        setup: Execution and costs.
        settlements: Funding settlements, see ``funding_schedule``.

    Returns:
        Ledger, see ``run_ledger``.

    Raises:
        DataError: Funding is required but not covered.
    """
    rows = _priced(bars, decisions, setup.execution)
    age = pl.int_range(pl.len()).over("entity")
    rows = rows.with_columns(
        q=pl.when(age >= setup.execution.delay).then(1 / pl.col("price")).otherwise(0.0),
        turnover=(age == setup.execution.delay).cast(pl.Float64),
    )
    return _book(rows, setup=setup, settlements=settlements)


def _check_decisions(bars: pl.DataFrame, decisions: pl.DataFrame) -> None:
    key = ["entity", "time"]
    problems = {
        "have no bar": decisions.join(bars, on=key, how="anti"),
        "are there more than once": decisions.filter(pl.struct(key).is_duplicated()),
        f"have a side that is none of {CLASSES}": decisions.filter(
            ~pl.col("side").is_in(CLASSES).fill_null(value=False)
        ),
    }
    for problem, rows in problems.items():
        if rows.height:
            raise DataError(
                "decisions",
                f"{rows.height} of {decisions.height} {problem}",
                expected="one decision with a side of -1, 0 or 1 on an existing bar",
                found="first: {} at {}, side {}".format(*rows.select(*key, "side").row(0)),
                do="give the ledger the bars that the predictions were made on",
            )


def _priced(bars: pl.DataFrame, decisions: pl.DataFrame, execution: Execution) -> pl.DataFrame:
    return traded_bars(bars, decisions).select(
        "entity", "time", "close", price=pl.coalesce(execution.price, "close").cast(pl.Float64)
    )


def _tranches(rows: pl.DataFrame, setup: BacktestSetup) -> pl.Series:
    """Quantity held after the fills of each row: the sum of the last ``horizon`` orders of the entity."""
    orders, age, last = rows.select(
        order=pl.col("side").fill_null(0).shift(setup.execution.delay, fill_value=0).over("entity")
        / (setup.horizon * pl.col("price")),
        age=pl.int_range(pl.len()).over("entity"),
        last=pl.col("entity").ne_missing(pl.col("entity").shift(-1)),
    )
    order, rank = orders.to_numpy(), age.to_numpy()
    held: Floats = np.zeros(rows.height)
    # Lag by lag and not by a running total: a closed tranche leaves no rounding dust behind.
    for lag in range(min(setup.horizon, rows.height)):
        held[lag:] += np.where(rank[lag:] >= lag, order[: rows.height - lag], 0.0)
    return pl.Series(np.where(last.to_numpy(), 0.0, held))


def _book(rows: pl.DataFrame, *, setup: BacktestSetup, settlements: pl.DataFrame | None) -> pl.DataFrame:
    """Value quantity ``q`` and ``turnover`` of each row in money."""
    q, price = pl.col("q"), pl.col("price")
    before = pl.col("before")
    during = before if setup.execution.price == "close" else q
    return (
        rows.with_columns(rate=_rates(rows, setup.funding, settlements))
        .with_columns(before=q.shift(1, fill_value=0.0).over("entity"), last_price=price.shift(1).over("entity"))
        .with_columns(
            position=q * price,
            funding=pl.col("rate") * during * pl.col("close"),
            gross=before * (price - pl.col("last_price").fill_null(price)),
        )
        .with_columns(
            fees=pl.col("turnover") * setup.costs.fee_bp * BP,
            slippage=pl.col("turnover") * setup.costs.half_spread_bp * BP,
        )
        .with_columns(pnl=pl.col("gross") - pl.col("fees") - pl.col("slippage") - pl.col("funding"))
        .select(
            *("entity", "time", "position", "turnover", "fees", "slippage", "funding", "gross", "pnl"),
            equity=1 + pl.col("pnl").cum_sum().over("entity"),
        )
    )


def _rates(rows: pl.DataFrame, funding: Funding, settlements: pl.DataFrame | None) -> pl.Series:
    """Sum of the funding rates settled inside (previous time, time] of each row."""
    schedule = funding_schedule(rows, settlements, funding).select("entity", "rate", settled="time")
    due = schedule.join_asof(
        rows.select("entity", "time"),
        left_on="settled",
        right_on="time",
        by="entity",
        strategy="forward",
        coalesce=False,
        check_sortedness=False,
    )
    rates = due.drop_nulls("time").group_by("entity", "time", maintain_order=True).agg(pl.col("rate").sum())
    joined = rows.select("entity", "time").join(rates, on=["entity", "time"], how="left", maintain_order="left")
    return joined["rate"].fill_null(0.0)
