"""A seeded market with everything in it that a leak could hide at: feeds, gaps, late listings, missing values."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from assay.market.timeline import FeedRule, join_feeds, stamp_feed

START = datetime(2022, 3, 1, tzinfo=UTC)
EVERY = timedelta(hours=4)
TIME = pl.Datetime("us", "UTC")
RULE = FeedRule(stamp="published", latency=timedelta(0))


def make_market(seed: int = 0, *, entities: int = 5, bars: int = 600) -> pl.DataFrame:
    """Bars of entities that share half of their moves; some are listed late, some rows and values are missing."""
    rng = np.random.default_rng(seed)
    shock = rng.normal(0, 0.01, bars)
    parts = []
    for number in range(entities):
        late = 60 * max(0, number - 2)
        own = shock[late:] + rng.normal(0, 0.01, bars - late)
        close = 100 * np.exp(np.cumsum(own))
        parts.append(
            pl.DataFrame(
                {
                    "entity": f"E{number}",
                    "time": [START + EVERY * bar for bar in range(late, bars)],
                    "open": close * np.exp(rng.normal(0, 0.003, len(close))),
                    "close": close,
                    "volume": np.exp(rng.normal(3, 1, len(close))),
                    "sector": ["left", "right"][number % 2],
                    "amount": np.where(rng.random(len(close)) < 0.1, np.nan, rng.normal(0, 1, len(close))),
                    "jump": False,
                }
            )
        )
    panel = pl.concat(parts).with_columns(pl.col("time").cast(TIME), pl.col("amount").fill_nan(None))
    panel = panel.with_columns(
        high=pl.max_horizontal("open", "close") * 1.001, low=pl.min_horizontal("open", "close") * 0.999
    )
    return panel.filter(pl.Series(rng.random(panel.height) > 0.01)).sort("entity", "time")


def make_feed(seed: int = 0, *, bars: int = 600, spacing: int = 3) -> pl.DataFrame:
    """A market-wide feed with one fact every few bars, known at once."""
    rng = np.random.default_rng(seed + 1000)
    times = [START + EVERY * bar for bar in range(0, bars, spacing)]
    raw = pl.DataFrame({"time": times, "rate": np.cumsum(rng.normal(0, 1, len(times)))})
    return stamp_feed(raw.with_columns(pl.col("time").cast(TIME)), RULE, bar=EVERY)


def make_labels(panel: pl.DataFrame, horizon: int = 3) -> pl.DataFrame:
    """What a decision earns over the bars after the next one."""
    ahead = (pl.col("close").shift(-1 - horizon) / pl.col("close").shift(-1) - 1).over("entity")
    end = pl.col("time").shift(-1 - horizon).over("entity")
    return panel.select("entity", "time", label_end=end, forward_return=ahead)


def join(panel: pl.DataFrame, feed: pl.DataFrame, rule: FeedRule = RULE) -> pl.DataFrame:
    """The panel with the feed ``fed``."""
    return join_feeds(panel, {"fed": feed}, {"fed": rule})


@pytest.fixture(scope="session")
def market() -> Callable[..., pl.DataFrame]:
    """Maker of panels."""
    return make_market


@pytest.fixture(scope="session")
def feed() -> Callable[..., pl.DataFrame]:
    """Maker of feeds."""
    return make_feed


@pytest.fixture(scope="session")
def labels() -> Callable[..., pl.DataFrame]:
    """Maker of labels."""
    return make_labels


@pytest.fixture(scope="session")
def joined() -> Callable[..., pl.DataFrame]:
    """Joins a feed to a panel under the name ``fed``."""
    return join


@pytest.fixture(scope="session")
def test_of() -> Callable[[dict[str, Any], str], dict[str, Any]]:
    """The record of one test of a document."""
    return lambda document, name: next(test for test in document["tests"] if test["id"] == name)
