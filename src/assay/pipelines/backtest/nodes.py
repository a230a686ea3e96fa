"""Nodes of the stage ``backtest``."""

from typing import Any

import polars as pl

from assay.market import trading, trials
from assay.market.calibration import CalibrationRule
from assay.market.ensembles import EnsembleRules
from assay.market.labels import LabelRule
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
    primary: Primary,
    ensembles: EnsembleRules,
    backtest: BacktestRule,
    labels: LabelRule,
    calibration: CalibrationRule | None = None,
    **made: Any,  # noqa: ANN401
) -> list[Document]:
    """The record of every configuration whose out-of-sample result was computed."""
    tried = trials.configurations(
        Plan.model_validate(made["plan"]),
        best_params=made["best_params"],
        ensembles=ensembles,
        primary=primary,
        rules={"backtest": backtest, "labels": labels, "calibration": calibration},
    )
    return trials.outer_trials(made["ledger"], tried)


def deflate(outer_trials: list[Document], ledger: pl.DataFrame, plan: Document) -> Document:
    """What the number of all trials there ever were leaves of the Sharpe ratios."""
    return trials.deflate(outer_trials, ledger, horizon=Plan.model_validate(plan).horizon)
