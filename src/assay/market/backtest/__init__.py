"""From predictions to money: positions, books after costs, and what they earned."""

from assay.market.backtest.ledger import BacktestSetup, Floats, buy_and_hold, run_ledger, traded_bars
from assay.market.backtest.performance import bars_per_year, performance, portfolio
from assay.market.backtest.policy import Policy, sides

__all__ = [
    "BacktestSetup",
    "Floats",
    "Policy",
    "bars_per_year",
    "buy_and_hold",
    "performance",
    "portfolio",
    "run_ledger",
    "sides",
    "traded_bars",
]
