"""A market with the columns that not every venue publishes, for the oracles of the features that read them."""

from collections.abc import Callable
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from assay.market.features import engineer
from assay.market.features.feature import REGISTRY

RATIOS = ("long_short_ratio", "top_long_short_ratio", "taker_long_short_ratio")


def with_rare_columns(panel: pl.DataFrame) -> pl.DataFrame:
    """Add trades, long-short ratios, mark and index price."""
    rng = np.random.default_rng(3)
    index = panel["close"].to_numpy() * np.exp(rng.normal(0, 1e-3, panel.height))
    return panel.with_columns(
        *[pl.Series(name, np.exp(rng.normal(0, 0.2, panel.height))) for name in RATIOS],
        trades=pl.Series(np.round(np.exp(rng.normal(5, 0.5, panel.height)))),
        index_price=pl.Series(index),
        mark_price=pl.Series(index * np.exp(rng.normal(0, 5e-4, panel.height))),
    )


@pytest.fixture(scope="session")
def agrees(helpers: SimpleNamespace) -> Callable[..., None]:
    """Compare a feature with a slow formula of one entity's history, at rows from its first value to the last."""

    @cache
    def world() -> tuple[pl.DataFrame, pl.DataFrame]:
        panel = with_rare_columns(helpers.market_panel(7))
        return tuple(table.filter(pl.col("entity") == "E2") for table in (panel, engineer(panel, helpers.rule())[0]))

    def check(name: str, oracle: Callable[[Any], float], *, rows: int = 8) -> None:
        panel, features = world()
        for row in np.linspace(REGISTRY[name].warm_up, panel.height - 1, rows).astype(int):
            history = SimpleNamespace(**{column: panel[column].to_numpy()[: row + 1] for column in panel.columns})
            assert features[name][int(row)] == pytest.approx(float(oracle(history)), rel=2e-5, abs=2e-7), (name, row)

    return check
