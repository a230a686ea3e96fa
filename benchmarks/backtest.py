"""Seconds and memory of the ledger, as a Markdown table.

    python benchmarks/backtest.py               # 30 entities x 100,000 bars
    python benchmarks/backtest.py 12 20000      # entities, bars

A market of random walks with a decision at every bar but the first ten, after a small one has warmed up the kernels.
Each figure is the best of three on the machine at hand; the peak is that of the process, bars and decisions included.
"""

import resource
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from time import perf_counter

import numpy as np
import polars as pl

from assay.market.backtest import BacktestSetup, Limits, buy_and_hold, run_ledger
from assay.market.costs import Costs, Funding
from assay.market.execution import Execution

HOUR = timedelta(hours=1)
START = datetime(2010, 1, 1, tzinfo=UTC)
HORIZON, WARM_UP, REPEATS = 5, 10, 3
PLAIN = BacktestSetup(HORIZON, Execution(), Costs(fee_bp=4, half_spread_bp=1), Funding(kind="none"))


def market(entities: int, bars: int, seed: int = 0) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Bars, decisions with exits, and funding settlements every eight hours."""
    rng = np.random.default_rng(seed)
    close = (100 * np.exp(np.cumsum(rng.normal(0, 0.005, (bars, entities)), axis=0))).T.ravel()
    start = pl.lit(START).cast(pl.Datetime("us", "UTC"))
    names = np.repeat([f"E{number:03}" for number in range(entities)], bars)
    table = pl.DataFrame({"entity": names, "time": np.tile(np.arange(bars), entities), "close": close})
    table = table.with_columns(
        pl.col("time") * HOUR + start,
        *(pl.col("close").alias(name) for name in ("open", "high", "low")),
        volume=pl.Series(np.exp(rng.normal(8, 1, close.size))),
        jump=pl.lit(value=False),
    )
    age = pl.int_range(pl.len()).over("entity")
    decisions = table.select(
        "entity",
        "time",
        weight=pl.Series(rng.uniform(-1.5, 1.5, close.size)),
        exit=pl.col("time") + pl.Series(rng.integers(2, 2 + HORIZON, close.size)) * HOUR,
    ).filter(table.select(age >= WARM_UP).to_series())
    settlements = table.filter(pl.col("time").dt.hour() % 8 == 0).select("entity", event_time="time", rate=pl.lit(1e-4))
    return table, decisions, settlements


def setups() -> dict[str, BacktestSetup]:
    """One thing at a time, and all of them."""
    dear = Costs(fee_bp=4, half_spread_bp=1, maker_bp=-1, maker_share=0.3, impact=1.0, borrow_bp=300)
    some = {
        "fees and spread": PLAIN,
        "funding at its settlements": replace(PLAIN, funding=Funding()),
        "impact": replace(PLAIN, costs=dear, capital=1e6),
        "limits and lots": replace(PLAIN, limits=Limits(max_position=0.5, max_gross=0.3, lot=0.01), capital=1e6),
        "held to exits": replace(PLAIN, holding="label_end"),
        "horizon of 100 bars": replace(PLAIN, horizon=100),
    }
    every = {"costs": dear, "funding": Funding(), "holding": "label_end", "capital": 1e6}
    return some | {"all but the long horizon": replace(some["limits and lots"], **every)}


def seconds(work: object, *args: object, **more: object) -> float:
    """Shortest of a few runs."""
    took = []
    for _ in range(REPEATS):
        begin = perf_counter()
        work(*args, **more)
        took.append(perf_counter() - begin)
    return min(took)


if __name__ == "__main__":
    entities, bars = (int(number) for number in sys.argv[1:3] or (30, 100_000))
    small, (table, decisions, settlements) = market(3, 300), market(entities, bars)
    for setup in setups().values():
        run_ledger(*small[:2], setup=setup, settlements=small[2])
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{entities} entities x {bars:,} bars; bars and decisions take the process to {base:.1f} GB\n")
    print("| ledger | s | peak, GB |")
    print("|---|---|---|")
    cases = [(name, run_ledger, setup) for name, setup in setups().items()]
    for name, work, setup in [*cases, ("buy and hold", buy_and_hold, PLAIN)]:
        took = seconds(work, table, decisions, setup=setup, settlements=settlements)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"| {name} | {took:.2f} | {peak:.1f} |", flush=True)
