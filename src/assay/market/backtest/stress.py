"""What is left of a book when trading costs more, and how much capital it can carry."""

from typing import Any

import polars as pl

from assay.market.backtest.performance import sharpe_ratio
from assay.market.costs import BP

MULTIPLES = (0.0, 0.5, 1.0, 2.0, 3.0, 4.0)
TRADING = ("fees", "slippage", "impact")  # paid for each trade; funding and borrowing are paid for holding


def stress(portfolio: pl.DataFrame, *, bars_per_year: float) -> list[dict[str, float | None]]:
    """Price the same trades again at a multiple of what trading costs.

    Positions stay as they were, because they are decided without knowing the costs. Funding and borrowing stay too.

    Args:
        portfolio: Table of ``performance.portfolio``.
        bars_per_year: Bars per year.

    Returns:
        ``multiple, sharpe, annual_return`` for 0 to 4 times the costs; ``sharpe`` None where the book never moved.
    """
    net, cost = portfolio["ret"].to_numpy(), portfolio.select(pl.sum_horizontal(TRADING)).to_series().to_numpy()
    rows: list[dict[str, float | None]] = []
    for multiple in MULTIPLES:
        ret = net - (multiple - 1.0) * cost
        sharpe = sharpe_ratio(ret, bars_per_year=bars_per_year)
        rows.append({"multiple": multiple, "sharpe": sharpe, "annual_return": float(ret.mean()) * bars_per_year})
    return rows


def break_even(portfolio: pl.DataFrame) -> float | None:
    """Cost per unit of turnover, one way, at which the book ends where it began.

    Args:
        portfolio: Table of ``performance.portfolio``.

    Returns:
        Basis points: (gross - funding - borrow) / turnover; below 0 for a book that loses before it pays for trades,
        None for one that never trades.
    """
    totals = portfolio.select(pl.col("gross", "funding", "borrow", "turnover").sum()).row(0, named=True)
    if totals["turnover"] <= 0:
        return None
    return float((totals["gross"] - totals["funding"] - totals["borrow"]) / totals["turnover"] / BP)


def capacity(portfolio: pl.DataFrame, capital: float | None) -> dict[str, Any]:
    """Capital at which the impact of its own trades takes all that the book earns.

    By the square-root law the cost of impact, as a share of the capital, grows with the root of the capital. So what
    the book earns before impact is gone at ``capital * (earned / impact) ** 2``.

    Args:
        portfolio: Table of ``performance.portfolio``, with the impact at ``capital``.
        capital: Capital that the impact was charged for, in the quote currency; None when none was given.

    Returns:
        ``capital`` (None where it is not known) and ``said``.
    """
    totals = portfolio.select(pl.col("ret", "impact").sum()).row(0, named=True)
    if capital is None or totals["impact"] <= 0:
        said = "Not known: no capital is given, or no impact is charged, so what trades do to prices is left out."
        return {"capital": None, "said": said}
    earned = totals["ret"] + totals["impact"]
    if earned <= 0:
        return {"capital": None, "said": "None: the book loses before its trades move any price."}
    found = capital * (earned / totals["impact"]) ** 2
    return {"capital": found, "said": f"At {found:,.0f} in the quote currency impact takes all that the book earns."}
