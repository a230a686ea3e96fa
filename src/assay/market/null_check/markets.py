"""A simulated market in the raw tables that a workload's ingestion reads."""

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.market.errors import DataError
from assay.market.null_check.rule import Tables
from assay.market.simulator import Market, MarketRule, simulate

Raw = dict[str, pl.DataFrame]

EXCHANGE = "America/New_York"
SESSIONS = 252  # a year
GAUGE = 0.05  # standard deviation of the log of the volatility index around the volatility
OIL, OIL_VOLATILITY = 60.0, 0.02


def raw_tables(tables: Tables, rule: MarketRule, *, times: pl.Series) -> Raw:
    """Raw tables of a simulated market, by noun.

    Args:
        tables: ``perpetuals``: bars, funding and open interest, in which a planted signal shows. ``indices``: daily
            bars, a volatility index that gauges the volatility of the next bar, and an oil price that knows nothing.
        rule: The market.
        times: Closes of the workload's own bars; the sessions of ``indices`` are the newest of them.

    Returns:
        What the sources of the workload would hold: ``bars_raw`` and one ``<feed>_raw`` for each feed.

    Raises:
        DataError: Indices are asked for longer than there are sessions.
    """
    if tables == "indices":
        return _indices(rule, _sessions(times, rule.bars))
    market = simulate(rule)
    return {"bars_raw": market.bars, "funding_raw": market.funding, "open_interest_raw": market.open_interest}


def _sessions(times: pl.Series, count: int) -> pl.Series:
    days = times.dt.convert_time_zone(EXCHANGE).dt.date().unique().sort()
    if len(days) < count:
        raise DataError(
            "simulated indices",
            "need more sessions than the workload's own bars have",
            expected=f"{count} sessions",
            found=len(days),
            do="lower null_check.workloads.<workload>.market.bars",
        )
    return days.tail(count)


def _indices(rule: MarketRule, days: pl.Series) -> Raw:
    market = simulate(rule)
    grid = market.bars["time"].unique().sort()
    bars = market.bars.with_columns(date=pl.col("time").replace_strict(grid, days)).drop("time")
    rng = np.random.default_rng([rule.seed, 1])
    gauge = _volatility(market) * np.exp(GAUGE * rng.standard_normal(len(days)))
    oil = OIL * np.exp(np.cumsum(OIL_VOLATILITY * rng.standard_normal(len(days))))
    return {
        "bars_raw": bars.select("entity", "date", "open", "high", "low", "close", "volume"),
        "vix_raw": pl.DataFrame({"date": days, "value": 100 * np.sqrt(SESSIONS) * gauge}),
        "wti_raw": pl.DataFrame({"date": days, "value": oil}),
    }


def _volatility(market: Market) -> npt.NDArray[np.float64]:
    """Volatility of the next bar, mean over the symbols, at each bar; at the last bar that of the bar before."""
    known = market.truth.group_by("time").agg(pl.col("volatility").fill_nan(None).mean()).sort("time")
    return known["volatility"].forward_fill().to_numpy()
