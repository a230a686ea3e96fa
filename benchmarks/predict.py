"""How long a loaded bundle takes to answer: one row, and batches, by model, as a Markdown table.

    python benchmarks/predict.py                          # every model, one thread
    python benchmarks/predict.py --threads 2 --trees 200
    python benchmarks/predict.py xgboost lightgbm --threads 2

Each model is fitted on made-up rows (160 features of the 200 in the table, 2 % of the values missing), dumped, opened
as a bundle and asked in process: a polars table in, probabilities or returns out, preprocessing included. Single rows
are 2,000 different ones after a warm-up; an LSTM is handed the 49 rows before as well. Batches have 10,000 rows; the
rate is the median of 20. "of the library" is the time of the library's own call on a matrix that is ready, divided by
ours, in the same run: 100 % would mean that everything else is free.

Each model has a process of its own. Times are of one session on one machine: compare the ratios.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl

from assay.market.models import ModelParams
from assay.market.preprocess import read_rows
from assay.market.recipe import Recipe, RecipePlan, fit_recipe, open_recipe
from assay.market.selection import Selection
from assay.market.splits import holdout_tail
from assay.market.workload import Kind

TRAINING, BATCH, FEATURES, COLUMNS = 20_000, 10_000, 160, 200
CALLS, WARM_UP, BATCHES = 2_000, 100, 20
NETWORK: dict[str, Any] = {"max_epochs": 1, "patience": None}
FAMILIES: dict[str, dict[str, Any]] = {
    "xgboost": {"early_stopping_rounds": None},
    "lightgbm": {"early_stopping_rounds": None},
    "catboost": {"early_stopping_rounds": None},
    "hist_gradient_boosting": {"early_stopping_rounds": None},
    "random_forest": {},
    "logistic": {},
    "ridge": {},
    "mlp": NETWORK,
    "lstm": NETWORK | {"targets": 50, "batch_size": 512},
    "class_prior": {},
    "last_sign": {},
}
TREES = {"catboost": "iterations", "hist_gradient_boosting": "max_iter"} | dict.fromkeys(
    ("xgboost", "lightgbm", "random_forest"), "n_estimators"
)


def made_up() -> tuple[pl.DataFrame, pl.DataFrame]:
    """Features and labels of one entity; the outcome follows a few of the features, weakly."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((TRAINING, COLUMNS)).astype(np.float32)
    y = 0.2 * X[:, 0] + 0.1 * X[:, 1] * X[:, 2] + rng.standard_normal(TRAINING)
    X[rng.random(X.shape) < 0.02] = np.nan
    begin = datetime(2020, 1, 1, tzinfo=UTC)
    hours = pl.lit(begin) + pl.duration(hours=pl.int_range(TRAINING))
    key = pl.select(entity=pl.lit("A").repeat_by(TRAINING).explode(), time=hours.cast(pl.Datetime("us", "UTC")))
    columns = {"return_1" if number == 0 else f"f{number}": X[:, number] for number in range(COLUMNS)}
    labels = key.with_columns(
        start=pl.col("time").dt.offset_by("1h"),
        label_end=pl.col("time").dt.offset_by("2h"),
        forward_return=pl.Series(0.01 * y),
        scale=pl.lit(0.01),
        label=pl.Series(np.where(np.abs(y) > 0.5, np.sign(y), 0), dtype=pl.Int8),
    )
    return key.with_columns(pl.Series(name, values).fill_nan(None) for name, values in columns.items()), labels


def loaded(family: str, kind: Kind, threads: int, trees: int) -> tuple[Recipe, pl.DataFrame]:
    """A bundle, dumped and opened again, and the features it was fitted on."""
    features, labels = made_up()
    given = {"kind": family} | FAMILIES[family] | ({TREES[family]: trees} if family in TREES else {})
    params = ModelParams.model_validate(given).root
    if "threads" in type(params).model_fields:
        params = params.with_values({"threads": threads})
    plan = RecipePlan(params=params, kind=kind, feature_set_id="made-up")
    seen = labels.filter(holdout_tail(labels, plan.tail)[0])
    chosen = Selection(
        rows=seen.height,
        last_time_seen=seen["time"].max(),
        last_label_end=seen["label_end"].max(),
        kept=tuple(features.columns[2 : 2 + FEATURES]),
        dropped={},
    )
    files = fit_recipe(features, labels, plan, selection=chosen).dump()
    return open_recipe(files, feature_set_id="made-up"), features


def library_call(recipe: Recipe, threads: int) -> Callable[[Any], object] | None:
    """The library's own prediction from a matrix; None where the model is ours."""
    model: Any = recipe.model
    match recipe.plan.params.kind:
        case "xgboost":
            call: Callable[[Any], object] = model._booster.inplace_predict
            return call
        case "lightgbm":
            return lambda X: model._booster.predict(X, num_threads=threads)
        case "catboost":
            return lambda X: model._booster.predict(X, prediction_type="RawFormulaVal", thread_count=threads or -1)
        case "hist_gradient_boosting" | "random_forest" | "logistic" | "ridge":
            estimator = model._estimator
            return estimator.predict if recipe.plan.kind == "regression" else estimator.predict_proba
    return None


def seconds(work: Callable[[Any], object], inputs: list[Any], warm_up: int) -> np.ndarray:
    """Seconds of one call per input, after a few that do not count."""
    for one in inputs[:warm_up]:
        work(one)
    took = np.empty(len(inputs))
    for number, one in enumerate(inputs):
        began = time.perf_counter()
        work(one)
        took[number] = time.perf_counter() - began
    return took


def measure(family: str, kind: Kind, threads: int, trees: int) -> dict[str, Any]:
    """Single rows and batches of one model."""
    recipe, features = loaded(family, kind, threads, trees)
    before = recipe.history.steps - 1 if recipe.history else 0
    last = np.arange(before + 1) == before
    starts = np.random.default_rng(1).integers(0, TRAINING - before - 1, CALLS)
    frames = [features[start : start + before + 1] for start in starts.tolist()]
    batches = [features[start : start + BATCH] for start in range(0, TRAINING - BATCH, (TRAINING - BATCH) // BATCHES)]
    ours = seconds(lambda frame: recipe.predict(frame, last if before else None), frames, WARM_UP)
    rates = BATCH / seconds(recipe.predict, batches[:BATCHES], 2)
    found = {
        "family": family,
        "kind": kind,
        "percentiles": (1e6 * np.percentile(ours, [50, 95, 99])).tolist(),
        "rate": float(np.median(rates)),
    }
    if raw := library_call(recipe, threads):
        rows = [read_rows(recipe.inputs, frame, None, None) for frame in frames]
        many = [read_rows(recipe.inputs, frame, None, None) for frame in batches[:BATCHES]]
        theirs, raw_rates = seconds(raw, rows, WARM_UP), BATCH / seconds(raw, many, 2)
        found["of_library"] = float(np.median(theirs) / np.median(ours))
        found["rate_of_library"] = found["rate"] / float(np.median(raw_rates))
    return found


HEADER = """\
| model | head | one row, p50 | p95 | p99 | of the library | 10,000 rows, rows/s | of the library |
|---|---|---|---|---|---|---|---|"""


def line(one: dict[str, Any]) -> str:
    """A line of the table."""
    micro = " | ".join(f"{value:,.0f} µs" for value in one["percentiles"])
    ratios = [f"{one[name]:.0%}" if name in one else "–" for name in ("of_library", "rate_of_library")]
    return f"| {one['family']} | {one['kind']} | {micro} | {ratios[0]} | {one['rate']:,.0f} | {ratios[1]} |"


def in_its_own_process(family: str, kind: Kind, threads: int, trees: int) -> dict[str, Any]:
    command = [sys.executable, __file__, family, "--threads", str(threads), "--trees", str(trees), "--only", kind]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=list(FAMILIES), help=f"of {', '.join(FAMILIES)}")
    parser.add_argument("--threads", type=int, default=1, help="0 = all cores")
    parser.add_argument("--trees", type=int, default=200)
    parser.add_argument("--only", choices=("classification", "regression"), help="measure here, print JSON")
    asked = parser.parse_args()
    if asked.only:
        print(json.dumps(measure(asked.models[0], asked.only, asked.threads, asked.trees)))
        return
    print(HEADER)
    left_out = []
    for family in asked.models:
        rule = ModelParams.model_validate({"kind": family}).root
        if missing := rule.missing():
            left_out.append(f"{family}: {missing}")
            continue
        for kind in sorted(rule.heads - {"binary"}, reverse=True):
            print(line(in_its_own_process(family, kind, asked.threads, asked.trees)), flush=True)
    print("\n".join(["", *left_out]))


if __name__ == "__main__":
    main()
