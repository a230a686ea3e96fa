"""What a book earns beyond the drift of what it holds."""

import polars as pl

from assay.market.backtest.tape import Floats
from assay.market.tables import KEY


def timing_returns(ledger: pl.DataFrame, market: pl.DataFrame) -> dict[str, Floats]:
    """Net returns of each model without drift: (position - its mean so far) * return less costs, over all entities.

    What is taken away is what a holder of the average position since the first would have earned, funding included
    (Grinblatt and Titman 1993 take earlier weights alike). The mean of all bars would know later positions: these
    answer to earlier returns, so it would favour a book that trades against the last move and punish one that follows
    it, both by about sqrt(bars that its signal looks back on / bars of the book) standard errors.

    Args:
        ledger: Ledger of all models.
        market: Ledger of buying and holding, whose return per bar, funding included, is that of a position of 1.

    Returns:
        By model, one value per time of its book, as shares of the whole capital.
    """
    carried = market.select(*KEY, carried=pl.col("gross") - pl.col("funding"))
    held = pl.col("position").shift(1, fill_value=0.0)
    since_first = (held != 0).cum_max().cum_sum()
    so_far = (held.cum_sum() / pl.max_horizontal(since_first, 1)).over("model", "entity")
    share = 1 / ledger["entity"].n_unique()
    returns = (
        ledger.with_columns(so_far=so_far)
        .join(carried, on=KEY, how="left", maintain_order="left")
        .with_columns(timing=(pl.col("pnl") - pl.col("so_far") * pl.col("carried")) * share)
        .group_by("model", "time")
        .agg(pl.col("timing").sum())
        .sort("model", "time")
    )
    parts = returns.partition_by("model", as_dict=True)
    return {str(key[0]): part["timing"].to_numpy() for key, part in parts.items()}
