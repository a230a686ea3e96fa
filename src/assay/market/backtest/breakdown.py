"""Where in time, and with which entities, a book was active and earned."""

from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl

from assay.market import significance

OPEN = 1e-12  # a position of less is none


def monthly(portfolio: pl.DataFrame) -> list[dict[str, Any]]:
    """Add up the net returns of each month.

    Args:
        portfolio: Table of ``performance.portfolio``.

    Returns:
        ``month`` (2024-03, UTC) and ``ret``, oldest first, months without bars left out. A bar belongs to the month in
        which it began to close: one that closes at midnight ends the month before.
    """
    month = (pl.col("time") - timedelta(microseconds=1)).dt.strftime("%Y-%m").alias("month")
    return portfolio.group_by(month, maintain_order=True).agg(pl.col("ret").sum()).to_dicts()


def by_entity(ledger: pl.DataFrame, *, bars_per_year: float) -> list[dict[str, Any]]:
    """Say what each entity earned on its own share of the capital.

    Args:
        ledger: Ledger of one model.
        bars_per_year: Bars per year.

    Returns:
        ``name``, ``ret`` (sum of net returns) and ``sharpe`` (annualised; None where nothing ever moved), in the order
        of the ledger.
    """
    pnl, moved = pl.col("pnl"), pl.col("pnl").max() > pl.col("pnl").min()
    sharpe = pl.when(moved).then(pnl.mean() / pnl.std() * bars_per_year**0.5)
    told = ledger.group_by(pl.col("entity").alias("name"), maintain_order=True)
    return told.agg(ret=pnl.sum(), sharpe=sharpe).to_dicts()


def episodes(portfolio: pl.DataFrame, *, horizon: int) -> int:
    """Count the independent times at which a book was active, each by the risk that it took.

    Args:
        portfolio: Table of ``performance.portfolio``.
        horizon: Bars that a position is held.

    Returns:
        How many equal bets at least a horizon apart the book is worth, see ``significance.episodes`` (of the squared
        exposure): positions less than that apart share their returns, and a handful of large bets is not made many by
        crumbs between them. A single decision is one episode, a book that always holds as much has one per horizon.
    """
    exposure = portfolio["exposure"].to_numpy()
    return significance.episodes(np.where(exposure > OPEN, exposure, 0.0) ** 2, horizon=horizon)
