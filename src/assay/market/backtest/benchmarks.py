"""What a book is held against besides the market: doing nothing, and the same trades at other times."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.market.backtest.tape import Floats
from assay.market.tables import KEY

ENTRIES = 1000


@dataclass(frozen=True)
class Entries:
    """How entries are drawn.

    Attributes:
        horizon: Bars that a position is held: every book is moved by at least so many.
        seed: Seed of the draws.
        bars_per_year: Bars per year.
    """

    horizon: int
    seed: int
    bars_per_year: float


def always_flat(market: pl.DataFrame) -> pl.DataFrame:
    """The book of doing nothing.

    Args:
        market: Any ledger; gives the rows.

    Returns:
        Ledger that holds nothing, trades nothing and pays nothing.
    """
    numbers = [name for name, dtype in market.schema.items() if dtype.is_float()]
    return market.with_columns(pl.lit(0.0).alias(name) for name in numbers).with_columns(equity=pl.lit(1.0))


def random_entries(book: pl.DataFrame, market: pl.DataFrame, *, drawn: Entries) -> dict[str, Any]:
    """Hold a book against the same trades at other times.

    The positions of the book and what they cost are moved along the time axis as on a circle, all entities together, by
    an offset of at least one horizon from where they were. So every random book holds as long, as much, as often, and
    the same entities together as the book: it has its turnover, its costs and its lean to one side, and nothing of its
    timing. (Random signs would take its lean away too, and would count drift as skill.) The seam of the circle is no
    trade. Offsets are drawn without putting back; a short history has fewer than 1,000.

    Args:
        book: Ledger of one model.
        market: Ledger of buying and holding, whose return per bar, funding included, is that of a position of 1.
        drawn: How to draw.

    Returns:
        ``entries`` (how many), ``sharpe``: 2.5 %, 50 % and 97.5 % quantile of their annualised Sharpe ratios as ``low,
        median, high``, ``beaten``: share of them below the Sharpe ratio of the book, ``said``. All None where the book
        never moved or is too short; ``beaten`` None where it hardly changes its positions, so that moved in time it is
        the same book but for about a horizon of bars on each side of the seam: these change its Sharpe ratio per bar by
        about sqrt(2 * horizon) / bars, and books that differ by less than twice that are not told apart.
    """
    held, cost, carried = _matrices(book, market)
    own = sharpe_of_shifts(held, cost, carried, np.zeros(1, dtype=np.int64))[0]
    found = sharpe_of_shifts(held, cost, carried, _offsets(len(held), drawn))
    found = found[np.isfinite(found)]
    if not np.isfinite(own) or not len(found):
        undefined = dict.fromkeys(("low", "median", "high"))
        said = "The book never moves, or is too short to be moved in time."
        return {"entries": 0, "sharpe": undefined, "beaten": None, "said": said}
    low, median, high = (float(q) * drawn.bars_per_year**0.5 for q in np.quantile(found, (0.025, 0.5, 0.975)))
    told = {"entries": len(found), "sharpe": {"low": low, "median": median, "high": high}}
    if found.std() < 2.0 * (2 * drawn.horizon) ** 0.5 / len(held):
        return told | {
            "beaten": None,
            "said": "The book hardly changes its positions: at other times it earns the same.",
        }
    beaten = float((found < own).mean())
    said = f"Better than {beaten:.0%} of {len(found):,} books with the same trades at other times."
    return told | {"beaten": beaten, "said": said}


def sharpe_of_shifts(held: Floats, cost: Floats, carried: Floats, offsets: npt.NDArray[np.int64]) -> Floats:
    """Sharpe ratio per bar of a book that is moved along a circle of bars.

    Args:
        held: Position held into each bar, (bars, entities), as a share of the whole capital.
        cost: What the book pays for trading and borrowing in each bar, (bars,).
        carried: Return of a position of 1 in each bar, (bars, entities).
        offsets: Bars to move ``held`` and ``cost`` by, each in [0, bars].

    Returns:
        (offsets,); NaN where the moved book never moves.
    """
    bars = len(held)
    twice, paid = np.concatenate([held, held]), np.concatenate([cost, cost])
    found = np.full(len(offsets), np.nan)
    for place, offset in enumerate(offsets.tolist()):
        part = slice(bars - offset, 2 * bars - offset)
        net = np.einsum("te,te->t", twice[part], carried) - paid[part]
        if bars > 1 and np.ptp(net) > 0:
            found[place] = net.mean() / net.std(ddof=1)
    return found


def _offsets(bars: int, drawn: Entries) -> npt.NDArray[np.int64]:
    free = np.arange(drawn.horizon, bars - drawn.horizon + 1)
    count = min(ENTRIES, len(free))
    return np.random.default_rng(drawn.seed).choice(free, size=count, replace=False) if count else free


def _matrices(book: pl.DataFrame, market: pl.DataFrame) -> tuple[Floats, Floats, Floats]:
    """Positions held into each bar, costs and returns per position; bars that an entity lacks are 0."""
    share = 1 / book["entity"].n_unique()
    unit = market.select(*KEY, carried=pl.col("gross") - pl.col("funding"))
    rows = book.select(
        *KEY,
        held=pl.col("position").shift(1, fill_value=0.0).over("entity") * share,
        paid=pl.sum_horizontal("fees", "slippage", "impact", "borrow") * share,
    ).join(unit, on=KEY, how="left", maintain_order="left")
    row = rows["time"].rank("dense").to_numpy() - 1
    column = rows["entity"].rank("dense").to_numpy() - 1
    shape = (int(row.max()) + 1, int(column.max()) + 1)
    held, carried = np.zeros(shape), np.zeros(shape)
    held[row, column] = rows["held"].to_numpy()
    carried[row, column] = rows["carried"].fill_null(0.0).to_numpy()
    cost = np.zeros(shape[0])
    np.add.at(cost, row, rows["paid"].to_numpy())
    return held, cost, carried
