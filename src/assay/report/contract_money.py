"""What the books owe the page: performance, curves, and how much of them survives."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from assay.market.trading import ALWAYS_FLAT, BUY_AND_HOLD
from assay.report.contract import ESTIMATE, check_rows, need

Facts = Mapping[str, Any]

_BOOK = (
    *("performance", "curve", "monthly", "by_entity", "episodes", "stress", "break_even_bp", "capacity"),
    *("random", "policy"),
)
_PERFORMANCE = (
    *("bars", "annual_return", "annual_volatility", "sharpe", "timing_sharpe", "lo_sharpe", "sortino", "calmar"),
    *("max_drawdown", "max_drawdown_bars", "win_rate", "profit_factor", "turnover_per_year", "exposure"),
    *("gross", "fees", "slippage", "impact", "borrow", "funding", "total_return"),
)


def check_backtest(backtest: Facts, models: Iterable[str]) -> None:
    """Refuse a backtest without a model or one of the two books it is held against, or a book that is not whole.

    Raises:
        DataError: Something is missing.
    """
    decided = tuple(models)
    need("backtest", backtest, (*decided, BUY_AND_HOLD, ALWAYS_FLAT))
    for name, book in backtest.items():
        need(f"backtest of {name}", book, _BOOK)
        need(f"performance of {name}", book["performance"], _PERFORMANCE)
        need(f"curve of {name}", book["curve"], ("time", "equity", "drawdown", "low", "high"))
        for ratio in ("sharpe", "timing_sharpe"):
            need(f"{ratio} of {name}", book["performance"][ratio], ESTIMATE)
        for thing in ("monthly", "by_entity", "stress"):
            check_rows(thing, book[thing])
        need(f"capacity of {name}", book["capacity"], ("capital", "said"))
    _check_decided(backtest, decided)


def _check_decided(backtest: Facts, models: Collection[str]) -> None:
    """Books that a model decides say how, and how others with the same trades fared."""
    for name in models:
        random, policy = backtest[name]["random"], backtest[name]["policy"]
        need(f"random entries of {name}", random, ("entries", "sharpe", "beaten", "said"))
        need(f"Sharpe ratios of random entries of {name}", random["sharpe"], ("low", "median", "high"))
        need(f"policy of {name}", policy, ("sizing", "said", "folds"))
        check_rows("folds of a policy", policy["folds"])
