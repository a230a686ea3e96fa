"""Returns without drift: a slow loop, and no favour for books that answer to earlier returns."""

import numpy as np
import polars as pl
import pytest

from assay.market.backtest.timing import timing_returns


def ledger(position: list[float], returns: list[float], cost: float = 0.0) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The books of one position on one entity, held into the next bar, and those of holding 1."""
    held = np.concatenate(([0.0], position[:-1]))
    rows = {"entity": "A", "time": range(len(returns)), "funding": 0.0}
    gross = pl.Series(held * returns)
    book = pl.DataFrame(rows | {"model": "m", "position": position, "gross": gross, "pnl": gross - cost})
    return book, pl.DataFrame(rows | {"gross": returns})


def test_the_position_so_far_is_the_drift() -> None:
    rng = np.random.default_rng(0)
    position, returns = [0.0, 0.0, *rng.normal(1, 1, 48)], rng.normal(0.01, 0.02, 50).tolist()
    book, market = ledger(position, returns, cost=0.001)
    found = timing_returns(book, market)["m"]
    for bar in range(50):
        since = position[2:bar]
        beyond = position[bar - 1] - sum(since) / len(since) if since else 0.0
        assert found[bar] == pytest.approx(beyond * returns[bar] - 0.001)


def test_holding_from_the_first_bar_on_is_no_timing() -> None:
    book, market = ledger([0.0, *([0.7] * 49)], np.random.default_rng(1).normal(0.01, 0.02, 50).tolist())
    assert timing_returns(book, market)["m"] == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize("answer", [-1, 1])
def test_answering_to_earlier_returns_is_no_timing_on_average(answer: int) -> None:
    """On random walks with drift; means over all bars would give a mean t of .28 here, with the sign of ``-answer``."""
    bars, past, horizon, paths = 1000, 200, 24, 300
    rng, books, markets = np.random.default_rng(2), [], []
    for path in range(paths):
        returns = rng.normal(0.0005, 0.01, bars + past)
        total = np.concatenate(([0.0], returns.cumsum()))
        side = answer * np.sign(total[past:] - total[:-past])
        position = np.convolve(side, np.full(horizon, 1 / horizon))[:bars]
        book, market = ledger(position.tolist(), returns[past - 1 : past - 1 + bars].tolist())
        books.append(book.with_columns(model=pl.lit(f"m{path}"), entity=pl.lit(f"E{path}")))
        markets.append(market.with_columns(entity=pl.lit(f"E{path}")))
    timing = timing_returns(pl.concat(books), pl.concat(markets))
    assert len(timing) == paths
    assert abs(np.mean([own.mean() / own.std() * bars**0.5 for own in timing.values()])) < 0.15
