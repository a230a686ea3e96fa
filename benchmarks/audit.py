"""Seconds of the leak audit, and how they add up, as a Markdown table.

    python benchmarks/audit.py                  # 10 entities x 5,000 bars of random walks, 200 features
    python benchmarks/audit.py 12 13000 250     # entities, bars, features

Each part is timed by what the audit reports of its progress. Times are one run on the machine at hand.
"""

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from time import perf_counter

import numpy as np
import polars as pl

from assay.market.audit import AuditRule, Evidence, audit_features
from assay.market.features import FeatureRule, engineer
from assay.market.features.engine import recompute
from assay.market.features.registry import families

HOUR = timedelta(hours=1)
FIELDS = ("volume", "quote_volume", "taker_buy_volume")


def market(entities: int, bars: int, seed: int = 0) -> pl.DataFrame:
    """Random walks that share half of their moves, with all columns of a bar."""
    rng = np.random.default_rng(seed)
    shock, own = rng.normal(0, 0.005, (bars, 1)), rng.normal(0, 0.005, (bars, entities))
    close = (100 * np.exp(np.cumsum(shock + own, axis=0))).T.ravel()
    wick = np.exp(np.abs(rng.normal(0, 0.003, (2, close.size))))
    opens = close * np.exp(rng.normal(0, 0.002, close.size))
    table = pl.DataFrame(
        {
            "entity": np.repeat([f"E{number:03}" for number in range(entities)], bars),
            "bar": np.tile(np.arange(bars), entities),
            "open": opens,
            "high": np.maximum(opens, close) * wick[0],
            "low": np.minimum(opens, close) / wick[1],
            "close": close,
            **{name: np.exp(rng.normal(8 - number, 1, close.size)) for number, name in enumerate(FIELDS)},
            "vwap": (opens + close) / 2,
            "jump": False,
        }
    )
    start = pl.lit(datetime(2024, 1, 1, tzinfo=UTC)).cast(pl.Datetime("us", "UTC"))
    return table.with_columns(time=start + pl.col("bar") * HOUR).drop("bar")


def outcome(panel: pl.DataFrame, horizon: int = 5) -> pl.DataFrame:
    """Labels with a fixed horizon."""
    ahead = (pl.col("close").shift(-1 - horizon) / pl.col("close").shift(-1) - 1).over("entity")
    end = pl.col("time").shift(-1 - horizon).over("entity")
    return panel.select("entity", "time", label_end=end, forward_return=ahead)


class Stopwatch:
    """Tracks nothing and remembers how long each work took."""

    def __init__(self) -> None:
        self.parts: dict[str, tuple[int, float]] = {}

    def __call__(self, items: Sequence, what: str) -> Iterable:
        start = perf_counter()
        yield from items
        self.parts[what] = (len(items), perf_counter() - start)


def measure(entities: int, bars: int, count: int) -> str:
    """One audit, in parts."""
    panel = market(entities, bars)
    rule = FeatureRule(families=tuple(families()))
    stored, catalogue = engineer(panel, rule)
    every = [feature["name"] for feature in catalogue["features"]]
    names = [every[number] for number in np.linspace(0, len(every) - 1, min(count, len(every))).astype(int)]
    function = partial(recompute, rule=rule, names=names)
    start = perf_counter()
    stored = function(panel)
    once = perf_counter() - start
    catalogue = {"features": [feature for feature in catalogue["features"] if feature["name"] in names]}
    evidence, watch = Evidence(stored, catalogue, {"head": outcome(panel)}), Stopwatch()
    start = perf_counter()
    found = audit_features(panel, function, rule=AuditRule(), evidence=evidence, track=watch)
    total = perf_counter() - start
    rows = [f"| {what} | {times} | {took:.1f} |" for what, (times, took) in watch.parts.items() if what != "tests"]
    head = [f"| {panel.height:,} rows x {len(names)} features: {found['verdict']} | times | seconds |", "|---|---|---|"]
    whole = [f"| all features once | 1 | {once:.1f} |", *rows, f"| **whole audit** | | **{total:.1f}** |"]
    return "\n".join([*head, *whole])


if __name__ == "__main__":
    print(measure(*(int(value) for value in sys.argv[1:] or (10, 5000, 200))))
