"""What the oracles of the families share: one market with every column, and markets for mental arithmetic."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from assay.market.features import engineer
from assay.market.features.feature import REGISTRY

START = datetime(2022, 1, 3, tzinfo=UTC)


@pytest.fixture(scope="session")
def agrees(helpers: SimpleNamespace) -> Callable[..., None]:
    """Compare a feature with a slow formula of one entity's history, at rows from its first value to the last."""

    @cache
    def world() -> tuple[pl.DataFrame, pl.DataFrame]:
        panel = helpers.full_panel(7)
        return tuple(table.filter(pl.col("entity") == "E2") for table in (panel, engineer(panel, helpers.rule())[0]))

    def check(name: str, oracle: Callable[[Any], float], *, rows: int = 8) -> None:
        panel, features = world()
        for row in np.linspace(REGISTRY[name].warm_up, panel.height - 1, rows).astype(int):
            history = SimpleNamespace(**{column: panel[column].to_numpy()[: row + 1] for column in panel.columns})
            assert features[name][int(row)] == pytest.approx(float(oracle(history)), rel=2e-5, abs=2e-7), (name, row)

    return check


def tiny(closes: dict[str, list[float | None]]) -> Any:
    """Panel of daily closes by entity; None where there is no bar."""
    rows = [
        {"entity": entity, "time": START + timedelta(days=day), "close": float(close), "volume": 1.0}
        for entity, series in closes.items()
        for day, close in enumerate(series)
        if close is not None
    ]
    return pl.DataFrame(rows).with_columns(pl.col("time").cast(pl.Datetime("us", "UTC")))


def by_entity(features: pl.DataFrame, name: str) -> Any:
    """Values of a feature by entity, oldest first."""
    return {entity: rows[name].to_list() for (entity,), rows in features.group_by("entity", maintain_order=True)}


def own_returns(panel: pl.DataFrame) -> Any:
    """Returns since the neighbouring bar: by time, those of the entities that have one."""
    closes = {time: dict(rows.select("entity", "close").iter_rows()) for (time,), rows in panel.group_by("time")}
    times = sorted(closes)
    return {
        time: {
            entity: close / closes[last][entity] - 1 for entity, close in closes[time].items() if entity in closes[last]
        }
        for last, time in pairwise(times)
    }


@pytest.fixture(scope="session")
def universe() -> SimpleNamespace:
    """The functions above, for test files that cannot import a conftest."""
    return SimpleNamespace(tiny=tiny, by_entity=by_entity, own_returns=own_returns)
