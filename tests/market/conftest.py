"""A small synthetic market for the tests of models, tuning and walk-forward."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

START = datetime(2020, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
KEY = {"entity": pl.String, "time": pl.Datetime("us", "UTC")}
ToyMarket = Callable[..., tuple[pl.DataFrame, pl.DataFrame]]


def make_toy_market(
    bars: int = 300, entities: int = 2, horizon: int = 3, skill: float = 0.6, seed: int = 0
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Features and labels in which ``signal`` has correlation ``skill`` with the outcome, and nothing else helps."""
    rng = np.random.default_rng(seed)
    rows = bars * entities
    signal, outcome = rng.standard_normal((2, rows))
    outcome = skill * signal + np.sqrt(1 - skill**2) * outcome
    key = pl.DataFrame(
        {
            "entity": np.repeat([f"E{number}" for number in range(entities)], bars),
            "time": [START + HOUR * bar for bar in range(bars)] * entities,
        },
        schema=KEY,
    )
    columns = {
        "return_1": rng.standard_normal(rows),
        "signal": signal,
        **{f"noise_{number}": rng.standard_normal(rows) for number in range(4)},
        "twin": 2 * signal + 0.01 * rng.standard_normal(rows),
        "constant": np.ones(rows),
    }
    features = key.with_columns(pl.Series(name, column, dtype=pl.Float32) for name, column in columns.items())
    gaps = pl.Series(rng.random(rows) < 0.1)
    features = features.with_columns(pl.when(~gaps).then("noise_3").alias("noise_3"))
    classes = pl.Series(np.where(np.abs(outcome) > 0.5, np.sign(outcome), 0), dtype=pl.Int8)
    end = pl.col("time") + HOUR * (horizon + 1)
    known = end <= key["time"].max()
    labels = key.with_columns(
        (pl.col("time") + HOUR).alias("start"),
        pl.when(known).then(end).alias("label_end"),
        pl.when(known).then(pl.Series(outcome * 0.01)).alias("forward_return"),
        pl.lit(0.01).alias("scale"),
        pl.when(known).then(classes).alias("label"),
    )
    return features, labels


@pytest.fixture(scope="session")
def toy_market() -> ToyMarket:
    """Maker of small synthetic markets."""
    return make_toy_market
