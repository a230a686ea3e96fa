"""How often the 95 % intervals of ``evaluate`` cover the truth, on mock markets with overlapping, correlated labels.

    python benchmarks/interval_coverage.py                    # IC .1, 500 and 5,000 rows, 400 markets each: minutes
    python benchmarks/interval_coverage.py --ic 0             # no signal: how often an interval lies above zero
    python benchmarks/interval_coverage.py --rows 500 --runs 1000
    python benchmarks/interval_coverage.py --table            # what has been measured so far, as Markdown

Models are fitted once, on columns that anyone can see, and then frozen. The truth of a metric is what the same frozen
model shows on a million rows of another market (six symbols, so 166,667 bars). Every run is a fresh market of so many
rows: six symbols with correlated Student t shocks and persistent volatility, labels over 5 bars, one fold. Runs are
kept in ``build/coverage/`` as they are done, and those that are there are not repeated: kill it and go on as you like.

- ``logistic`` and ``ridge`` know open interest, funding, activity, volatility and the hour.
- ``momentum`` is the past return over 50 bars: a slow score, which a mean of the whole sample would bias.
- ``rare`` speaks up where open interest is extreme, on about one row in seventy, and is constant elsewhere.
- ``x - y`` are paired differences of a metric.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy.signal import lfilter

from assay.market.evaluation import EvaluationRule, evaluate, out_of_sample_scores
from assay.market.models import ModelParams, build
from assay.market.simulator import MarketRule, design, simulate

SYMBOLS, HORIZON, BEFORE, TREND = 6, 5, 300, 50
LEARN, TRUTH = 20_000, 166_667  # bars
EXTREME = 2.2  # standard deviations of open interest
ROLES = {
    "classification": {"logistic": "model", "class_prior": "baseline"},
    "regression": {"ridge": "model", "momentum": "model", "rare": "model", "zero": "baseline"},
}
BASELINES = [name for roles in ROLES.values() for name, role in roles.items() if role == "baseline"]
FOLDER = Path(__file__).parents[1] / "build" / "coverage"
Facts = dict[str, Any]


@dataclass(frozen=True)
class Rows:
    """Rows of a market in order of time, all symbols of a bar together."""

    X: np.ndarray
    returns: np.ndarray
    scale: np.ndarray
    momentum: np.ndarray


@dataclass(frozen=True)
class Frozen:
    """Fitted models, the limit of the classes in scales and the class shares."""

    logistic: Any
    ridge: Any
    limit: float
    shares: np.ndarray


def rows_of(bars: int, seed: int, ic: float) -> Rows:
    """A market without its first bars, which only the trailing columns see."""
    plain = {"symbols": SYMBOLS, "listings": 0, "delistings": 0, "revisions": 0.0}
    market = simulate(MarketRule(bars=bars + BEFORE + HORIZON, seed=seed, ic=ic, **plain))
    data, n = design(market, noise=0, horizon=HORIZON), bars + BEFORE
    past = market.paths.returns[:, :n]
    scale, fast = (np.sqrt(HORIZON * lfilter([1 / m], [1, 1 / m - 1], past**2, axis=1)) for m in (30, 6))
    total = np.cumsum(past, axis=1)
    trend = np.concatenate([np.zeros((SYMBOLS, TREND)), total[:, TREND:] - total[:, :-TREND]], axis=1)
    angle = 2 * np.pi * np.broadcast_to(np.arange(n) % 24, past.shape) / 24
    seen = [*np.moveaxis(data.X.reshape(SYMBOLS, n, 3), 2, 0), np.log(fast / scale), np.cos(angle), np.sin(angle)]
    X = np.stack([column[:, BEFORE:].T.ravel() for column in seen], axis=1).astype(np.float32)
    others = (data.returns.reshape(SYMBOLS, n), scale, trend)
    return Rows(X, *(column[:, BEFORE:].T.ravel() for column in others))


def freeze(ic: float) -> Frozen:
    """Fit on a market of its own."""
    rows = rows_of(LEARN, 1, ic)
    y = rows.returns / rows.scale
    limit = float(np.quantile(np.abs(y), 1 / 3))
    classes = np.where(np.abs(y) > limit, np.sign(y), 0).astype(np.int8)
    shares = np.array([(classes == c).mean() for c in (-1, 0, 1)])
    kinds = {"logistic": ("classification", classes), "ridge": ("regression", y)}
    fitted = {}
    for name, (kind, target) in kinds.items():
        fitted[name] = build(ModelParams.model_validate({"kind": name}).root, kind, seed=0)
        fitted[name].fit(rows.X, target)
    return Frozen(**fitted, limit=limit, shares=shares)


def predictions(rows: Rows, frozen: Frozen) -> dict[str, pl.DataFrame]:
    """Out-of-sample tables per kind of head."""
    bars = len(rows.returns) // SYMBOLS
    start = datetime(2024, 1, 1, tzinfo=UTC)
    times = pl.datetime_range(start, start + timedelta(hours=bars - 1), "1h", eager=True)
    key = {
        "entity": pl.Series(np.tile([f"MOCK{i}" for i in range(SYMBOLS)], bars)),
        "time": times.gather(np.repeat(np.arange(bars), SYMBOLS)),
        "fold": pl.Series(np.ones(len(rows.returns), dtype=np.int32)),
        "forward_return": pl.Series(rows.returns),
        "scale": pl.Series(rows.scale),
    }
    truth = np.where(np.abs(rows.returns) > frozen.limit * rows.scale, np.sign(rows.returns), 0)
    known = frozen.logistic.predict(rows.X)
    chances = {"logistic": known, "class_prior": np.broadcast_to(frozen.shares, known.shape)}
    scores = {
        "ridge": frozen.ridge.predict(rows.X) * rows.scale,
        "momentum": 0.01 * rows.momentum,
        "rare": np.where(rows.X[:, 0] > EXTREME, -1e-3, 0.0),
        "zero": np.zeros(len(rows.returns)),
    }
    base = pl.DataFrame(key)
    classes = [
        base.select(pl.lit(name).alias("model"), pl.all()).with_columns(
            y_true=truth, y_pred=p.argmax(axis=1) - 1.0, p_short=p[:, 0], p_neutral=p[:, 1], p_long=p[:, 2]
        )
        for name, p in chances.items()
    ]
    returns = [
        base.select(pl.lit(name).alias("model"), pl.all()).with_columns(y_true=rows.returns, y_pred=score)
        for name, score in scores.items()
    ]
    return {"classification": pl.concat(classes), "regression": pl.concat(returns)}


def truths(frozen: Frozen, ic: float) -> Facts:
    """Every metric of the frozen models on a million rows."""
    tables = predictions(rows_of(TRUTH, 2, ic), frozen)
    return {
        name: out_of_sample_scores(tables[kind], name, kind=kind) for kind, roles in ROLES.items() for name in roles
    }


def estimates(tables: dict[str, pl.DataFrame]) -> Iterator[tuple[str, str, list[float | None]]]:
    """Value, low and high of every metric and difference that ``evaluate`` tells."""
    for kind, roles in ROLES.items():
        rule = EvaluationRule(common_from_fold=1)
        found = evaluate(tables[kind], kind=kind, roles=roles, horizon=HORIZON, rule=rule)
        for name in roles:
            told = found["models"][name]
            for metric, estimate in told["metrics"].items():
                yield name, metric, [estimate[key] for key in ("value", "low", "high")]
            for rival in set(told["versus"]) & set(roles):
                for metric, estimate in told["versus"][rival].items():
                    yield f"{name} - {rival}", metric, [estimate[key] for key in ("difference", "low", "high")]


def measure(rows: int, runs: int, ic: float) -> None:
    """Do the runs that are missing."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    journal, frozen = FOLDER / f"{ic:g}-{rows}.jsonl", freeze(ic)
    truth = FOLDER / f"{ic:g}-truth.json"
    if not truth.exists():
        truth.write_text(json.dumps(truths(frozen, ic)))
    done = len(journal.read_text().splitlines()) if journal.exists() else 0
    for run in range(done, runs):
        tables = predictions(rows_of(round(rows / SYMBOLS), 1000 + run, ic), frozen)
        line = json.dumps(list(estimates(tables)))
        with journal.open("a") as file:
            file.write(line + "\n")


def table(ic: float) -> str:
    """Coverage per metric, one group of columns per number of rows."""
    truth = json.loads((FOLDER / f"{ic:g}-truth.json").read_text())
    paths = sorted(FOLDER.glob(f"{ic:g}-*.jsonl"), key=lambda path: int(path.stem.split("-")[-1]))
    columns = {}
    for path in paths:
        found = defaultdict(list)
        for line in path.read_text().splitlines():
            for name, metric, estimate in json.loads(line):
                found[name, metric].append(estimate)
        columns[path.stem.split("-")[-1]] = found
    head = " | ".join(f"{rows} rows: covered | below / above | width" for rows in columns)
    lines = [f"| | metric | truth | {head} |", "|---|---|---|" + "---|---|---|" * len(columns)]
    for name, metric in next(iter(columns.values())):
        true = _true(truth, name, metric)
        if true is not None and name not in BASELINES:
            cells = [_cells(found[name, metric], true) for found in columns.values()]
            lines.append(f"| {name} | {metric} | {true:.4g} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _true(truth: Facts, name: str, metric: str) -> float | None:
    mine, *rival = (truth[part][metric] for part in name.split(" - "))
    if mine is None or None in rival:
        return None
    return mine - rival[0] if rival else mine


def _cells(found: list[list[float | None]], true: float) -> str:
    """Of the runs where the interval is defined: covered, truth below and above it, median width."""
    ends = np.array([estimate[1:] for estimate in found if estimate[1] is not None], dtype=float)
    if len(ends) == 0 or np.ptp(ends) == 0.0:
        return "– | – | –"
    below, above = (true < ends[:, 0]).mean(), (true > ends[:, 1]).mean()
    few = f" ({len(ends)} runs)" if len(ends) < len(found) else ""
    width = np.median(ends[:, 1] - ends[:, 0])
    return f"{1 - below - above:.1%}{few} | {below:.1%} / {above:.1%} | {width:.3g}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--ic", type=float, default=0.1)
    parser.add_argument("--rows", type=int, nargs="+", default=[500, 5000])
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--table", action="store_true")
    asked = parser.parse_args()
    if not asked.table:
        for rows in asked.rows:
            measure(rows, asked.runs, asked.ic)
    print(table(asked.ic))
