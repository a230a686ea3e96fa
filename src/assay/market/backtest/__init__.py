"""From predictions to money: positions, books after costs, and what they earned."""

from assay.market.backtest.ledger import buy_and_hold, run_ledger, traded_bars
from assay.market.backtest.limits import Limits
from assay.market.backtest.performance import bars_per_year, performance, portfolio
from assay.market.backtest.policy import Policy, weights
from assay.market.backtest.setup import BacktestSetup, Holding
from assay.market.backtest.tape import Floats

__all__ = [
    "BacktestSetup",
    "Floats",
    "Holding",
    "Limits",
    "Policy",
    "bars_per_year",
    "buy_and_hold",
    "performance",
    "portfolio",
    "run_ledger",
    "traded_bars",
    "weights",
]
