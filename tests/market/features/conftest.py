"""A seeded market for feature tests, and the checks that several files share."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from assay.market.features import FeatureRule
from assay.market.features.feature import REGISTRY, Feature
from assay.market.features.registry import families, load_family

FAMILIES = tuple(families())
for family in FAMILIES:
    load_family(family)


def market_panel(
    seed: int = 0,
    *,
    entities: int = 6,
    bars: int = 420,
    stagger: int = 8,
    every: timedelta = timedelta(hours=4),
    holes: float = 0.0,
) -> pl.DataFrame:
    """Random walks with bars, feeds and every optional column.

    Entity i is listed ``i * stagger`` bars late. ``holes`` is the share of bars that are missing and of fields other
    than close that are null.
    """
    rng = np.random.default_rng(seed)
    shock = rng.normal(0, 0.008, bars)
    feeds = _feeds(rng, bars)
    parts = [_entity(rng, shock, name=f"E{i}", late=i * stagger).join(feeds, on="bar") for i in range(entities)]
    start = datetime(2022, 3, 1, tzinfo=UTC)
    panel = pl.concat(parts).with_columns(
        time=(pl.lit(start) + pl.col("bar") * every).cast(pl.Datetime("us", "UTC")), jump=pl.lit(value=False)
    )
    panel = _with_holes(panel, rng, holes) if holes else panel
    return panel.drop("bar").sort("entity", "time")


def _entity(rng: np.random.Generator, shock: np.ndarray, *, name: str, late: int) -> pl.DataFrame:
    bars = len(shock) - late
    close = rng.uniform(1, 500) * np.exp(np.cumsum(shock[late:] + rng.normal(0, 0.01, bars)))
    opens = np.r_[close[0], close[:-1]] * np.exp(rng.normal(0, 0.004, bars))
    high = np.maximum(opens, close) * np.exp(rng.exponential(0.004, bars))
    low = np.minimum(opens, close) * np.exp(-rng.exponential(0.004, bars))
    volume = np.exp(rng.normal(6, 0.8, bars))
    vwap = (high + low + close) / 3
    amount = 1e5 * np.exp(np.cumsum(rng.normal(0, 0.02, bars)))
    return pl.DataFrame(
        {
            "bar": np.arange(late, len(shock)),
            "entity": name,
            "open": opens,
            "high": high,
            "low": low,
            "close": close,
            "volume": volume,
            "quote_volume": volume * vwap,
            "taker_buy_volume": volume * rng.uniform(0.2, 0.8, bars),
            "vwap": vwap,
            "open_interest_amount": amount,
            "open_interest_value": amount * close,
            "open_interest_age": rng.uniform(0, 4, bars),
        }
    )


def full_panel(seed: int = 0, **how: Any) -> pl.DataFrame:
    """The same with the columns that not every venue publishes, so that all features can be computed."""
    panel = market_panel(seed, **how)
    rng = np.random.default_rng(seed)
    index = panel["close"].to_numpy() * np.exp(rng.normal(0, 1e-3, panel.height))
    ratios = ("long_short_ratio", "top_long_short_ratio", "taker_long_short_ratio")
    return panel.with_columns(
        *[pl.Series(name, np.exp(rng.normal(0, 0.2, panel.height))) for name in ratios],
        trades=pl.Series(np.round(np.exp(rng.normal(5, 0.5, panel.height)))),
        index_price=pl.Series(index),
        mark_price=pl.Series(index * np.exp(rng.normal(0, 5e-4, panel.height))),
    )


def _feeds(rng: np.random.Generator, bars: int) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "bar": np.arange(bars),
            "vix_close": 15 * np.exp(np.cumsum(rng.normal(0, 0.03, bars))),
            "vix_age": rng.uniform(1, 24, bars),
            "wti_price": 60 * np.exp(np.cumsum(rng.normal(0, 0.02, bars))),
            "wti_age": rng.uniform(24, 120, bars),
            "funding_rate": np.repeat(rng.normal(1e-4, 5e-5, bars // 2 + 1), 2)[:bars],
            "funding_age": np.arange(bars) % 2 * 4.0,
        }
    )


def _with_holes(panel: pl.DataFrame, rng: np.random.Generator, share: float) -> pl.DataFrame:
    panel = panel.filter(pl.Series(rng.random(panel.height) >= share))
    fields = [name for name, dtype in panel.schema.items() if dtype == pl.Float64 and name != "close"]
    return panel.with_columns(
        pl.when(pl.Series(rng.random(panel.height) >= share)).then(pl.col(name)).alias(name) for name in fields
    )


def rule(*families: str, **limits: Any) -> FeatureRule:
    """A rule for the given families, all of them by default."""
    return FeatureRule(families=families or FAMILIES, **limits)


def different(left: pl.DataFrame, right: pl.DataFrame) -> list[str]:
    """Columns that are not equal to the last bit and null for null."""
    assert left.columns == right.columns
    assert left.height == right.height
    return [name for name in left.columns if _bits(left[name]) != _bits(right[name])]


def _bits(column: pl.Series) -> bytes:
    if column.dtype == pl.Float32:
        return column.fill_null(float("inf")).to_numpy().tobytes()  # infinity never occurs in features
    return str(column.to_list()).encode()


def looking_ahead(compute: Callable[[pl.DataFrame], pl.DataFrame], panel: pl.DataFrame, cut: datetime) -> list[str]:
    """Features whose values up to ``cut`` are others when the panel ends there: they used later rows."""
    past = pl.col("time") <= cut
    return different(compute(panel).filter(past), compute(panel.filter(past)))


@pytest.fixture(scope="session")
def helpers() -> SimpleNamespace:
    """The functions above, for test files that cannot import a conftest."""
    return SimpleNamespace(
        different=different,
        looking_ahead=looking_ahead,
        full_panel=full_panel,
        market_panel=market_panel,
        rule=rule,
        families=FAMILIES,
    )


@pytest.fixture
def registry() -> Iterator[dict[str, Feature]]:
    """The register of features, put back as it was after the test."""
    before = dict(REGISTRY)
    yield REGISTRY
    REGISTRY.clear()
    REGISTRY.update(before)
