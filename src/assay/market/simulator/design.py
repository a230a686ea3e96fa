"""Inputs and outcomes of a mock market without bars and features: to hold models against the ceiling."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.market.execution import Execution
from assay.market.simulator.dynamics import COUPLING, Floats, ar1
from assay.market.simulator.market import Market
from assay.market.simulator.paths import stream

SIGNALS = ("open_interest", "funding", "activity")
GAUGE = 0.4  # standard deviation of the error with which activity shows the regime


@dataclass(frozen=True)
class Design:
    """Rows of a market, sorted by symbol and time; each row holds what was known at its time.

    Attributes:
        keys: ``entity, time`` (close of the bar at which is decided).
        names: Columns of ``X``.
        X: Open interest and funding in standard deviations, activity (the regime with an error), then noise with the
            same autocorrelations. Shape (rows, 3 + noise).
        y: Log return of the label in units of the volatility of each of its bars, shape (rows,).
        returns: Log return of the label.
        signal: The planted signal that was known, shape (rows,).
    """

    keys: pl.DataFrame
    names: list[str]
    X: npt.NDArray[np.float32]
    y: Floats
    returns: Floats
    signal: Floats


def design(market: Market, *, noise: int = 158, horizon: int = 1, execution: Execution | None = None) -> Design:
    """Make inputs and outcomes.

    Args:
        market: Without gaps and late listings all rows of the grid that have a label; else those that are listed.
        noise: Number of columns that know nothing: Gaussian, with the autocorrelation of open interest and funding in
            turn.
        horizon: Bars between entry and exit.
        execution: When the position is entered. None: at the close of the decision.
    """
    wait = 0 if execution is None else execution.delay - (execution.price == "open")
    paths, rule = market.paths, market.rule
    last = rule.bars - wait - horizon
    rows = market.listed[:, :last]
    moves = np.stack([paths.returns, paths.returns / paths.volatility(rule)])
    total = np.concatenate([np.zeros((2, rule.symbols, 1)), np.cumsum(moves, axis=-1)], axis=-1)
    outcomes = total[..., wait + horizon + 1 :] - total[..., wait + 1 : -horizon]
    rng = stream(rule, "design")
    activity = paths.regime + GAUGE * rng.standard_normal(paths.regime.shape)
    visible = np.stack([*paths.published[:2], activity])[..., :last][:, rows]
    X = np.empty((visible.shape[1], len(SIGNALS) + noise), dtype=np.float32, order="F")
    X[:, : len(SIGNALS)] = visible.T
    for number in range(noise):
        memory = COUPLING[number % 2, number % 2]
        X[:, len(SIGNALS) + number] = _noise(paths.regime.shape, memory, rng)[:, :last][rows]
    keys = market.truth.select("entity", "time").filter(pl.Series(_labelled(market, last)))
    names = [*SIGNALS, *(f"noise_{number}" for number in range(noise))]
    y = outcomes[..., :last][:, rows]
    return Design(keys, names, X, y[1], y[0], paths.signal[:, :last][rows])


def _noise(shape: tuple[int, ...], memory: float, rng: np.random.Generator) -> Floats:
    return ar1(np.sqrt(1 - memory**2) * rng.standard_normal(shape), memory, rng.standard_normal(shape[0]))


def _labelled(market: Market, last: int) -> npt.NDArray[np.bool_]:
    """Of the rows of the truth, those whose label ends within the data."""
    labelled = np.zeros_like(market.listed)
    labelled[:, :last] = True
    return np.asarray(labelled[market.listed])
