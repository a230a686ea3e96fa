"""What one new day costs the feature store, against computing everything again, as a Markdown table.

    python benchmarks/incremental.py                   # 300 entities x 2500 days
    python benchmarks/incremental.py 100 1000          # a smaller market

A market of random walks with one bar per entity and day; the last day is the new one. "Compute" is the features alone,
"with the store" adds hashing the panel, comparing the parts that are kept with their SHA-256, and writing what is new
and the manifest. Alpha158 gets a panel of bars alone, the workloads' rules one with feeds. Each figure is the best of
three, after a small market has warmed up the kernels.
"""

import logging
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import yaml
from kedro.io import Version

from assay.datasets.store import FeaturePartitions, FeatureStore
from assay.market.features import FeatureRule, engineer, engineer_parts, recompute

ROOT = Path(__file__).parents[1]
BARS = ("entity", "time", "open", "high", "low", "close", "volume", "vwap", "jump")
REPEATS = 3


def market(entities: int, days: int) -> pl.DataFrame:
    """Random walks with every column that the families of the workloads read from bars and feeds."""
    rng = np.random.default_rng(5)
    shape = (entities, days)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, days) + rng.normal(0, 0.015, shape), axis=1))
    opens = close * np.exp(rng.normal(0, 0.005, shape))
    volume = np.exp(rng.normal(10, 1, shape))
    amount = np.exp(rng.normal(12, 0.1, shape))
    columns = {
        "open": opens,
        "high": np.maximum(opens, close) * np.exp(rng.exponential(0.005, shape)),
        "low": np.minimum(opens, close) * np.exp(-rng.exponential(0.005, shape)),
        "close": close,
        "volume": volume,
        "quote_volume": volume * close,
        "taker_buy_volume": volume * rng.uniform(0.3, 0.7, shape),
        "vwap": close * np.exp(rng.normal(0, 0.002, shape)),
        "open_interest_amount": amount,
        "open_interest_value": amount * close,
        "open_interest_age": rng.uniform(0, 4, shape),
        "funding_rate": rng.normal(1e-4, 5e-5, shape),
        "funding_age": rng.uniform(0, 8, shape),
        "vix_close": np.broadcast_to(15 * np.exp(np.cumsum(rng.normal(0, 0.02, days))), shape),
        "vix_age": np.ones(shape),
        "wti_price": np.broadcast_to(60 * np.exp(np.cumsum(rng.normal(0, 0.02, days))), shape),
        "wti_age": np.ones(shape),
    }
    start = datetime(2015, 1, 1, tzinfo=UTC)
    times = pl.Series([start + timedelta(days=day) for day in range(days)] * entities, dtype=pl.Datetime("us", "UTC"))
    names = np.repeat([f"E{number:04}" for number in range(entities)], days)
    table = pl.DataFrame({"entity": names, "time": times, "jump": False})
    return table.hstack([pl.Series(name, np.ascontiguousarray(values).ravel()) for name, values in columns.items()])


def rules() -> dict[str, FeatureRule]:
    """Alpha158 alone, and what the workloads ask for, on frames that are longer than a day."""
    found = {"alpha158": FeatureRule(families=("alpha158",))}
    for path in sorted(ROOT.glob("conf/base/*/parameters.yml")):
        rule = FeatureRule(**yaml.safe_load(path.read_text())[path.parent.name]["features"])
        frames = {frame: names for frame, names in rule.timeframes.items() if frame > timedelta(days=1)}
        found[path.parent.name] = rule.model_copy(update={"timeframes": frames})
    return found


def seconds(work: Callable[[], object], before: Callable[[], object] = lambda: None) -> float:
    """Shortest of a few runs; ``before`` puts things in place and is not timed."""
    took = []
    for _ in range(REPEATS):
        before()
        start = time.perf_counter()
        work()
        took.append(time.perf_counter() - start)
    return min(took)


def compared(panel: pl.DataFrame, rule: FeatureRule) -> tuple[int, list[float]]:
    """Features, and seconds: compute all, compute one day, all with the store, one day with the store."""
    newest = panel["time"].max()
    names = [feature["name"] for feature in engineer(panel.filter(pl.col("time") == newest), rule)[1]["features"]]
    with tempfile.TemporaryDirectory() as folder:
        path, version = f"{folder}/features.json", iter(range(10_000))

        def update(rows: pl.DataFrame, *, anew: bool) -> None:
            known = {} if anew else FeaturePartitions(filepath=path).load()
            table, _ = engineer_parts(rows, rule, known)
            FeatureStore(filepath=path, version=Version(None, f"{next(version):05}")).save(table)

        def forget(rows: pl.DataFrame | None) -> None:
            for file in Path(folder).rglob("*.*"):
                if file.is_file():
                    file.unlink()
            if rows is not None:
                update(rows, anew=True)

        old = panel.filter(pl.col("time") < newest)
        return len(names), [
            seconds(lambda: recompute(panel, rule, names)),
            seconds(lambda: recompute(panel, rule, names, since=newest)),
            seconds(lambda: update(panel, anew=True), lambda: forget(None)),
            seconds(lambda: update(panel, anew=False), lambda: forget(old)),
        ]


def row(name: str, features: int, took: list[float]) -> str:
    everything, day, stored, updated = took
    return (
        f"| {name} | {features} | {everything:.2f} | {day:.3f} | {everything / day:.0f}x "
        f"| {stored:.2f} | {updated:.3f} | {stored / updated:.0f}x |"
    )


if __name__ == "__main__":
    logging.disable(logging.INFO)
    entities, days = (int(number) for number in sys.argv[1:3] or (300, 2500))
    small, panel = market(6, 300), market(entities, days)
    print(f"One new day, {entities} entities x {days} days = {panel.height:,} rows\n")
    print("| rule | features | compute: all, s | one day, s | ratio | with the store: all, s | one day, s | ratio |")
    print("|---|---|---|---|---|---|---|---|")
    for name, rule in rules().items():
        engineer(small, rule)
        print(row(name, *compared(panel.select(BARS) if name == "alpha158" else panel, rule)), flush=True)
