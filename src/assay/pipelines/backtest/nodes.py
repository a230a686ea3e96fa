"""Nodes of the stage ``backtest``."""

from typing import Any

import polars as pl

from assay.market import trading
from assay.market.plan import Plan
from assay.market.trading import BacktestRule

Document = dict[str, Any]


def simulate(
    bars: pl.DataFrame,
    oos: pl.DataFrame,
    plan: Document,
    params: BacktestRule,
    settlements: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """The books of every model, and of buying and holding, after costs."""
    return trading.simulate(bars, oos, Plan.model_validate(plan), rule=params, settlements=settlements)


def measure(
    bars: pl.DataFrame,
    ledger: pl.DataFrame,
    plan: Document,
    params: BacktestRule,
    settlements: pl.DataFrame | None = None,
) -> tuple[Document, list[Document]]:
    """What every model earned, and the record of every configuration whose result was computed."""
    fixed = Plan.model_validate(plan)
    told = trading.measure(bars, ledger, fixed, rule=params, settlements=settlements)
    return told, trading.outer_trials(ledger, fixed, params)
