"""A head whose models were already validated: answers of known quality to the folds of a small market."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import polars as pl
import pytest

from assay.market.execution import Execution
from assay.market.models import called
from assay.market.plan import Learning, Plan
from assay.market.prepared import assemble, content_hash
from assay.market.selection import Selection
from assay.market.splits import SplitRule, plan_folds
from assay.market.tables import KEY, stack_by_model
from assay.market.workload import Kind

KEPT = ("return_1", "signal", "noise_0")
Validated = Callable[..., "tuple[pl.DataFrame, pl.DataFrame, Plan]"]


def make_plan_of(features: pl.DataFrame, labels: pl.DataFrame, kind: Kind, models: tuple[str, ...]) -> Plan:
    rule = SplitRule(folds=5, min_train=0.3, embargo=2)
    receipts = tuple(plan_folds(labels, rule))
    known = labels.filter(pl.col("label").is_not_null())
    seen: dict[str, Any] = {
        "all": (known["time"].max(), known["label_end"].max()),
        **{f"fold {receipt.fold}": (receipt.train_end, receipt.last_train_label_end) for receipt in receipts},
    }
    selections = {
        part: Selection(
            rows=9,
            kept=KEPT if part == "all" else (*KEPT, "noise_1", "twin")[-int(part[-1]) :],
            dropped={},
            last_time_seen=times[0],
            last_label_end=times[1],
        )
        for part, times in seen.items()
    }
    return Plan(
        head="signal" if kind == "classification" else "target",
        kind=kind,
        roles=dict.fromkeys(models, "model"),
        horizon=3,
        execution=Execution(),
        feature_set_id="set-1",
        receipts=receipts,
        learning=Learning(seed=3, splits=rule),
        selections=selections,
        rows=content_hash(features, labels),
    )


def probabilities_of(score: np.ndarray, sharpness: float = 1.0) -> np.ndarray:
    scores = sharpness * np.column_stack([-score, np.zeros(len(score)), score])
    grown = np.exp(scores)
    return np.asarray(grown / grown.sum(axis=1, keepdims=True))


def predictions(rows: pl.DataFrame, out: np.ndarray, kind: Kind) -> pl.DataFrame:
    if kind == "regression":
        return rows.with_columns(pl.Series("y_pred", out))
    names = ("p_short", "p_neutral", "p_long")
    shares = (pl.Series(name, column) for name, column in zip(names, out.T, strict=True))
    return rows.with_columns(pl.Series("y_pred", called(out), dtype=pl.Int8), *shares)


@pytest.fixture(scope="session")
def validated(toy_market: Any) -> Validated:
    """Maker of (answers of all models, model_input, plan); ``skills``: correlation of each with the outcome."""

    def make(kind: Kind, skills: Mapping[str, float], *, bars: int = 400, seed: int = 1) -> Any:
        features, labels = toy_market(bars=bars, seed=seed)
        plan, rng = make_plan_of(features, labels, kind, tuple(skills)), np.random.default_rng([seed, 1])
        target = "label" if kind == "classification" else "forward_return"
        rows = pl.concat(
            labels.filter(pl.col("time").is_between(receipt.test_start, receipt.test_end)).select(
                *KEY,
                "label_end",
                pl.lit(receipt.fold, dtype=pl.Int32).alias("fold"),
                pl.lit(receipt.last_train_label_end, dtype=labels.schema["label_end"]).alias("train_end"),
                "forward_return",
                "scale",
                pl.col(target).alias("y_true"),
            )
            for receipt in plan.receipts
        ).sort(KEY)
        outcome = (rows["forward_return"].fill_null(0.0) / rows["scale"]).to_numpy()
        tables = {}
        for model, skill in skills.items():
            score = skill * outcome + np.sqrt(1 - skill**2) * rng.standard_normal(len(outcome))
            out = 0.01 * max(skill, 0.2) * score if kind == "regression" else probabilities_of(score, max(skill, 0.3))
            tables[model] = predictions(rows, out, kind)
        return stack_by_model(tables), assemble(features, labels), plan

    return make
