"""Nodes of the stage ``backtest``."""

from typing import Any

import polars as pl

from assay.market import trading, trials
from assay.market.plan import Plan
from assay.market.primary import Primary
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
) -> Document:
    """What every model earned, and what it is held against."""
    return trading.measure(bars, ledger, Plan.model_validate(plan), rule=params, settlements=settlements)


def record(
    ledger: pl.DataFrame,
    plan: Document,
    primary: Primary,
    best_params: Document,
    **rules: Any,  # noqa: ANN401
) -> list[Document]:
    """The record of every configuration whose out-of-sample result was computed."""
    made = rules.pop("ensembles")
    fixed = Plan.model_validate(plan)
    tried = trials.configurations(fixed, best_params=best_params, ensembles=made, primary=primary, rules=rules)
    return trials.outer_trials(ledger, tried)


def deflate(outer_trials: list[Document], ledger: pl.DataFrame, plan: Document) -> Document:
    """What the number of all trials there ever were leaves of the Sharpe ratios."""
    return trials.deflate(outer_trials, ledger, horizon=Plan.model_validate(plan).horizon)
