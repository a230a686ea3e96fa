"""What walk-forward validation costs on top of the fits and predictions themselves, per model, as a Markdown table.

    python benchmarks/walk_forward.py                  # every model that is installed
    python benchmarks/walk_forward.py xgboost ridge    # some

Both times come from one run: the whole of `validate` (splitting, weights, preprocessing, receipts, files), and what was
spent inside the library's own fit and predict.
"""

import sys
from time import perf_counter

import numpy as np
import polars as pl

from assay.market.models import ModelParams
from assay.market.recipe import RecipePlan
from assay.market.selection import Selection
from assay.market.splits import SplitRule, holdout_tail, plan_folds, split_rows
from assay.market.walk_forward import Fold, validate
from assay.market.weights import WeightRule

BARS, ENTITIES, FEATURES, HORIZON = 10_000, 5, 50, 5
MODELS = ("xgboost", "lightgbm", "catboost", "hist_gradient_boosting", "random_forest", "ridge")
START, HOUR = np.datetime64("2020-01-01", "us"), np.timedelta64(1, "h")


def made_up() -> tuple[pl.DataFrame, pl.DataFrame]:
    """Features and labels of 50,000 rows with a little skill."""
    rng = np.random.default_rng(0)
    rows = BARS * ENTITIES
    X = rng.standard_normal((rows, FEATURES), dtype=np.float32)
    r = 0.01 * (0.1 * X[:, 0] + rng.standard_normal(rows))
    time = np.tile(START + HOUR * np.arange(BARS), ENTITIES)
    known = np.tile(np.arange(BARS) < BARS - HORIZON - 1, ENTITIES)
    key = pl.DataFrame({"entity": np.repeat([f"E{e}" for e in range(ENTITIES)], BARS), "time": time})
    key = key.with_columns(pl.col("time").dt.replace_time_zone("UTC"))
    hour, known = pl.duration(hours=1), pl.Series(known)
    labels = key.with_columns(
        start=pl.col("time") + hour,
        label_end=pl.when(known).then(pl.col("time") + (HORIZON + 1) * hour),
        forward_return=pl.when(known).then(pl.Series(r)),
        scale=pl.lit(0.01),
        label=pl.when(known).then(pl.Series(np.sign(r).astype(np.int8))),
    )
    return key.hstack([pl.Series(f"f{i}", X[:, i]) for i in range(FEATURES)]), labels


def chosen(labels: pl.DataFrame, plan: RecipePlan) -> Selection:
    """All features, as if they had been chosen on these rows; choosing is a stage of its own."""
    labelled = labels.drop_nulls()
    part = labelled.filter(holdout_tail(labelled, plan.tail)[0])
    names = [f"f{i}" for i in range(FEATURES)]
    seen = {"last_time_seen": part["time"].max(), "last_label_end": part["label_end"].max()}
    return Selection(rows=part.height, kept=names, dropped={}, ranks={}, consensus=dict.fromkeys(names, 1.0), **seen)


def timed(kind: str) -> tuple[float, float]:
    """Seconds of the whole validation, and of the fits and predictions in it."""
    params = ModelParams.model_validate({"kind": kind}).root
    plan = RecipePlan(params, "regression", "made up", weights=WeightRule(kind="uniqueness"))
    inside, create = [0.0], type(params).create

    def watched(self: object, *args: object, **more: object) -> object:
        model = create(self, *args, **more)
        for name in ("fit", "predict"):
            setattr(model, name, clocked(getattr(model, name)))
        return model

    def clocked(work: object) -> object:
        def run(*args: object, **more: object) -> object:
            start = perf_counter()
            try:
                return work(*args, **more)
            finally:
                inside[0] += perf_counter() - start

        return run

    folds = [Fold(receipt, chosen(LABELS.filter(split_rows(LABELS, receipt)[0]), plan)) for receipt in RECEIPTS]
    type(params).create = watched
    start = perf_counter()
    validate(TABLE, LABELS, folds, plan=plan)
    whole = perf_counter() - start
    type(params).create = create
    return whole, inside[0]


TABLE, LABELS = made_up()
RECEIPTS = plan_folds(LABELS, SplitRule(folds=5, embargo=HORIZON))

if __name__ == "__main__":
    print(f"| {BARS * ENTITIES:,} rows, {FEATURES} features, 5 folds | whole s | fits and predictions s | on top |")
    print("|---|---|---|---|")
    for kind in sys.argv[1:] or MODELS:
        whole, inside = timed(kind)
        print(f"| {kind} | {whole:.2f} | {inside:.2f} | {whole / inside - 1:.1%} |")
