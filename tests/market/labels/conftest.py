"""Small markets to label: random ones with faults, and bars written by hand."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
BAR = {"open": pl.Float64, "high": pl.Float64, "low": pl.Float64, "close": pl.Float64}
Panel = Callable[..., pl.DataFrame]


def make_market(seed: int = 0, lengths: tuple[int, ...] = (60, 40), *, faults: float = 0.0) -> pl.DataFrame:
    """Random walks, one per entity; ``faults`` is the share of gaps, jumps and null prices."""
    rng = np.random.default_rng(seed)

    def some(values: np.ndarray) -> list[float | None]:
        return [None if rng.random() < faults else value for value in values.tolist()]

    tables = []
    for number, length in enumerate(lengths):
        close = 100 * np.exp(0.01 * rng.standard_normal(length).cumsum())
        opened = close * np.exp(0.004 * rng.standard_normal(length))
        reach = np.exp(0.004 * np.abs(rng.standard_normal((2, length))))
        hours = np.cumsum(np.where(rng.random(length) < faults, 5, 1)).tolist()
        columns = {
            "entity": [f"E{number}"] * length,
            "time": [START + HOUR * h for h in hours],
            "open": some(opened),
            "high": some(np.maximum(opened, close) * reach[0]),
            "low": some(np.minimum(opened, close) / reach[1]),
            "close": close,
            "jump": rng.random(length) < faults,
            "interest": some(1000 * np.exp(0.02 * rng.standard_normal(length).cumsum())),
        }
        tables.append(pl.DataFrame(columns, schema_overrides={"time": pl.Datetime("us", "UTC")}))
    return pl.concat(tables)


def make_bars(bars: Sequence[Sequence[float | None]]) -> pl.DataFrame:
    """Hourly bars written by hand, (open, high, low, close) each, after forty that give a sigma of about 1%."""
    calm = [(c, c, c, c) for c in (100 * 1.01 ** (t % 2) for t in range(40))]
    table = pl.DataFrame([*calm, *bars], schema=BAR, orient="row")
    hours = [START + HOUR * t for t in range(table.height)]
    return table.with_columns(
        pl.lit("E").alias("entity"), pl.Series("time", hours, dtype=pl.Datetime("us", "UTC")), jump=pl.lit(value=False)
    )


@pytest.fixture(scope="session")
def market() -> Panel:
    """Maker of random panels."""
    return make_market


@pytest.fixture(scope="session")
def bars() -> Panel:
    """Maker of panels from bars written by hand; the first of them is row 40."""
    return make_bars


@pytest.fixture(scope="session")
def sigma() -> Callable[[list[float | None], int], float | None]:
    """Bias-corrected exponentially weighted standard deviation of the changes that are there, by hand."""

    def slow(changes: list[Any], span: int) -> float | None:
        kept = [change for change in changes if change is not None]
        if len(kept) < max(2, span // 4):
            return None
        weights = [(1 - 2 / (span + 1)) ** age for age in range(len(kept) - 1, -1, -1)]
        total, squares = sum(weights), sum(w * w for w in weights)
        mean = sum(w * r for w, r in zip(weights, kept, strict=True)) / total
        variance = sum(w * (r - mean) ** 2 for w, r in zip(weights, kept, strict=True)) / total
        return float((variance * total**2 / (total**2 - squares)) ** 0.5)

    return slow
